/* SPDX-License-Identifier: Apache-2.0
 * A published store on disk: what `publish` writes and an alternate is read from. See
 * FORMAT.md, "Published stores".
 *
 *	<dir>/<publisher>/current        which index counts; replaced by rename
 *	<dir>/<publisher>/index-<...>    sealed: written once, never changed
 *	<dir>/<publisher>/packs/         committed bytes of the store's packs, same names; one
 *	                                 may grow, no byte of it ever changes
 *
 * PUBLISHER is 16 hex digits that belong to one store directory, so hosts that publish into
 * the same directory never write the same file, and nothing there is ever locked.
 *
 *	current := "layercache share 1\n" "index " name "\n" line*
 *	line    := "pack " 8 hex digits " " committed bytes "\n"
 *	         | "retired " seconds since the epoch " " path "\n"	(not needed any more)
 *	index   := header | record* | state | u64 XXH3 of each block
 *	header  := "LCSHARE1" | u64 records | u64 bytes of state | u64 XXH3 of the table of
 *	           blocks | u64 zero | u64 XXH3 of the 40 bytes before
 *	record  := SHA-256 (32) | u64 frame offset | u32 pack | u32 frame length | u32 offset
 *	           | u32 length | u8 kind (enum object_kind) | 7 zero bytes
 *	state   := items of a journal record (record.h)
 *
 * Records are sorted by digest. A block is SHARE_BLOCK bytes of what is between header and
 * table; the last one may be shorter. No byte is believed before its block's sum was checked.
 */
#ifndef STORE_SHARE_FORMAT_H
#define STORE_SHARE_FORMAT_H

#define SHARE_CURRENT          "current"
#define SHARE_CURRENT_TEXT     "layercache share 1\n"
#define SHARE_CURRENT_MAX      (4u << 20)
#define SHARE_PACKS            "packs"
#define SHARE_INDEX_PREFIX     "index-"
#define SHARE_MAGIC            "LCSHARE1"
#define SHARE_HEADER_SIZE      48
#define SHARE_RECORD_SIZE      64
#define SHARE_BLOCK            (64u << 10)
#define SHARE_STATE_MAX        (64u << 20)
#define SHARE_PUBLISHER_DIGITS 16

/* Fields of a record, behind the digest. */
#define SHARE_R_FRAME_OFF 32
#define SHARE_R_PACK      40
#define SHARE_R_FRAME_LEN 44
#define SHARE_R_OFF       48
#define SHARE_R_LEN       52
#define SHARE_R_KIND      56

#endif

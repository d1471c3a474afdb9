/* SPDX-License-Identifier: Apache-2.0
 * Packs on disk. See FORMAT.md, "Packs".
 *
 * A pack is `packs/<8 hex digits of its number>.pack`: a file header, then frames back to
 * back. Bytes are only ever appended; what lies beyond the committed length (journal) is an
 * unfinished import and is cut by the next writer.
 *
 *	frame := header (48) | table (count * 40) | body (stored_len)
 *
 * All integers little-endian. Field offsets below are normative.
 */
#ifndef STORE_PACK_FORMAT_H
#define STORE_PACK_FORMAT_H

#include <stdint.h>

#define PACK_FILE_MAGIC       "LCPACK01" /* 8 bytes at offset 0 */
#define PACK_FILE_HEADER_SIZE 16         /* magic, u32 pack number, u32 zero */

#define PACK_FRAME_MAGIC       0x4d52464cu /* "LFRM" */
#define PACK_FRAME_HEADER_SIZE 48
#define PACK_TABLE_ENTRY_SIZE  40
#define PACK_BODY_MAX          (16u << 20) /* stored and raw length of one body */
#define PACK_TABLE_MAX         65536       /* entries of one table */

/* Frame header:
 *  0 u32 magic       4 u8 type     5 u8 method (enum codec_method)   6 u16 zero
 *  8 u32 count of table entries   12 u32 stored_len   16 u32 raw_len
 * 20 u32 low half of XXH3-64 of the table: a scan trusts tables without reading bodies
 * 24 u64 own offset in the file (a frame cannot pass for another one)
 * 32 u64 XXH3-64 of table and body as stored
 * 40 u64 XXH3-64 of header bytes 0..39
 *
 * Table entry: 0 SHA-256 of the slice (32)  32 u32 offset in the raw body  36 u32 length
 */
enum pack_frame_type {
	PACK_DATA = 1, /* table: objects and chunks, slices of the body */
	PACK_CHUNKS =
		2, /* table: chunked objects (digest = whole content); slice = list of
			    * { SHA-256 (32), u64 end in the content }, ends growing; zero
			    * digest: a hole (chunk_list.h) */
	PACK_RECIPE =
		3,     /* one segment or the index of a layer's recipe (recipe_format.h);
			    * no table */
	PACK_TREE = 4, /* part of a layer's tree image (derived); no table */
	PACK_DOCUMENT = 5, /* table: one entry, a manifest, config, index ... verbatim */
};

#endif

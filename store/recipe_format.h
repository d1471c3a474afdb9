/* SPDX-License-Identifier: Apache-2.0
 * Recipes on disk. See FORMAT.md, "Recipes".
 *
 * A recipe rebuilds one tar byte for byte. It is a number of segments, each a PACK_RECIPE
 * frame, and one index, a PACK_RECIPE frame too (compressed like any frame).
 *
 *	index   := "LCRI0001" | u64 tar size | u32 segment count | u32 zero | entry*
 *	entry   := u64 tar offset of its first byte | u32 pack | u32 frame length
 *	           | u64 frame offset
 *	segment := "LCRS0001" | u32 op bytes | u32 object count | op* | object*
 *	object  := SHA-256 (32)
 *
 * ops (varint = LEB128, unsigned, at most 10 bytes):
 *	0x00 LITERAL  varint length | bytes
 *	0x01 OBJECT   varint index | varint offset | varint length   slice of object content
 *	0x02 ZEROS    varint length
 *
 * An OBJECT index may be at most the number of objects used so far in the segment. A segment
 * has at most RECIPE_SEGMENT_MAX bytes; ops do not cross segments.
 *
 * An OBJECT of offset 0 and length 0 stands for no tar bytes: it names the content of a
 * sparse file that is one hole, so has no payload, and comes before the payload of the next
 * file that has any. Without it a tree could not be rebuilt from the recipe alone.
 */
#ifndef STORE_RECIPE_FORMAT_H
#define STORE_RECIPE_FORMAT_H

#define RECIPE_INDEX_MAGIC       "LCRI0001"
#define RECIPE_SEGMENT_MAGIC     "LCRS0001"
#define RECIPE_INDEX_HEADER_SIZE 24
#define RECIPE_INDEX_ENTRY_SIZE  24
#define RECIPE_SEGMENT_HEADER    16
#define RECIPE_SEGMENT_MAX       (1u << 20)

enum recipe_op {
	RECIPE_LITERAL = 0,
	RECIPE_OBJECT = 1,
	RECIPE_ZEROS = 2,
};

#endif

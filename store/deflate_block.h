/* SPDX-License-Identifier: Apache-2.0
 * One block of a deflate stream: literals and matches, how often each symbol occurs, and the
 * ways to write it (RFC 1951, 3.2). What the encoders have in common that make the streams of
 * Go programs again. Included by deflate*.c only.
 */
#ifndef STORE_DEFLATE_BLOCK_H
#define STORE_DEFLATE_BLOCK_H

#include "store/deflate_bits.h"
#include "store/deflate_code.h"

#define DEFLATE_BLOCK_LITERALS  286 /* literals, the end, lengths */
#define DEFLATE_BLOCK_DISTANCES 30
#define DEFLATE_BLOCK_END       256
#define DEFLATE_BLOCK_LENGTHS   257
#define DEFLATE_BLOCK_STORED    65535 /* bytes that a stored block can have */

struct deflate_block {
	uint32_t *tokens; /* room for CAP */
	size_t count, cap;
	uint32_t literals[DEFLATE_BLOCK_LITERALS];
	uint32_t distances[DEFLATE_BLOCK_DISTANCES];
};

struct deflate_table {
	struct deflate_symbol literals[DEFLATE_CODE_SYMBOLS_MAX];
	struct deflate_symbol distances[32];
};

/* The lengths of a table's codes, as a block carries them. */
struct deflate_header {
	uint8_t items[DEFLATE_CODE_SYMBOLS_MAX + 32 + 1]; /* code, then its extra bits */
	unsigned count;
	unsigned literals, distances, codes;
	struct deflate_symbol symbols[19];
	uint32_t freq[19];
};

#define DEFLATE_BLOCK_MATCH (1u << 31) /* length - 3 at bit 16, distance - 1 */

static inline unsigned deflate_block_length_code(uint32_t len) /* length - 3 */
{
	unsigned log = len < 8 ? 0 : 31u - (unsigned)__builtin_clz(len);

	if (len < 8)
		return len;
	return len == 255 ? 28 : 4 * (log - 1) + (len >> (log - 2) & 3);
}

static inline unsigned deflate_block_distance_code(uint32_t dist) /* distance - 1 */
{
	unsigned log = dist < 4 ? 0 : 31u - (unsigned)__builtin_clz(dist);

	return dist < 4 ? dist : 2 * log + (dist >> (log - 1) & 1);
}

static inline unsigned deflate_block_length_extra(unsigned code)
{
	return code < 8 || code == 28 ? 0 : code / 4 - 1;
}

static inline unsigned deflate_block_distance_extra(unsigned code)
{
	return code < 4 ? 0 : code / 2 - 1;
}

static inline void deflate_block_literal(struct deflate_block *b, uint8_t byte)
{
	b->tokens[b->count++] = byte;
	b->literals[byte]++;
}

/* LEN 3 to 258, DIST 1 to 32768. */
static inline void deflate_block_match(struct deflate_block *b, unsigned len,
				       unsigned dist)
{
	b->tokens[b->count++] = DEFLATE_BLOCK_MATCH | (len - 3) << 16 | (dist - 1);
	b->literals[DEFLATE_BLOCK_LENGTHS + deflate_block_length_code(len - 3)]++;
	b->distances[deflate_block_distance_code(dist - 1)]++;
}

static inline void deflate_block_end(struct deflate_block *b)
{
	b->tokens[b->count++] = DEFLATE_BLOCK_END;
	b->literals[DEFLATE_BLOCK_END]++;
}

void deflate_block_clear(struct deflate_block *b);

/* Bits beside the codes of lengths and distances. */
uint64_t deflate_block_extra(const struct deflate_block *b);

/* All tokens. */
void deflate_block_write(const struct deflate_block *b, const struct deflate_table *table,
			 struct deflate_bits *bits);

/* The table that needs no header. */
void deflate_table_fixed(struct deflate_table *table);

static inline void deflate_bits_symbol(struct deflate_bits *bits, struct deflate_symbol s)
{
	deflate_bits_put(bits, s.bits, s.len);
}

/* For the first LITERALS and DISTANCES codes of these. */
void deflate_header_make(const struct deflate_symbol *literals, unsigned literal_count,
			 const struct deflate_symbol *distances, unsigned distance_count,
			 struct deflate_header *ret);
uint64_t deflate_header_size(const struct deflate_header *h); /* bits */
void deflate_header_write(const struct deflate_header *h, bool last,
			  struct deflate_bits *bits);

#endif

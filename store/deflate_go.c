/* SPDX-License-Identifier: Apache-2.0
 * The stream that Go's compress/flate makes at its levels 4 to 9 (6 is the default, by which
 * Docker, containerd and BuildKit compress layers): hash chains over four bytes with lazy
 * matching in a window of twice 32 KiB, blocks of 16,384 tokens, each written in the
 * smallest of the three forms. Written from what the stream has to be, and compared with
 * Go's in the tests. */
#include "store/deflate_block.h"
#include "store/deflate_encoder.h"

#include <stdlib.h>

#define WINDOW      (1 << 15)
#define MATCH_MIN   4
#define MATCH_MAX   258
#define MARGIN      (MATCH_MIN + MATCH_MAX) /* looks ahead so far, but at the end */
#define TOKENS      (1 << 14)
#define HASH_BITS   17
#define HASH_FACTOR 0x1e35a7bdu
#define REBASE      (1 << 24)
#define NEAR        4096       /* a shortest match from further away does not pay */
#define WRITE_SIZE  (32 << 10) /* by which its callers hand over what they have */

struct effort {
	int good, lazy, nice, chain;
};

static const struct effort efforts[10] = {
	[4] = {4, 4, 16, 16},    [5] = {8, 16, 32, 32},      [6] = {8, 16, 128, 128},
	[7] = {8, 32, 128, 256}, [8] = {32, 128, 258, 1024}, [9] = {32, 258, 258, 4096},
};

struct go {
	struct deflate_encoder base;
	struct effort effort;
	uint8_t window[2 * WINDOW];
	int end, at;          /* bytes in the window; the next one to look at */
	int block_start;      /* of the block in the window; -1: not all there any more */
	int base_pos;         /* what is added to positions in the tables, at least 1 */
	int head;             /* of the last chain looked up, as in the tables */
	int length, distance; /* of the match before AT */
	bool pending;         /* the byte before AT is in no token yet */
	int heads[1 << HASH_BITS];
	int chain[WINDOW];
	struct deflate_block block;
	struct deflate_table fixed;
	struct deflate_bits bits;
	uint32_t tokens[TOKENS + 1];
};

/* ---- blocks ---- */

static void write_block(struct go *g, int end)
{
	struct deflate_table table;
	struct deflate_header header;
	struct deflate_block *b = &g->block;
	uint64_t extra = 0, fixed, dynamic, stored = UINT64_MAX;
	unsigned literals = DEFLATE_BLOCK_LITERALS, distances = DEFLATE_BLOCK_DISTANCES;
	int start = g->block_start;

	g->block_start = end;
	deflate_block_end(b);
	if (start >= 0 && end - start <= DEFLATE_BLOCK_STORED) {
		stored = ((uint64_t)(end - start) + 5) * 8;
		extra = deflate_block_extra(b);
	}
	while (!b->literals[literals - 1])
		literals--;
	while (distances && !b->distances[distances - 1])
		distances--;
	if (!distances)
		b->distances[0] = distances = 1;
	memset(&table, 0, sizeof(table));
	deflate_code_make(b->literals, DEFLATE_BLOCK_LITERALS, 15, table.literals);
	deflate_code_make(b->distances, DEFLATE_BLOCK_DISTANCES, 15, table.distances);
	deflate_header_make(table.literals, literals, table.distances, distances,
			    &header);
	fixed = 3 + extra +
		deflate_code_size(g->fixed.literals, b->literals,
				  DEFLATE_BLOCK_LITERALS) +
		deflate_code_size(g->fixed.distances, b->distances,
				  DEFLATE_BLOCK_DISTANCES);
	dynamic =
		deflate_header_size(&header) + extra +
		deflate_code_size(table.literals, b->literals, DEFLATE_BLOCK_LITERALS) +
		deflate_code_size(table.distances, b->distances, DEFLATE_BLOCK_DISTANCES);
	if (stored < (dynamic < fixed ? dynamic : fixed)) {
		deflate_bits_stored(&g->bits, (size_t)(end - start), false);
		deflate_bits_copy(&g->bits, g->window + start, (size_t)(end - start));
	} else if (dynamic < fixed) {
		deflate_header_write(&header, false, &g->bits);
		deflate_block_write(b, &table, &g->bits);
	} else {
		deflate_bits_put(&g->bits, 1 << 1, 3);
		deflate_block_write(b, &g->fixed, &g->bits);
	}
	deflate_block_clear(b);
}

static void end_token(struct go *g, int end)
{
	if (g->block.count == TOKENS)
		write_block(g, end);
}

/* ---- matches ---- */

static uint32_t hash(const uint8_t *p)
{
	uint32_t v =
		(uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

	return v * HASH_FACTOR >> (32 - HASH_BITS);
}

/* Returns what stood first in the chain so far. */
static int insert(struct go *g, int pos)
{
	int *head = &g->heads[hash(g->window + pos)], was = *head;

	g->chain[pos & (WINDOW - 1)] = was;
	*head = pos + g->base_pos;
	return was;
}

static int match_length(const uint8_t *a, const uint8_t *b, int max)
{
	int n = 0;

	for (; n + 8 <= max; n += 8) {
		uint64_t diff = get_le64(a + n) ^ get_le64(b + n);

		if (diff)
			return n + __builtin_ctzll(diff) / 8;
	}
	while (n < max && a[n] == b[n])
		n++;
	return n;
}

static void find_match(struct go *g, int candidate, int ahead)
{
	const uint8_t *here = g->window + g->at;
	int max = ahead < MATCH_MAX ? ahead : MATCH_MAX;
	int nice = g->effort.nice < max ? g->effort.nice : max;
	int least = g->at - WINDOW, best = MATCH_MIN - 1;

	for (int tries = g->effort.chain; tries > 0; tries--) {
		const uint8_t *there = g->window + candidate;

		if (there[best] == here[best]) {
			int n = match_length(there, here, max), away = g->at - candidate;

			if (n > best && (n > MATCH_MIN || away <= NEAR)) {
				best = g->length = n;
				g->distance = away;
				if (n >= nice)
					break;
			}
		}
		if (candidate == least)
			break; /* the chain has been written over here */
		candidate = g->chain[candidate & (WINDOW - 1)] - g->base_pos;
		if (candidate < least || candidate < 0)
			break;
	}
}

static void take_match(struct go *g, int length, int distance, int insert_end)
{
	int next = g->at + length - 1;

	deflate_block_match(&g->block, (unsigned)length, (unsigned)distance);
	for (g->at++; g->at < next; g->at++)
		if (g->at < insert_end)
			(void)insert(g, g->at);
	g->pending = false;
	g->length = MATCH_MIN - 1;
	end_token(g, g->at);
}

static void take_literal(struct go *g)
{
	if (g->pending) {
		deflate_block_literal(&g->block, g->window[g->at - 1]);
		end_token(g, g->at);
	}
	g->at++;
	g->pending = true;
}

static void step(struct go *g, int insert_end, int ahead)
{
	int length = g->length, distance = g->distance, least, candidate;

	if (g->at < insert_end)
		g->head = insert(g, g->at);
	g->length = MATCH_MIN - 1;
	g->distance = 0;
	least = g->at > WINDOW ? g->at - WINDOW : 0;
	candidate = g->head - g->base_pos;
	if (candidate >= least && ahead > length && length < g->effort.lazy)
		find_match(g, candidate, ahead);
	if (length >= MATCH_MIN && g->length <= length)
		take_match(g, length, distance, insert_end);
	else
		take_literal(g);
}

/* Looks at all but the last few bytes of the window; LAST: at these too. */
static void compress(struct go *g, bool last)
{
	int insert_end = g->end - (MATCH_MIN - 1);

	while (g->end - g->at >= MARGIN || (last && g->at < g->end))
		step(g, insert_end, g->end - g->at);
	if (!last)
		return;
	if (g->pending)
		deflate_block_literal(&g->block, g->window[g->at - 1]);
	g->pending = false;
	if (g->block.count)
		write_block(g, g->at);
}

/* ---- the window ---- */

static void rebase(struct go *g)
{
	int delta = g->base_pos - 1;

	g->base_pos = 1;
	g->head -= delta;
	for (size_t i = 0; i < sizeof(g->chain) / sizeof(g->chain[0]); i++)
		g->chain[i] = g->chain[i] > delta ? g->chain[i] - delta : 0;
	for (size_t i = 0; i < sizeof(g->heads) / sizeof(g->heads[0]); i++)
		g->heads[i] = g->heads[i] > delta ? g->heads[i] - delta : 0;
}

static size_t fill(struct go *g, const uint8_t *data, size_t len)
{
	size_t room;

	if (g->at >= 2 * WINDOW - MARGIN) {
		memcpy(g->window, g->window + WINDOW, WINDOW);
		g->at -= WINDOW;
		g->end -= WINDOW;
		g->block_start = g->block_start >= WINDOW ? g->block_start - WINDOW : -1;
		g->base_pos += WINDOW;
		if (g->base_pos > REBASE)
			rebase(g);
	}
	room = sizeof(g->window) - (size_t)g->end;
	if (len > room)
		len = room;
	memcpy(g->window + g->end, data, len);
	g->end += (int)len;
	return len;
}

static size_t bound(struct deflate_encoder *e, size_t len)
{
	(void)e;
	return len + len / 8 + 4 * WINDOW;
}

static int encode(struct deflate_encoder *e, const struct deflate_piece *piece,
		  uint8_t *out, size_t cap, size_t *ret_len, struct err *err)
{
	struct go *g = (struct go *)e;

	g->bits.out = out;
	g->bits.len = 0;
	g->bits.cap = cap;
	for (size_t at = 0; at < piece->len; at += WRITE_SIZE) {
		size_t len = piece->len - at < WRITE_SIZE ? piece->len - at : WRITE_SIZE;

		for (size_t n = 0; n < len; n += fill(g, piece->data + at + n, len - n))
			compress(g, false);
	}
	if (piece->last) {
		compress(g, true);
		deflate_bits_stored(&g->bits, 0, true);
		deflate_bits_align(&g->bits);
	}
	if (g->bits.full)
		return err_set(err, ERR_FAILED, "the compressed bytes take too much");
	*ret_len = g->bits.len;
	return 0;
}

static void free_go(struct deflate_encoder *e)
{
	free(e);
}

int deflate_go_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		   struct err *err)
{
	struct go *g = calloc(1, sizeof(*g));

	if (!g)
		return err_nomem(err);
	g->base = (struct deflate_encoder){bound, encode, free_go};
	g->effort = efforts[plan->level];
	g->base_pos = 1;
	g->head = -1;
	g->length = MATCH_MIN - 1;
	g->block.tokens = g->tokens;
	deflate_table_fixed(&g->fixed);
	*ret = &g->base;
	return 0;
}

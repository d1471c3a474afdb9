/* SPDX-License-Identifier: Apache-2.0
 * The stream that github.com/klauspost/pgzip makes at its default level, by which podman,
 * buildah and skopeo compress layers: pieces of 1 MiB, each compressed on its own behind the
 * last 16 KiB of the one before, in blocks of 65,535 bytes that may go on with the table of
 * the block before, and ended by an empty stored block. */
#include "store/deflate_encoder.h"
#include "store/deflate_pgzip_match.h"

#include <stdlib.h>

#define BLOCK        DEFLATE_BLOCK_STORED
#define STORE_BELOW  33  /* a rest this small is stored */
#define PLAIN_BELOW  128 /* and one below this only gets codes for its bytes */
#define FIXED_BELOW  250 /* with so few tokens the fixed table may be the smallest */
#define HEADER_GUESS (70 * 8)
#define PGZIP_OLD    1 /* version 1.15.0 to 1.15.9 of the compressor */
#define PENALTY_LOG  7 /* a new table is thought to cost 1/128 more than it does */

struct pgzip {
	struct deflate_encoder base;
	struct deflate_block block;
	struct deflate_table table; /* the last one that was written */
	struct deflate_table fixed;
	struct deflate_symbol no_distance[DEFLATE_BLOCK_DISTANCES];
	uint64_t header; /* bits of its header; 0: the block it was for is at its end */
	bool bytes_only; /* it has no lengths and distances */
	size_t unit;     /* bytes of a piece */
	struct deflate_bits bits;
	struct pgzip_match match;
	uint32_t tokens[BLOCK + 2];
};

/* ---- ends ---- */

static void end_block(struct pgzip *g)
{
	if (g->header)
		deflate_bits_symbol(&g->bits, g->table.literals[DEFLATE_BLOCK_END]);
	g->header = 0;
}

static void write_stored(struct pgzip *g, const uint8_t *data, size_t len)
{
	end_block(g);
	deflate_bits_stored(&g->bits, len, false);
	deflate_bits_copy(&g->bits, data, len);
}

/* ---- what a table would cost ---- */

/* A cheap logarithm: the bits must come out as the original's, not as the truth. */
static float log2_fast(float v)
{
	union {
		float f;
		uint32_t bits;
	} u = {.f = v};
	float log = (float)((int)(u.bits >> 23 & 255) - 128), a, b;

	u.bits = (u.bits & 0x807fffffu) + (127u << 23);
	a = -0.34484843f * u.f;
	b = (a + 2.02466578f) * u.f;
	return log + (b - 0.67487759f);
}

static float cost(const uint32_t *freq, unsigned from, unsigned count, float scale,
		  float sum)
{
	for (unsigned i = from; i < count; i++) {
		float n = (float)freq[i], bits, all;

		if (!freq[i])
			continue;
		bits = n * scale;
		bits = -log2_fast(bits);
		bits = bits < 1 ? 1 : bits > 15 ? 15 : bits;
		all = bits * n;
		sum += all;
	}
	return sum;
}

/* Bits by the entropy of the symbols. */
static uint64_t estimate(const struct deflate_block *b)
{
	float sum = cost(b->literals, 0, 256, 1.0f / (float)b->count, 0);
	uint32_t matches = 0;

	sum += 15; /* the end */
	sum = cost(b->literals, DEFLATE_BLOCK_LENGTHS, DEFLATE_BLOCK_LITERALS,
		   1.0f / (float)b->count, sum);
	for (unsigned i = DEFLATE_BLOCK_LENGTHS; i < DEFLATE_BLOCK_LITERALS; i++)
		matches += b->literals[i];
	if (matches)
		sum = cost(b->distances, 0, DEFLATE_BLOCK_DISTANCES,
			   1.0f / (float)matches, sum);
	return (uint64_t)sum + deflate_block_extra(b);
}

/* UINT64_MAX: it has no code for some of them. */
static uint64_t size_with(const struct deflate_symbol *symbols, const uint32_t *freq,
			  unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (freq[i] && !symbols[i].len)
			return UINT64_MAX;
	return deflate_code_size(symbols, freq, count);
}

/* ---- blocks of tokens ---- */

static uint64_t size_of_block(const struct deflate_block *b,
			      const struct deflate_table *t)
{
	uint64_t literals = size_with(t->literals, b->literals, DEFLATE_BLOCK_LITERALS);
	uint64_t distances =
		size_with(t->distances, b->distances, DEFLATE_BLOCK_DISTANCES);

	return literals == UINT64_MAX || distances == UINT64_MAX ? UINT64_MAX
								 : literals + distances;
}

static void write_fixed(struct pgzip *g, bool flush)
{
	end_block(g);
	deflate_bits_put(&g->bits, 1 << 1, 3);
	if (!flush)
		deflate_block_end(&g->block);
	deflate_block_write(&g->block, &g->fixed, &g->bits);
}

/* With the table of the block before, if that is thought to be smallest: true. Else that
 * block is ended, unless all was written here. */
static bool try_again(struct pgzip *g, const uint8_t *data, size_t len, bool flush,
		      uint64_t extra, bool *ret_written)
{
	uint64_t stored = (len + 5) * 8, fresh, again, size;

	fresh = g->header + estimate(&g->block);
	fresh += g->table.literals[DEFLATE_BLOCK_END].len + (fresh >> PENALTY_LOG);
	again = size_of_block(&g->block, &g->table) + extra;
	size = fresh < again ? fresh : again;
	if (fresh < again)
		end_block(g);
	*ret_written = true;
	if (g->block.count < FIXED_BELOW) {
		uint64_t fixed = size_of_block(&g->block, &g->fixed) + 3 + extra + 7;

		if (fixed < size && stored > size) {
			write_fixed(g, flush);
			return false;
		}
	}
	if (stored <= size) {
		write_stored(g, data, len);
		return false;
	}
	*ret_written = false;
	return fresh >= again;
}

static unsigned used(const uint32_t *freq, unsigned count)
{
	while (count && !freq[count - 1])
		count--;
	return count;
}

/* False: a smaller form was written. */
static bool new_table(struct pgzip *g, const uint8_t *data, size_t len, bool flush,
		      uint64_t extra)
{
	struct deflate_block *b = &g->block;
	struct deflate_header header;
	uint64_t stored = (len + 5) * 8, size, fixed;
	unsigned literals = flush ? used(b->literals, DEFLATE_BLOCK_LITERALS)
				  : DEFLATE_BLOCK_LITERALS;
	unsigned distances = flush ? used(b->distances, DEFLATE_BLOCK_DISTANCES)
				   : DEFLATE_BLOCK_DISTANCES;

	if (!distances)
		b->distances[0] = distances = 1;
	b->literals[DEFLATE_BLOCK_END] = 1;
	deflate_code_make(b->literals, DEFLATE_BLOCK_LITERALS, 15, g->table.literals);
	deflate_code_make(b->distances, DEFLATE_BLOCK_DISTANCES, 15, g->table.distances);
	deflate_header_make(g->table.literals, literals, g->table.distances, distances,
			    &header);
	size = deflate_header_size(&header) + size_of_block(b, &g->table) + extra;
	fixed = size_of_block(b, &g->fixed) + 3 + extra;
	if (b->count < FIXED_BELOW && fixed <= size && stored > fixed) {
		write_fixed(g, flush);
		return false;
	}
	if (stored <= size) {
		write_stored(g, data, len);
		return false;
	}
	deflate_header_write(&header, false, &g->bits);
	g->header = flush ? 0 : deflate_header_size(&header);
	g->bytes_only = false;
	return true;
}

static void write_tokens(struct pgzip *g, const uint8_t *data, size_t len, bool flush)
{
	uint64_t extra = deflate_block_extra(&g->block);
	bool written = false;

	if (flush)
		deflate_block_end(&g->block);
	if (g->header &&
	    (g->bytes_only || size_of_block(&g->block, &g->table) == UINT64_MAX))
		end_block(g);
	g->bytes_only = g->bytes_only && g->header;
	if (!(g->header && try_again(g, data, len, flush, extra, &written)) && !written &&
	    !new_table(g, data, len, flush, extra))
		written = true;
	if (written)
		return;
	if (flush)
		g->header = 0;
	deflate_block_write(&g->block, &g->table, &g->bits);
}

/* ---- blocks of bytes ---- */

/* Bytes that are all about equally frequent. */
static bool is_noise(const uint32_t *freq, size_t len)
{
	double average = (double)len / 256, limit = (double)(len * 2), sum = 0;

	for (unsigned i = 0; i < 256; i++) {
		double diff = (double)freq[i] - average;

		sum += diff * diff;
	}
	return len > 1024 && sum < limit;
}

static void write_bytes(struct pgzip *g, const uint8_t *data, size_t len, bool flush)
{
	uint32_t freq[DEFLATE_BLOCK_END + 1] = {0};
	struct deflate_symbol symbols[DEFLATE_BLOCK_END + 1];
	struct deflate_header header;
	uint64_t estimated;

	for (size_t i = 0; i < len; i++)
		freq[data[i]]++;
	freq[DEFLATE_BLOCK_END] = 1;
	deflate_code_make(freq, DEFLATE_BLOCK_END + 1, 15, symbols);
	estimated = deflate_code_size(symbols, freq, DEFLATE_BLOCK_END + 1) +
		    (g->header ? g->header : HEADER_GUESS);
	estimated += estimated >> PENALTY_LOG;
	if (is_noise(freq, len) || (len + 5) * 8 <= estimated) {
		write_stored(g, data, len);
		return;
	}
	if (g->header && estimated < size_with(g->table.literals, freq, 256))
		end_block(g);
	if (!g->header) {
		memcpy(g->table.literals, symbols, sizeof(symbols));
		deflate_header_make(symbols, DEFLATE_BLOCK_END + 1, g->no_distance, 1,
				    &header);
		deflate_header_write(&header, false, &g->bits);
		g->bytes_only = true;
		g->header = deflate_header_size(&header);
	}
	for (size_t i = 0; i < len; i++)
		deflate_bits_symbol(&g->bits, g->table.literals[data[i]]);
	if (flush) {
		end_block(g);
		g->bytes_only = false;
	}
}

/* ---- pieces ---- */

static void write_block(struct pgzip *g, const uint8_t *data, size_t len, bool flush)
{
	if (len < STORE_BELOW) {
		write_stored(g, data, len);
	} else if (len < PLAIN_BELOW) {
		write_bytes(g, data, len, true);
	} else {
		pgzip_match_next(&g->match, len, &g->block);
		if (!g->block.count)
			write_stored(g, data, len);
		else if (g->block.count > len - (len >> 4))
			write_bytes(g, data, len, flush);
		else
			write_tokens(g, data, len, flush);
		deflate_block_clear(&g->block);
	}
}

static void flush(struct pgzip *g)
{
	end_block(g);
	deflate_bits_stored(&g->bits, 0, false);
	deflate_bits_align(&g->bits);
}

static size_t bound(struct deflate_encoder *e, size_t len)
{
	(void)e;
	return len + len / 8 + 4096;
}

static int encode(struct deflate_encoder *e, const struct deflate_piece *piece,
		  uint8_t *out, size_t cap, size_t *ret_len, struct err *err)
{
	struct pgzip *g = (struct pgzip *)e;

	g->bits = (struct deflate_bits){.out = out, .cap = cap};
	g->header = 0;
	g->bytes_only = false;
	pgzip_match_reset(&g->match, piece->data - piece->before);
	if (piece->before) {
		pgzip_match_next(&g->match, piece->before, &g->block);
		deflate_block_clear(&g->block);
	}
	for (size_t at = 0; at < piece->len; at += BLOCK) {
		size_t left = piece->len - at;

		write_block(g, piece->data + at, left < BLOCK ? left : BLOCK,
			    left <= BLOCK);
	}
	flush(g);
	if (piece->last) {
		if (piece->len == g->unit)
			flush(g); /* an empty piece follows a whole one */
		deflate_bits_put(&g->bits, 1 | 1 << 1, 3 + 7);
		deflate_bits_align(&g->bits);
	}
	if (g->bits.full)
		return err_set(err, ERR_FAILED, "the compressed bytes take too much");
	*ret_len = g->bits.len;
	return 0;
}

static void free_pgzip(struct deflate_encoder *e)
{
	free(e);
}

int deflate_pgzip_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		      struct err *err)
{
	struct pgzip *g = calloc(1, sizeof(*g));

	if (!g)
		return err_nomem(err);
	g->base = (struct deflate_encoder){bound, encode, free_pgzip};
	g->block.tokens = g->tokens;
	g->unit = plan->unit;
	g->no_distance[0].len = 1;
	g->match.skip = plan->variant == PGZIP_OLD ? 0 : 2;
	deflate_table_fixed(&g->fixed);
	*ret = &g->base;
	return 0;
}

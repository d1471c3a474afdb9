/* SPDX-License-Identifier: Apache-2.0
 * Huffman codes by package-merge. Each level is a list of weights in rising order: the
 * symbols, and the pairs of neighbours of the level below. The 2n - 2 lightest of the
 * topmost level are taken, which takes a number of pairs of the next, and so on down; a
 * symbol's length is the number of levels where it was taken. Among equal weights a pair
 * comes first. */
#include "store/deflate_code.h"

#include <stdlib.h>

struct leaf {
	uint32_t weight;
	uint16_t symbol;
};

struct level {
	uint32_t weight[2 * DEFLATE_CODE_SYMBOLS_MAX];
	uint16_t leaves[2 * DEFLATE_CODE_SYMBOLS_MAX + 1]; /* among the first k */
	unsigned count;
};

static int by_weight(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? -1 : 1;
	return x->symbol < y->symbol ? -1 : 1;
}

static unsigned collect(const uint32_t *freq, unsigned count, struct leaf *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		if (freq[i])
			ret[n++] = (struct leaf){freq[i], (uint16_t)i};
	return n;
}

static void merge(const struct leaf *leaves, unsigned n, const struct level *below,
		  struct level *l)
{
	unsigned pairs = below ? below->count / 2 : 0, leaf = 0, pair = 0;

	l->leaves[0] = 0;
	for (l->count = 0; leaf < n || pair < pairs; l->count++) {
		uint32_t sum = pair < pairs ? below->weight[2 * pair] +
						      below->weight[2 * pair + 1]
					    : 0;

		if (leaf < n && (pair == pairs || leaves[leaf].weight < sum)) {
			l->weight[l->count] = leaves[leaf++].weight;
		} else {
			l->weight[l->count] = sum;
			pair++;
		}
		l->leaves[l->count + 1] = (uint16_t)leaf;
	}
}

static void set_lengths(const struct leaf *leaves, unsigned n, unsigned length_max,
			struct deflate_symbol *ret)
{
	struct level levels[DEFLATE_CODE_LENGTH_MAX];
	unsigned depth = length_max < n - 1 ? length_max : n - 1, take = 2 * n - 2;

	for (unsigned i = 0; i < depth; i++)
		merge(leaves, n, i ? &levels[i - 1] : NULL, &levels[i]);
	for (unsigned i = depth; i-- && take;) {
		unsigned taken = levels[i].leaves[take];

		for (unsigned k = 0; k < taken; k++)
			ret[leaves[k].symbol].len++;
		take = 2 * (take - taken);
	}
}

static uint16_t reversed(unsigned code, unsigned len)
{
	unsigned r = 0;

	for (; len; len--, code >>= 1)
		r = r << 1 | (code & 1);
	return (uint16_t)r;
}

void deflate_code_assign(struct deflate_symbol *symbols, unsigned count)
{
	unsigned next[DEFLATE_CODE_LENGTH_MAX + 2] = {0};

	for (unsigned i = 0; i < count; i++)
		if (symbols[i].len)
			next[symbols[i].len + 1]++;
	for (unsigned len = 1, code = 0; len <= DEFLATE_CODE_LENGTH_MAX; len++)
		next[len] = code = (code + next[len]) << 1;
	for (unsigned i = 0; i < count; i++)
		if (symbols[i].len)
			symbols[i].bits =
				reversed(next[symbols[i].len]++, symbols[i].len);
}

void deflate_code_make(const uint32_t *freq, unsigned count, unsigned length_max,
		       struct deflate_symbol *ret)
{
	struct leaf leaves[DEFLATE_CODE_SYMBOLS_MAX];
	unsigned n = collect(freq, count, leaves);

	for (unsigned i = 0; i < count; i++)
		ret[i] = (struct deflate_symbol){0, 0};
	if (n <= 2) {
		for (unsigned i = 0; i < n; i++)
			ret[leaves[i].symbol].len = 1;
	} else {
		qsort(leaves, n, sizeof(leaves[0]), by_weight);
		set_lengths(leaves, n, length_max, ret);
	}
	deflate_code_assign(ret, count);
}

uint64_t deflate_code_size(const struct deflate_symbol *symbols, const uint32_t *freq,
			   unsigned count)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < count; i++)
		bits += (uint64_t)freq[i] * symbols[i].len;
	return bits;
}

/* SPDX-License-Identifier: Apache-2.0
 * Blocks of a deflate stream. */
#include "store/deflate_block.h"

#define CODES_MAX  7 /* bits of a code for code lengths */
#define REPEAT     16
#define ZEROS      17
#define MANY_ZEROS 18

void deflate_block_clear(struct deflate_block *b)
{
	b->count = 0;
	memset(b->literals, 0, sizeof(b->literals));
	memset(b->distances, 0, sizeof(b->distances));
}

uint64_t deflate_block_extra(const struct deflate_block *b)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < DEFLATE_BLOCK_LITERALS - DEFLATE_BLOCK_LENGTHS; i++)
		bits += (uint64_t)b->literals[DEFLATE_BLOCK_LENGTHS + i] *
			deflate_block_length_extra(i);
	for (unsigned i = 0; i < DEFLATE_BLOCK_DISTANCES; i++)
		bits += (uint64_t)b->distances[i] * deflate_block_distance_extra(i);
	return bits;
}

static void write_match(uint32_t token, const struct deflate_table *table,
			struct deflate_bits *bits)
{
	uint32_t len = token >> 16 & 0xff, dist = token & 0x7fff;
	unsigned code = deflate_block_length_code(len);
	unsigned extra = deflate_block_length_extra(code);

	deflate_bits_symbol(bits, table->literals[DEFLATE_BLOCK_LENGTHS + code]);
	deflate_bits_put(bits, len & ((1u << extra) - 1), extra);
	code = deflate_block_distance_code(dist);
	extra = deflate_block_distance_extra(code);
	deflate_bits_symbol(bits, table->distances[code]);
	deflate_bits_put(bits, dist & ((1u << extra) - 1), extra);
}

void deflate_block_write(const struct deflate_block *b, const struct deflate_table *table,
			 struct deflate_bits *bits)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->tokens[i] & DEFLATE_BLOCK_MATCH)
			write_match(b->tokens[i], table, bits);
		else
			deflate_bits_symbol(bits, table->literals[b->tokens[i]]);
}

void deflate_table_fixed(struct deflate_table *table)
{
	memset(table, 0, sizeof(*table));
	for (unsigned i = 0; i < DEFLATE_CODE_SYMBOLS_MAX; i++)
		table->literals[i].len = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
	for (unsigned i = 0; i < 32; i++)
		table->distances[i].len = 5;
	deflate_code_assign(table->literals, DEFLATE_CODE_SYMBOLS_MAX);
	deflate_code_assign(table->distances, 32);
}

/* ---- the header ---- */

static void add(struct deflate_header *h, unsigned code)
{
	h->items[h->count++] = (uint8_t)code;
	h->freq[code]++;
}

static void add_run(struct deflate_header *h, unsigned code, unsigned more)
{
	add(h, code);
	h->items[h->count++] = (uint8_t)more;
}

/* RUN times the same length. */
static void add_lengths(struct deflate_header *h, unsigned len, unsigned run)
{
	if (len) {
		add(h, len);
		for (run--; run >= 3; run -= run < 6 ? run : 6)
			add_run(h, REPEAT, (run < 6 ? run : 6) - 3);
	} else {
		for (; run >= 11; run -= run < 138 ? run : 138)
			add_run(h, MANY_ZEROS, (run < 138 ? run : 138) - 11);
		if (run >= 3) {
			add_run(h, ZEROS, run - 3);
			run = 0;
		}
	}
	for (; run; run--)
		add(h, len);
}

static const uint8_t code_order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
				       11, 4,  12, 3, 13, 2, 14, 1, 15};

void deflate_header_make(const struct deflate_symbol *literals, unsigned literal_count,
			 const struct deflate_symbol *distances, unsigned distance_count,
			 struct deflate_header *ret)
{
	unsigned total = literal_count + distance_count;

	memset(ret, 0, sizeof(*ret));
	ret->literals = literal_count;
	ret->distances = distance_count;
	for (unsigned i = 0, run; i < total; i += run) {
		unsigned len = 0;

		for (run = 0; i + run < total; run++) {
			unsigned at = i + run;
			unsigned l = at < literal_count
					     ? literals[at].len
					     : distances[at - literal_count].len;

			if (run && l != len)
				break;
			len = l;
		}
		add_lengths(ret, len, run);
	}
	deflate_code_make(ret->freq, 19, CODES_MAX, ret->symbols);
	ret->codes = 19;
	while (ret->codes > 4 && !ret->freq[code_order[ret->codes - 1]])
		ret->codes--;
}

uint64_t deflate_header_size(const struct deflate_header *h)
{
	return 3 + 5 + 5 + 4 + 3 * (uint64_t)h->codes +
	       deflate_code_size(h->symbols, h->freq, 19) + 2 * h->freq[REPEAT] +
	       3 * h->freq[ZEROS] + 7 * h->freq[MANY_ZEROS];
}

void deflate_header_write(const struct deflate_header *h, bool last,
			  struct deflate_bits *bits)
{
	deflate_bits_put(bits, last | 2 << 1, 3);
	deflate_bits_put(bits, h->literals - DEFLATE_BLOCK_LENGTHS, 5);
	deflate_bits_put(bits, h->distances - 1, 5);
	deflate_bits_put(bits, h->codes - 4, 4);
	for (unsigned i = 0; i < h->codes; i++)
		deflate_bits_put(bits, h->symbols[code_order[i]].len, 3);
	for (unsigned i = 0; i < h->count; i++) {
		unsigned code = h->items[i];

		deflate_bits_symbol(bits, h->symbols[code]);
		if (code >= REPEAT)
			deflate_bits_put(bits, h->items[++i],
					 code == REPEAT  ? 2
					 : code == ZEROS ? 3
							 : 7);
	}
}

/* SPDX-License-Identifier: Apache-2.0
 * Huffman codes of limited length, as Go's compressors choose them. Codes of the same total
 * size differ in which symbols get the longer ones, so a stream that is to be made again bit
 * for bit needs the very same choice. Included by deflate*.c only.
 */
#ifndef STORE_DEFLATE_CODE_H
#define STORE_DEFLATE_CODE_H

#include <stdint.h>

#define DEFLATE_CODE_SYMBOLS_MAX 288
#define DEFLATE_CODE_LENGTH_MAX  15

struct deflate_symbol {
	uint16_t bits; /* the code, first bit lowest */
	uint8_t len;   /* 0: not in use */
};

/* Codes for COUNT symbols with these frequencies. One or two in use get one bit each. */
void deflate_code_make(const uint32_t *freq, unsigned count, unsigned length_max,
		       struct deflate_symbol *ret);

/* Fills in the bits where the lengths are set (RFC 1951, 3.2.2). */
void deflate_code_assign(struct deflate_symbol *symbols, unsigned count);

/* Bits that so many symbols take. */
uint64_t deflate_code_size(const struct deflate_symbol *symbols, const uint32_t *freq,
			   unsigned count);

#endif

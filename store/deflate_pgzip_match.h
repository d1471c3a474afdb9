/* SPDX-License-Identifier: Apache-2.0
 * The matches that the compressor of pgzip finds. Included by deflate_pgzip*.c only.
 */
#ifndef STORE_DEFLATE_PGZIP_MATCH_H
#define STORE_DEFLATE_PGZIP_MATCH_H

#include "store/deflate_block.h"

#define PGZIP_TABLE_BITS 15

struct pgzip_long {
	int32_t now, before;
};

/* Where four and seven bytes were seen last. Positions count from DATA; they are kept with
 * PGZIP_UNSEEN added, so that zero is out of reach. */
struct pgzip_match {
	const uint8_t *data;
	int32_t start; /* bytes before it are not looked at any more */
	int32_t end;
	int32_t skip; /* bytes not compared where a short match is tried again */
	int32_t shorts[1 << PGZIP_TABLE_BITS];
	struct pgzip_long longs[1 << PGZIP_TABLE_BITS];
};

/* Forgets everything but SKIP; what follows is at DATA. */
void pgzip_match_reset(struct pgzip_match *m, const uint8_t *data);

/* The tokens of the next LEN (13 to 65,535) bytes; none if there is no match at all. */
void pgzip_match_next(struct pgzip_match *m, size_t len, struct deflate_block *b);

#endif

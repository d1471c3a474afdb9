/* SPDX-License-Identifier: Apache-2.0
 * Memory for what lives exactly as long as its owner: strings and small arrays, handed out
 * from big blocks and freed all at once.
 *
 * Not thread-safe. Pointers stay valid until tree_arena_release.
 */
#ifndef STORE_TREE_ARENA_H
#define STORE_TREE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

struct tree_arena {
	struct tree_arena_block *blocks; /* newest first */
	uint8_t *at;                     /* free bytes of the block in use */
	size_t left;
	size_t block_size; /* of the next block: grows with use */
	uint64_t taken;    /* bytes handed out */
};

void tree_arena_init(struct tree_arena *a);
void tree_arena_release(struct tree_arena *a);

/* LEN bytes at an address that is a multiple of ALIGN (1 to 16, a power of two), not
 * cleared. NULL: no memory. */
void *tree_arena_alloc(struct tree_arena *a, size_t len, size_t align) MUST_CHECK;

/* A copy of bytes; _string with a NUL behind them. NULL: no memory. */
const char *tree_arena_bytes(struct tree_arena *a, const void *bytes,
			     size_t len) MUST_CHECK;
const char *tree_arena_string(struct tree_arena *a, const char *text,
			      size_t len) MUST_CHECK;

#endif

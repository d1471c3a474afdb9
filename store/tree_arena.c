/* SPDX-License-Identifier: Apache-2.0
 * Blocks that double up to a bound; what is large gets a block of its own. */
#include "store/tree_arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <string.h>

#define FIRST_BLOCK (16u << 10)
#define LAST_BLOCK  (1u << 20)

struct tree_arena_block {
	struct tree_arena_block *next;
	alignas(16) uint8_t bytes[];
};

void tree_arena_init(struct tree_arena *a)
{
	*a = (struct tree_arena){.block_size = FIRST_BLOCK};
}

void tree_arena_release(struct tree_arena *a)
{
	struct tree_arena_block *b = a->blocks, *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	tree_arena_init(a);
}

static struct tree_arena_block *block_add(struct tree_arena *a, size_t size)
{
	struct tree_arena_block *b;

	if (size > SIZE_MAX - sizeof(*b))
		return NULL;
	b = malloc(sizeof(*b) + size);
	if (b) {
		b->next = a->blocks;
		a->blocks = b;
	}
	return b;
}

void *tree_arena_alloc(struct tree_arena *a, size_t len, size_t align)
{
	size_t skip = (size_t)(-(uintptr_t)a->at & (align - 1));
	struct tree_arena_block *b;
	void *p;

	a->taken += len;
	if (len > a->left || skip > a->left - len) {
		bool large = len > a->block_size / 4;

		b = block_add(a, large ? len : a->block_size);
		if (!b)
			return NULL;
		if (large)
			return b->bytes;
		a->at = b->bytes;
		a->left = a->block_size;
		if (a->block_size < LAST_BLOCK)
			a->block_size *= 2;
		skip = 0;
	}
	p = a->at + skip;
	a->at += skip + len;
	a->left -= skip + len;
	return p;
}

const char *tree_arena_bytes(struct tree_arena *a, const void *bytes, size_t len)
{
	char *p = tree_arena_alloc(a, len, 1);

	if (p && len)
		memcpy(p, bytes, len);
	return p;
}

const char *tree_arena_string(struct tree_arena *a, const char *text, size_t len)
{
	char *p = tree_arena_alloc(a, len + 1, 1);

	if (!p)
		return NULL;
	if (len)
		memcpy(p, text, len);
	p[len] = '\0';
	return p;
}

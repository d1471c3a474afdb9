/* SPDX-License-Identifier: Apache-2.0
 * The records of a build cache as a tree. */
#include "tools/buildkit/cache_tree.h"

struct tree {
	const struct cacheconfig *c;
	uint32_t *child, *sibling; /* first child, next one; CACHECONFIG_NONE ends */
	bool *used;                /* is an input of some record */
	struct cache_tree_line *stack;
};

uint32_t cache_tree_parent(const struct cacheconfig *c, uint32_t record)
{
	const struct cacheconfig_record *r = &c->records[record];

	return r->link_count ? c->links[r->link_first].record : CACHECONFIG_NONE;
}

/* Each becomes the first child, so that going down keeps the document's order. */
static void join(struct tree *t)
{
	for (uint32_t i = 0; i < t->c->record_count; i++)
		t->child[i] = t->sibling[i] = CACHECONFIG_NONE;
	for (uint32_t i = t->c->record_count; i-- > 0;) {
		uint32_t parent = cache_tree_parent(t->c, i);

		if (parent == CACHECONFIG_NONE)
			continue;
		t->sibling[i] = t->child[parent];
		t->child[parent] = i;
	}
	for (uint32_t i = 0; i < t->c->link_count; i++)
		t->used[t->c->links[i].record] = true;
}

/* One root and all that rests on it; a record has one parent, so nothing comes twice. */
static uint32_t walk(struct tree *t, uint32_t root, struct cache_tree_line *lines)
{
	uint32_t count = 0, open = 0;

	t->stack[open++] = (struct cache_tree_line){root, 0};
	while (open > 0) {
		struct cache_tree_line at = t->stack[--open];
		uint32_t first = t->child[at.record], from = open;
		bool branches = first != CACHECONFIG_NONE &&
				t->sibling[first] != CACHECONFIG_NONE;

		lines[count++] = at;
		for (uint32_t i = first; i != CACHECONFIG_NONE; i = t->sibling[i])
			t->stack[open++] =
				(struct cache_tree_line){i, at.depth + branches};
		for (uint32_t k = open; from + 1 < k; from++) {
			struct cache_tree_line swap = t->stack[--k];

			t->stack[k] = t->stack[from];
			t->stack[from] = swap;
		}
	}
	return count;
}

int cache_tree_lines(const struct cacheconfig *c, struct cache_tree_line **ret,
		     uint32_t *ret_count, struct err *err)
{
	size_t n = (size_t)c->record_count + 1;
	auto_free uint32_t *child = calloc(n, sizeof(*child));
	auto_free uint32_t *sibling = calloc(n, sizeof(*sibling));
	auto_free bool *used = calloc(n, sizeof(*used));
	auto_free struct cache_tree_line *stack = calloc(n, sizeof(*stack));
	auto_free struct cache_tree_line *lines = calloc(n, sizeof(*lines));
	struct tree t = {c, child, sibling, used, stack};
	uint32_t count = 0;

	if (!child || !sibling || !used || !stack || !lines)
		return err_nomem(err);
	join(&t);
	for (uint32_t i = 0; i < c->record_count; i++)
		if (cache_tree_parent(c, i) == CACHECONFIG_NONE &&
		    (!used[i] || child[i] != CACHECONFIG_NONE))
			count += walk(&t, i, lines + count);
	*ret = steal_ptr(&lines);
	*ret_count = count;
	return 0;
}

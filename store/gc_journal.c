/* SPDX-License-Identifier: Apache-2.0
 * The journal as one record. The record says what the catalog says, so the catalog stays: its
 * mark goes to the end of the new journal. After a crash between the two the catalog is made
 * anew from the new journal, which takes longer and gives the same. Then the catalog, too, is
 * made as small as it can be. */
#include "store/check_private.h"
#include "store/gc_private.h"

/* Shorter ones are left alone; others if they would shrink to less than a part of this. */
#define LEAST  (64u << 10)
#define SHRINK 4
static const struct catalog_waste catalog_waste = {.percent = 10, .least = 256u << 10};

/* ---- numbers that are nothing's ---- */

static int note_ownerless(void *arg, const struct catalog_tree *tree, struct err *err)
{
	return buf_append(arg, tree, sizeof(*tree), err);
}

static bool has_owner(struct catalog_txn *t, const struct catalog_tree *tree)
{
	struct record_layer layer;
	struct record_chain chain;

	return tree->owner == TREE_OF_LAYER
		       ? catalog_layer_get(t, &tree->id, &layer, NULL) == 0
		       : catalog_chain_get(t, &tree->id, &chain, NULL) == 0;
}

/* The new journal does not tell of them. */
static int drop_ownerless(struct catalog_txn *t, struct err *err)
{
	auto_buf struct buf trees;
	int r;

	buf_init(&trees, (size_t)1 << 30);
	r = catalog_tree_each(t, note_ownerless, &trees, err);
	for (size_t i = 0; i < trees.len / sizeof(struct catalog_tree) && r == 0; i++) {
		const struct catalog_tree *tree =
			(const struct catalog_tree *)(const void *)trees.data + i;

		if (!has_owner(t, tree))
			r = catalog_tree_remove(t, tree->number, err);
	}
	return r;
}

/* ---- the record ---- */

/* A dropped object that came back needs no DROP behind its PACK. */
static int still_dropped(struct catalog_txn *t, const struct digest_map *dropped,
			 struct digest_map *ret, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < dropped->count && r == 0; i++) {
		const struct digest *d = digest_map_entry(dropped, i);
		struct object_place place;
		uint32_t k;

		r = catalog_object_get(t, d, &place, NULL);
		if (r == -ERR_NOTFOUND)
			r = digest_map_add(ret, d, &k, err);
	}
	return r;
}

static int make_record(struct store *s, struct catalog_txn *t, struct buf *out,
		       uint32_t *ret_next, struct err *err)
{
	struct check_state state;
	struct digest_map dropped;
	int r;

	check_state_init(&state);
	digest_map_init(&dropped, sizeof(struct digest));
	r = check_state_read(&state, s->journal, UINT64_MAX, err);
	if (r == 0)
		r = still_dropped(t, &state.dropped, &dropped, err);
	if (r == 0)
		r = drop_ownerless(t, err);
	if (r == 0)
		r = check_dump(t, &state.ranges, &dropped, out, ret_next, err);
	digest_map_release(&dropped);
	check_state_release(&state);
	return r;
}

/* From here to the second commit the catalog passes for stale. */
static int set_stale(struct store *s, struct catalog_txn **t, struct err *err)
{
	struct catalog_mark mark;
	int r = catalog_mark_get(*t, &mark, err);

	mark.journal_end = mark.journal_last = 0;
	if (r == 0)
		r = catalog_mark_set(*t, &mark, err);
	if (r == 0)
		r = catalog_commit(steal_ptr(t), err);
	return r < 0 ? r : catalog_begin(s->catalog, true, t, err);
}

static int replace(struct store *s, struct catalog_txn **t, const struct buf *items,
		   uint32_t next, struct err *err)
{
	struct catalog_mark mark;
	bool replaced;
	int r = catalog_mark_get(*t, &mark, err);

	if (r == 0)
		r = set_stale(s, t, err);
	if (r == 0)
		r = journal_replace(s->dirfd, items->data, items->len, mark.seq + 1, err);
	if (r == 0)
		r = journal_refresh(s->journal, &replaced, err);
	if (r == 0)
		r = journal_size(s->journal, &mark.journal_end, err);
	if (r < 0)
		return r;
	mark.seq++;
	mark.journal_last = journal_start();
	mark.next_number = next;
	r = catalog_mark_set(*t, &mark, err);
	return r < 0 ? r : catalog_commit(steal_ptr(t), err);
}

static int compact(struct store *s, struct err *err)
{
	struct catalog_txn *t = NULL;
	auto_buf struct buf items;
	uint64_t size;
	uint32_t next;
	int r = store_recover(s, err);

	buf_init(&items, JOURNAL_RECORD_MAX);
	if (r == 0)
		r = journal_size(s->journal, &size, err);
	if (r < 0 || size < LEAST)
		return r;
	r = catalog_begin(s->catalog, true, &t, err);
	if (r == 0)
		r = make_record(s, t, &items, &next, err);
	/* A store too large for one record keeps its journal. */
	if (r == -ERR_LIMIT)
		r = 0;
	else if (r == 0 && items.len && items.len < size / SHRINK)
		r = replace(s, &t, &items, next, err);
	catalog_abort(t);
	return r;
}

int gc_journal_compact(struct store *s, struct err *err)
{
	int r = store_lock(s, err);

	if (r < 0)
		return r;
	r = compact(s, err);
	catalog_clean(s->catalog);
	store_unlock(s);
	if (r == 0)
		store_compact(s, &catalog_waste);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0
 * Which objects are to be moved: those that are needed, in frames that repack has not made, and
 * not of a layer that is in use. Packs are emptied as a whole, a round of them at a time. */
#include "store/repack_private.h"

#include <string.h>
#include <time.h>

#include "store/recipe.h"

#define ROUND_BYTES (2ull << 30) /* of packs */
#define ROUND_PACKS 256
#define ITEMS_MAX   (64ull << 30)

void repack_plan_init(struct repack_plan *p, struct store *s)
{
	*p = (struct repack_plan){0};
	gc_mark_init(&p->mark, s);
	buf_init(&p->items, ITEMS_MAX);
	buf_init(&p->packs, (size_t)1 << 30);
}

void repack_plan_release(struct repack_plan *p)
{
	repack_plan_unlock(p);
	gc_mark_release(&p->mark);
	buf_release(&p->items);
	buf_release(&p->packs);
}

static struct repack_pack *packs_of(const struct repack_plan *p)
{
	return (struct repack_pack *)(void *)p->packs.data;
}

static size_t pack_count(const struct repack_plan *p)
{
	return p->packs.len / sizeof(struct repack_pack);
}

static struct repack_item *items_of(const struct repack_plan *p)
{
	return (struct repack_item *)(void *)p->items.data;
}

static size_t item_count(const struct repack_plan *p)
{
	return p->items.len / sizeof(struct repack_item);
}

static int by_number(const void *a, const void *b)
{
	const struct repack_pack *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static struct repack_pack *find_pack(const struct repack_plan *p, uint32_t number)
{
	const struct repack_pack key = {.number = number};

	return pack_count(p)
		       ? bsearch(&key, packs_of(p), pack_count(p), sizeof(key), by_number)
		       : NULL;
}

/* ---- layers in use ---- */

struct hot {
	struct store *store;
	struct catalog_txn *txn;
	int64_t since;
	struct digest_map layers; /* struct digest */
};

static int add_hot(struct hot *h, const struct digest *diffid, struct err *err)
{
	uint32_t i;

	return digest_map_find(&h->layers, diffid) >= 0
		       ? 0
		       : digest_map_add(&h->layers, diffid, &i, err);
}

static int on_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	struct hot *h = arg;

	if (layer->created < h->since && gc_last_use(h->store, layer->number) < h->since)
		return 0;
	return add_hot(h, &layer->diffid, err);
}

/* Who uses a chain uses all layers in it. */
static int on_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	struct record_chain at = *chain;
	struct hot *h = arg;
	int r = 0;

	if (gc_last_use(h->store, chain->number) < h->since)
		return 0;
	while (r == 0) {
		r = add_hot(h, &at.diffid, err);
		if (r < 0 || digest_is_zero(&at.parent))
			break;
		r = catalog_chain_get(h->txn, &at.parent, &at, err);
	}
	return r == -ERR_NOTFOUND ? 0 : r;
}

/* Marks in M what layers in use need, and nothing else. */
static int find_hot(struct gc_mark *m, struct hot *h, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(h->store), false, &t, err);

	h->txn = t;
	if (r == 0)
		r = catalog_layer_each(t, NULL, on_layer, h, err);
	if (r == 0)
		r = catalog_chain_each(t, NULL, on_chain, h, err);
	if (r < 0)
		return r;
	m->only = &h->layers;
	return gc_mark_run(m, err);
}

/* ---- candidates ---- */

struct search {
	struct repack_plan *plan;
	const struct repack_done *done;
	const struct gc_mark *hot; /* NULL: nothing is */
	uint32_t after, last;
	int level;
};

static bool is_live(const struct gc_mark *m, const struct digest *d)
{
	int64_t i = gc_mark_find(m, d);

	return i >= 0 && (m->flags[i] & GC_LIVE);
}

static int on_object(void *arg, const struct digest *d, const struct object_place *place,
		     struct err *err)
{
	const struct search *search = arg;
	struct repack_plan *p = search->plan;
	struct repack_pack *pack = find_pack(p, place->frame.pack);
	struct repack_item item = {0};
	int64_t i = gc_mark_find(&p->mark, d);

	if (place->kind != OBJECT_WHOLE || !pack || pack->number <= search->after ||
	    pack->number > search->last || i < 0 || !(p->mark.flags[i] & GC_LIVE) ||
	    repack_done_level(search->done, pack->number, place->frame.off) >=
		    search->level)
		return 0;
	if (search->hot && is_live(search->hot, d))
		return 0;
	item.object = (uint32_t)i;
	pack->objects++;
	pack->bytes += place->len;
	p->objects++;
	p->bytes += place->len;
	return buf_append(&p->items, &item, sizeof(item), err);
}

static int list_packs(struct repack_plan *p, struct err *err)
{
	const struct gc_pack *packs =
		(const struct gc_pack *)(const void *)p->mark.packs.data;
	int r = 0;

	for (size_t i = 0; i < p->mark.packs.len / sizeof(*packs) && r == 0; i++) {
		const struct repack_pack pack = {.number = packs[i].number,
						 .length = packs[i].length};

		r = buf_append(&p->packs, &pack, sizeof(pack), err);
	}
	return r;
}

static int search_objects(struct search *search, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(search->plan->mark.store), false, &t, err);

	return r < 0 ? r : catalog_object_each(t, on_object, search, err);
}

int repack_plan_find(struct repack_plan *p, const struct repack_options *o,
		     const struct repack_done *done, uint32_t after, uint32_t last,
		     struct err *err)
{
	struct store *s = p->mark.store;
	struct search search = {.plan = p,
				.done = done,
				.after = after,
				.last = last,
				.level = o->level ? o->level : REPACK_LEVEL_DEFAULT};
	struct hot hot = {.store = s, .since = time(NULL) - o->min_age};
	struct gc_mark in_use;
	int r = gc_mark_run(&p->mark, err);

	digest_map_init(&hot.layers, sizeof(struct digest));
	gc_mark_init(&in_use, s);
	if (r == 0 && o->min_age > 0) {
		r = find_hot(&in_use, &hot, err);
		search.hot = &in_use;
	}
	if (r == 0)
		r = list_packs(p, err);
	if (r == 0)
		r = search_objects(&search, err);
	gc_mark_release(&in_use);
	digest_map_release(&hot.layers);
	return r;
}

/* ---- a round ---- */

struct locking {
	struct repack_plan *plan;
	uint32_t last;
};

/* Somebody appends to it, or it is damaged: next time. */
static int lock_pack(struct commit *c, struct repack_plan *p, struct repack_pack *pack,
		     struct err *err)
{
	uint64_t length;
	int r = catalog_pack_get(store_commit_txn(c), pack->number, &length, err);

	if (r == 0 && length == pack->length)
		r = pack_writer_open(store_packs_dirfd(p->mark.store), pack->number,
				     length, false, &pack->lock, err);
	return r == -ERR_BUSY || r == -ERR_NOTFOUND || r == -ERR_CORRUPT ? 0 : r;
}

static int lock_packs(struct commit *c, void *arg, struct err *err)
{
	struct locking *l = arg;
	uint64_t bytes = 0;
	size_t locked = 0;
	int r = 0;

	for (size_t i = 0; i < pack_count(l->plan) && r == 0; i++) {
		struct repack_pack *pack = &packs_of(l->plan)[i];

		if (pack->objects == 0)
			continue;
		if (locked &&
		    (bytes + pack->length > ROUND_BYTES || locked == ROUND_PACKS))
			break;
		l->last = pack->number;
		r = lock_pack(c, l->plan, pack, err);
		if (pack->lock) {
			locked++;
			bytes += pack->length;
		}
	}
	return r;
}

static void keep_locked(struct repack_plan *p)
{
	size_t kept = 0;

	p->objects = p->bytes = 0;
	for (size_t i = 0; i < item_count(p); i++) {
		const struct repack_item item = items_of(p)[i];
		const struct pack_place *at = &gc_mark_frame(&p->mark, item.object)->at;

		if (!find_pack(p, at->pack)->lock)
			continue;
		items_of(p)[kept++] = item;
		p->objects++;
		p->bytes += p->mark.len[item.object];
	}
	p->items.len = kept * sizeof(struct repack_item);
}

int repack_plan_lock(struct repack_plan *p, uint32_t *ret_last, struct err *err)
{
	struct locking l = {.plan = p, .last = UINT32_MAX};
	int r = store_commit(p->mark.store, lock_packs, &l, NULL, 0, err);

	if (r < 0)
		return r;
	keep_locked(p);
	*ret_last = l.last;
	return 0;
}

void repack_plan_unlock(struct repack_plan *p)
{
	for (size_t i = 0; i < pack_count(p); i++) {
		pack_writer_close(packs_of(p)[i].lock);
		packs_of(p)[i].lock = NULL;
	}
}

/* ---- order ---- */

static bool is_chunk(const struct repack_item *item)
{
	return item->name.ord > 0;
}

/* First small files, then chunks of large ones, these image by image: see repack_names.c. */
static int in_order(const void *a, const void *b)
{
	const struct repack_item *x = a, *y = b;

	if (is_chunk(x) != is_chunk(y))
		return is_chunk(x) ? 1 : -1;
	if (is_chunk(x) && x->name.root != y->name.root)
		return x->name.root < y->name.root ? -1 : 1;
	if (x->name.dir != y->name.dir)
		return x->name.dir < y->name.dir ? -1 : 1;
	if (x->name.prefix != y->name.prefix)
		return x->name.prefix < y->name.prefix ? -1 : 1;
	if (x->name.hash != y->name.hash)
		return x->name.hash < y->name.hash ? -1 : 1;
	if (x->name.ord != y->name.ord)
		return x->name.ord < y->name.ord ? -1 : 1;
	return (x->object > y->object) - (x->object < y->object);
}

int repack_plan_sort(struct repack_plan *p, struct err *err)
{
	auto_free struct repack_name *names = NULL;
	int r = repack_names_read(&p->mark, &names, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < item_count(p); i++)
		items_of(p)[i].name = names[items_of(p)[i].object];
	qsort(items_of(p), item_count(p), sizeof(struct repack_item), in_order);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Which keys stay. A key keeps its result, name or not; but one that nobody used for long goes
 * where the caller says so, unless its result is kept anyway. */
#include "store/gc_private.h"
#include "store/key_use.h"

#define KEYS_MAX (4u << 20)

struct seen_key {
	struct digest key, chainid, manifest;
	int64_t used;
};

struct gathering {
	struct gc_roots *g;
	struct catalog_txn *txn;
	struct buf keys; /* struct seen_key */
};

/* When it was given, asked for, or its tree was opened: whichever is last. */
static int64_t used_at(struct gathering *k, const struct record_key *key)
{
	struct store *s = k->g->store;
	int64_t used = key_use_last(s, &key->key), opened = 0;
	struct record_chain chain;

	if (catalog_chain_get(k->txn, &key->chainid, &chain, NULL) == 0)
		opened = gc_last_use(s, chain.number);
	used = used > opened ? used : opened;
	return used > key->created ? used : key->created;
}

static int on_key(void *arg, const struct record_key *key, struct err *err)
{
	struct gathering *k = arg;
	const struct seen_key seen = {key->key, key->chainid, key->manifest,
				      used_at(k, key)};

	return buf_append(&k->keys, &seen, sizeof(seen), err);
}

static int latest_first(const void *a, const void *b)
{
	const struct seen_key *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? 1 : -1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

/* What goes with the key if it goes: the layer on top, as far as nothing else needs it. */
static uint64_t size_of(struct catalog_txn *t, const struct digest *chainid)
{
	struct record_chain chain;
	struct record_layer layer;

	if (catalog_chain_get(t, chainid, &chain, NULL) < 0 ||
	    catalog_layer_get(t, &chain.diffid, &layer, NULL) < 0)
		return 0;
	return layer.new_size;
}

static int decide(struct gathering *k, const struct seen_key *key, struct err *err)
{
	const struct gc_reason reason = {.kind = GC_BY_KEY, .id = key->key};
	struct gc_roots *g = k->g;
	bool needed = digest_map_find(&g->chains, &key->chainid) >= 0;
	int r = 0;

	if (!needed && key->used < g->key_cutoff)
		return buf_append(&g->old_keys, &key->key, sizeof(key->key), err);
	if (!needed)
		r = gc_roots_soft(g, key->used, size_of(k->txn, &key->chainid), err);
	if (r == 0)
		r = gc_roots_keep(g, k->txn, &key->manifest, err);
	if (r == 0)
		r = gc_roots_keep(g, k->txn, &key->chainid, err);
	if (r == 0)
		r = gc_why_root(g->why, k->txn, &reason, &key->manifest, err);
	return r < 0 ? r : gc_why_root(g->why, k->txn, &reason, &key->chainid, err);
}

int gc_keys_find(struct gc_roots *g, struct catalog_txn *t, struct err *err)
{
	struct gathering k = {.g = g, .txn = t};
	const struct seen_key *keys;
	size_t count;
	int r;

	buf_init(&k.keys, KEYS_MAX * sizeof(struct seen_key));
	r = catalog_key_each(t, NULL, on_key, &k, err);
	count = k.keys.len / sizeof(*keys);
	if (count)
		qsort(k.keys.data, count, sizeof(*keys), latest_first);
	keys = (const struct seen_key *)(const void *)k.keys.data;
	for (size_t i = 0; i < count && r == 0; i++)
		r = decide(&k, &keys[i], err);
	buf_release(&k.keys);
	return r;
}

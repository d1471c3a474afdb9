/* SPDX-License-Identifier: Apache-2.0
 * What a committed item means for the catalog. Applying one twice changes nothing. */
#include <string.h>

#include "store/store_private.h"

/* Objects of a pack are put in batches of this many. */
#define BATCH_MAX 16384

/* ---- packs ---- */

struct batch {
	struct store_apply *apply;
	struct catalog_object *objects;
	size_t count;
};

static int batch_put(struct batch *b, struct err *err)
{
	int r = catalog_object_put(b->apply->txn, b->objects, b->count, err);

	b->apply->objects += b->count;
	b->count = 0;
	return r;
}

static enum object_kind kind_of(enum pack_frame_type type)
{
	switch (type) {
	case PACK_CHUNKS:
		return OBJECT_CHUNKED;
	case PACK_DOCUMENT:
		return OBJECT_DOCUMENT;
	default:
		return OBJECT_WHOLE;
	}
}

static int on_frame(void *arg, const struct pack_place *at, const struct pack_frame *f,
		    struct err *err)
{
	struct batch *b = arg;
	int r = 0;

	for (uint32_t i = 0; i < f->count && r == 0; i++) {
		struct pack_entry entry;

		pack_frame_entry(f, i, &entry);
		b->objects[b->count++] = (struct catalog_object){
			.digest = entry.digest,
			.place = {.frame = *at,
				  .off = entry.off,
				  .len = entry.len,
				  .kind = kind_of(f->type)},
		};
		if (b->count == BATCH_MAX)
			r = batch_put(b, err);
	}
	return r;
}

static int read_tables(struct store_apply *a, const struct record_pack *p,
		       struct err *err)
{
	struct batch b = {.apply = a};
	int r;

	b.objects = calloc(BATCH_MAX, sizeof(*b.objects));
	if (!b.objects)
		return err_nomem(err);
	r = pack_scan(a->store->packs, p->pack, p->from, p->to, false, a->skip_damage,
		      on_frame, NULL, &b, err);
	if (r == -ERR_NOTFOUND)
		r = a->skip_damage
			    ? 0
			    : err_set(err, ERR_CORRUPT, "pack %08x is missing", p->pack);
	if (r == 0)
		r = batch_put(&b, err);
	free(b.objects);
	return r;
}

static bool is_gone_later(const struct store_apply *a, uint32_t pack)
{
	struct digest key;

	if (!a->packs_gone)
		return false;
	store_apply_pack_key(pack, &key);
	return digest_map_find(a->packs_gone, &key) >= 0;
}

static int apply_pack(struct store_apply *a, const struct record_pack *p, struct err *err)
{
	uint64_t length;
	int r;

	if (is_gone_later(a, p->pack))
		return 0;
	r = a->objects_known ? 0 : read_tables(a, p, err);
	if (r == 0)
		r = catalog_pack_get(a->txn, p->pack, &length, err);
	if (r == -ERR_NOTFOUND || (r == 0 && length < p->to))
		r = catalog_pack_put(a->txn, p->pack, p->to, err);
	return r;
}

void store_apply_pack_key(uint32_t pack, struct digest *ret)
{
	*ret = (struct digest){0};
	put_le32(ret->bytes, pack);
}

static int forget_frame(void *arg, const struct pack_place *at,
			const struct pack_frame *f, struct err *err)
{
	struct store_apply *a = arg;
	int r = 0;

	for (uint32_t i = 0; i < f->count && r == 0; i++) {
		struct object_place place;
		struct pack_entry entry;

		pack_frame_entry(f, i, &entry);
		r = catalog_object_get(a->txn, &entry.digest, &place, NULL);
		if (r == 0 && place.frame.pack == at->pack)
			r = catalog_object_remove(a->txn, &entry.digest, err);
		else if (r == -ERR_NOTFOUND)
			r = 0;
	}
	return r;
}

/* The file is there until the commit has come this far. A catalog made anew has nothing of
 * the pack. */
static int apply_pack_gone(struct store_apply *a, uint32_t pack, struct err *err)
{
	uint64_t length;
	int r = catalog_pack_get(a->txn, pack, &length, err);

	if (r == 0)
		r = pack_scan(a->store->packs, pack, 0, length, false, true, forget_frame,
			      NULL, a, err);
	if (r == -ERR_NOTFOUND)
		r = 0;
	return r < 0 ? r : catalog_pack_remove(a->txn, pack, err);
}

/* ---- layers, chains, trees ---- */

static int raise_number(struct catalog_txn *t, uint32_t number, struct err *err)
{
	struct catalog_mark mark;
	int r = catalog_mark_get(t, &mark, err);

	if (r < 0 || number < mark.next_number)
		return r;
	if (number == UINT32_MAX)
		return err_set(err, ERR_LIMIT, "tree number %u is too large", number);
	mark.next_number = number + 1;
	return catalog_mark_set(t, &mark, err);
}

/* The number's entry, made when it was given; a later one is left as it is. */
static int give_number(struct catalog_txn *t, uint32_t number, enum tree_owner owner,
		       const struct digest *id, struct err *err)
{
	struct catalog_tree tree = {.number = number, .owner = owner, .id = *id}, there;
	int r = catalog_tree_get(t, number, &there, err);

	if (r == -ERR_NOTFOUND)
		r = catalog_tree_put(t, &tree, err);
	return r < 0 ? r : raise_number(t, number, err);
}

/* A layer that is there keeps its number: the tree is a function of the DiffID. */
static int apply_layer(struct catalog_txn *t, const struct record_layer *l,
		       struct err *err)
{
	struct record_layer layer = *l, there;
	int r = catalog_layer_get(t, &l->diffid, &there, err);

	if (r == -ERR_NOTFOUND)
		r = give_number(t, l->number, TREE_OF_LAYER, &l->diffid, err);
	else if (r == 0)
		layer.number = there.number;
	if (r == 0)
		r = raise_number(t, l->number, err);
	return r < 0 ? r : catalog_layer_put(t, &layer, err);
}

static int apply_chain(struct catalog_txn *t, const struct record_chain *c,
		       struct err *err)
{
	struct record_chain there;
	int r = catalog_chain_get(t, &c->chainid, &there, err);

	if (r == 0)
		return raise_number(t, c->number, err);
	if (r != -ERR_NOTFOUND)
		return r;
	r = give_number(t, c->number, TREE_OF_CHAIN, &c->chainid, err);
	return r < 0 ? r : catalog_chain_put(t, c, err);
}

/* What the tree belongs to has another number from now on. */
static int renumber(struct catalog_txn *t, const struct catalog_tree *tree,
		    struct err *err)
{
	struct record_layer layer;
	struct record_chain chain;
	int r;

	if (tree->owner == TREE_OF_LAYER) {
		r = catalog_layer_get(t, &tree->id, &layer, err);
		layer.number = tree->number;
		return r < 0 ? r : catalog_layer_put(t, &layer, err);
	}
	r = catalog_chain_get(t, &tree->id, &chain, err);
	chain.number = tree->number;
	return r < 0 ? r : catalog_chain_put(t, &chain, err);
}

static int supersede(struct catalog_txn *t, const struct record_tree *item,
		     struct err *err)
{
	struct catalog_tree old, tree;
	int r = catalog_tree_get(t, item->superseded, &old, err);

	if (r < 0)
		return r;
	tree = old;
	tree.number = item->number;
	tree.stale = false;
	tree.version = item->version;
	tree.sha256 = item->sha256;
	old.stale = true;
	r = catalog_tree_put(t, &old, err);
	if (r == 0)
		r = catalog_tree_put(t, &tree, err);
	if (r == 0)
		r = renumber(t, &tree, err);
	return r < 0 ? r : raise_number(t, item->number, err);
}

static int apply_tree(struct catalog_txn *t, const struct record_tree *item,
		      struct err *err)
{
	struct catalog_tree tree;
	int r;

	if (item->superseded)
		return supersede(t, item, err);
	r = catalog_tree_get(t, item->number, &tree, err);
	if (r < 0)
		return r;
	tree.version = item->version;
	tree.sha256 = item->sha256;
	return catalog_tree_put(t, &tree, err);
}

/* Whatever had the number before it is gone too, so only the present one is looked up. */
static int forget_tree(struct catalog_txn *t, int found, uint32_t number, struct err *err)
{
	if (found == -ERR_NOTFOUND)
		return 0;
	return found < 0 ? found : catalog_tree_remove(t, number, err);
}

static int apply_gone(struct catalog_txn *t, const struct record_gone *g, struct err *err)
{
	struct record_layer layer = {0};
	struct record_chain chain = {0};
	int r = g->number ? raise_number(t, g->number, err) : 0;

	if (r < 0)
		return r;
	switch (g->kind) {
	case GONE_LAYER:
		r = catalog_layer_get(t, &g->id, &layer, err);
		r = forget_tree(t, r, layer.number, err);
		return r < 0 ? r : catalog_layer_remove(t, &g->id, err);
	case GONE_CHAIN:
		r = catalog_chain_get(t, &g->id, &chain, err);
		r = forget_tree(t, r, chain.number, err);
		return r < 0 ? r : catalog_chain_remove(t, &g->id, err);
	case GONE_BLOB:
		return catalog_blob_remove(t, &g->id, err);
	case GONE_IMAGE:
		return catalog_image_remove(t, &g->id, err);
	case GONE_ARTIFACT:
		return catalog_artifact_remove(t, &g->id, err);
	default:
		return 0;
	}
}

/* ---- all ---- */

int store_apply_item(struct store_apply *a, const struct record_item *item,
		     struct err *err)
{
	int r = 0;

	switch (item->type) {
	case RECORD_PACK:
		return apply_pack(a, &item->pack, err);
	case RECORD_LAYER:
		return apply_layer(a->txn, &item->layer, err);
	case RECORD_CHAIN:
		return apply_chain(a->txn, &item->chain, err);
	case RECORD_BLOB:
		return catalog_blob_put(a->txn, &item->blob, err);
	case RECORD_IMAGE:
		return catalog_image_put(a->txn, &item->image, err);
	case RECORD_REF:
		return catalog_ref_put(a->txn, &item->ref, err);
	case RECORD_UNREF:
		return catalog_ref_remove(a->txn, item->unref.name, err);
	case RECORD_TREE:
		r = apply_tree(a->txn, &item->tree, err);
		break;
	case RECORD_DROP:
		return catalog_object_remove(a->txn, &item->drop.object, err);
	case RECORD_KEY:
		return catalog_key_put(a->txn, &item->key, err);
	case RECORD_UNKEY:
		return catalog_key_remove(a->txn, &item->unkey.key, err);
	case RECORD_ARTIFACT:
		return catalog_artifact_put(a->txn, &item->artifact, err);
	case RECORD_GONE:
		return apply_gone(a->txn, &item->gone, err);
	case RECORD_PACK_GONE:
		return apply_pack_gone(a, item->pack_gone.pack, err);
	}
	/* About something whose own record was lost: only after a salvage. */
	return r == -ERR_NOTFOUND && a->skip_damage ? 0 : r;
}

int store_apply(struct store *s, struct catalog_txn *t, const struct record_item *item,
		bool objects_known, struct err *err)
{
	struct store_apply a = {
		.store = s,
		.txn = t,
		.objects_known = objects_known,
	};

	return store_apply_item(&a, item, err);
}

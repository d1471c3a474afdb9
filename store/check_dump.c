/* SPDX-License-Identifier: Apache-2.0
 * The catalog as the items of one journal record: replaying it gives the same catalog. */
#include "store/check_private.h"

struct numbered {
	struct digest id;
	uint32_t number; /* the last one of the id's that was written */
};

struct dump {
	struct catalog_txn *txn;
	struct buf *out;
	struct digest_map layers, chains; /* struct numbered */
	uint32_t next;
};

static int put(struct dump *d, const struct record_item *item, struct err *err)
{
	return record_encode(d->out, item, err);
}

static void raise_next(struct dump *d, uint32_t number)
{
	if (number >= d->next)
		d->next = number + 1;
}

/* ---- layers, chains and their trees ---- */

static struct digest_map *map_of(struct dump *d, enum tree_owner owner)
{
	return owner == TREE_OF_LAYER ? &d->layers : &d->chains;
}

static int put_owner(struct dump *d, enum tree_owner owner, const struct digest *id,
		     uint32_t number, struct err *err)
{
	struct record_item item = {.type = owner == TREE_OF_LAYER ? RECORD_LAYER
								  : RECORD_CHAIN};
	struct numbered *n;
	uint32_t i;
	int r;

	if (owner == TREE_OF_LAYER) {
		r = catalog_layer_get(d->txn, id, &item.layer, err);
		item.layer.number = number;
	} else {
		r = catalog_chain_get(d->txn, id, &item.chain, err);
		item.chain.number = number;
	}
	if (r == 0)
		r = put(d, &item, err);
	if (r == 0)
		r = digest_map_add(map_of(d, owner), id, &i, err);
	if (r < 0)
		return r;
	n = digest_map_entry(map_of(d, owner), i);
	n->number = number;
	raise_next(d, number);
	return 0;
}

static int put_build(struct dump *d, const struct catalog_tree *tree, uint32_t superseded,
		     struct err *err)
{
	const struct record_item item = {.type = RECORD_TREE,
					 .tree = {.number = tree->number,
						  .superseded = superseded,
						  .version = tree->version,
						  .sha256 = tree->sha256}};

	raise_next(d, tree->number);
	return put(d, &item, err);
}

/* In the order of numbers, so in the order in which one took the place of the other. */
static int on_tree(void *arg, const struct catalog_tree *tree, struct err *err)
{
	struct dump *d = arg;
	const struct digest_map *map = map_of(d, tree->owner);
	int64_t i = digest_map_find(map, &tree->id);
	int r;

	if (i >= 0) {
		struct numbered *n = digest_map_entry(map, (uint32_t)i);
		uint32_t superseded = n->number;

		n->number = tree->number;
		return put_build(d, tree, superseded, err);
	}
	r = put_owner(d, tree->owner, &tree->id, tree->number, err);
	if (r == -ERR_NOTFOUND)
		return 0; /* a number of nothing */
	return r < 0 || !tree->version ? r : put_build(d, tree, 0, err);
}

/* Those without an entry of their number; there are none unless the catalog is damaged. */
static int on_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	struct dump *d = arg;

	if (digest_map_find(&d->layers, &layer->diffid) >= 0)
		return 0;
	return put_owner(d, TREE_OF_LAYER, &layer->diffid, layer->number, err);
}

static int on_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	struct dump *d = arg;

	if (digest_map_find(&d->chains, &chain->chainid) >= 0)
		return 0;
	return put_owner(d, TREE_OF_CHAIN, &chain->chainid, chain->number, err);
}

/* ---- the rest ---- */

static int on_blob(void *arg, const struct record_blob *blob, struct err *err)
{
	const struct record_item item = {.type = RECORD_BLOB, .blob = *blob};

	return put(arg, &item, err);
}

static int on_image(void *arg, const struct record_image *image, struct err *err)
{
	const struct record_item item = {.type = RECORD_IMAGE, .image = *image};

	return put(arg, &item, err);
}

static int on_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	const struct record_item item = {.type = RECORD_REF, .ref = *ref};

	return put(arg, &item, err);
}

static int on_key(void *arg, const struct record_key *key, struct err *err)
{
	const struct record_item item = {.type = RECORD_KEY, .key = *key};

	return put(arg, &item, err);
}

static int on_artifact(void *arg, const struct record_artifact *artifact, struct err *err)
{
	const struct record_item item = {.type = RECORD_ARTIFACT, .artifact = *artifact};

	return put(arg, &item, err);
}

int check_dump_packs(const struct check_ranges *ranges, struct buf *out, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < ranges->count && r == 0; i++) {
		const struct record_item item = {
			.type = RECORD_PACK,
			.pack = {ranges->items[i].pack, ranges->items[i].from,
				 ranges->items[i].to},
		};

		r = record_encode(out, &item, err);
	}
	return r;
}

static int put_drops(struct dump *d, const struct digest_map *dropped, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < dropped->count && r == 0; i++) {
		struct record_item item = {.type = RECORD_DROP};

		item.drop.object = *(struct digest *)digest_map_entry(dropped, i);
		r = put(d, &item, err);
	}
	return r;
}

static int put_all(struct dump *d, struct err *err)
{
	int r = catalog_tree_each(d->txn, on_tree, d, err);

	if (r == 0)
		r = catalog_layer_each(d->txn, NULL, on_layer, d, err);
	if (r == 0)
		r = catalog_chain_each(d->txn, NULL, on_chain, d, err);
	if (r == 0)
		r = catalog_blob_each(d->txn, NULL, on_blob, d, err);
	if (r == 0)
		r = catalog_image_each(d->txn, NULL, on_image, d, err);
	if (r == 0)
		r = catalog_ref_each(d->txn, NULL, on_ref, d, err);
	if (r == 0)
		r = catalog_key_each(d->txn, NULL, on_key, d, err);
	return r < 0 ? r : catalog_artifact_each(d->txn, NULL, on_artifact, d, err);
}

/* Numbers that were given once are not given again, whatever had them. */
static int put_highest(struct dump *d, struct err *err)
{
	struct record_item item = {.type = RECORD_GONE};
	struct catalog_mark mark;
	uint64_t length;
	uint32_t last;
	int r = catalog_mark_get(d->txn, &mark, err);

	if (r == 0 && mark.next_number > d->next) {
		d->next = mark.next_number;
		item.gone.number = d->next - 1;
		r = put(d, &item, err);
	}
	if (r == 0)
		r = catalog_pack_last(d->txn, &last, err);
	if (r < 0 || last == 0)
		return r;
	r = catalog_pack_get(d->txn, last, &length, err);
	if (r != -ERR_NOTFOUND)
		return r;
	item = (struct record_item){.type = RECORD_PACK_GONE, .pack_gone.pack = last};
	return put(d, &item, err);
}

int check_dump(struct catalog_txn *t, const struct check_ranges *ranges,
	       const struct digest_map *dropped, struct buf *out, uint32_t *ret_next,
	       struct err *err)
{
	struct dump d = {.txn = t, .out = out, .next = 1};
	int r;

	digest_map_init(&d.layers, sizeof(struct numbered));
	digest_map_init(&d.chains, sizeof(struct numbered));
	r = check_dump_packs(ranges, out, err);
	if (r == 0)
		r = put_drops(&d, dropped, err);
	if (r == 0)
		r = put_all(&d, err);
	if (r == 0)
		r = put_highest(&d, err);
	digest_map_release(&d.layers);
	digest_map_release(&d.chains);
	if (r == 0)
		*ret_next = d.next;
	return r;
}

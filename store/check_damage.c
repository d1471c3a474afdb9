/* SPDX-License-Identifier: Apache-2.0
 * From lost content to what it means: which large objects are incomplete, which layers, which
 * trees are to be made anew, which names are affected. */
#include "store/check_private.h"

#include <string.h>

#include "store/frame_cache.h"
#include "store/layer.h"
#include "store/tree_frames.h"

#define CHANGED_MAX (256u << 20)

void check_damage_init(struct check_damage *d, struct store *s, struct check_report *told)
{
	*d = (struct check_damage){.store = s, .told = told};
	digest_map_init(&d->dropped, sizeof(struct digest));
	digest_map_init(&d->lost, sizeof(struct digest));
	buf_init(&d->changed, CHANGED_MAX);
}

void check_damage_release(struct check_damage *d)
{
	digest_map_release(&d->dropped);
	digest_map_release(&d->lost);
	buf_release(&d->changed);
}

static int begin(struct check_damage *d, struct catalog_txn **ret, struct err *err)
{
	return catalog_begin(store_catalog(d->store), false, ret, err);
}

static int add(struct digest_map *m, const struct digest *digest, struct err *err)
{
	uint32_t i;

	return digest_map_find(m, digest) >= 0 ? 0 : digest_map_add(m, digest, &i, err);
}

/* Whether it is in the catalog and will stay there; else it is lost. */
static int is_there(struct check_damage *d, struct catalog_txn *t,
		    const struct digest *digest, struct object_place *ret_place,
		    bool *ret, struct err *err)
{
	int r = store_object_get(d->store, t, digest, ret_place, NULL);

	if (r < 0 && r != -ERR_NOTFOUND)
		return store_object_get(d->store, t, digest, ret_place, err);
	*ret = r == 0 && digest_map_find(&d->dropped, digest) < 0;
	return *ret ? 0 : add(&d->lost, digest, err);
}

/* ---- damaged frames whose tables are whole ---- */

struct tables {
	struct check_damage *d;
	struct catalog_txn *txn;
};

static int on_frame(void *arg, const struct pack_place *at, const struct pack_frame *f,
		    struct err *err)
{
	struct tables *tables = arg;
	int r = 0;

	(void)at;
	for (uint32_t i = 0; i < f->count && r == 0; i++) {
		struct object_place place;
		struct pack_entry e;
		bool there;

		pack_frame_entry(f, i, &e);
		r = is_there(tables->d, tables->txn, &e.digest, &place, &there, err);
	}
	return r;
}

int check_damage_ranges(struct check_damage *d, const struct check_ranges *bad,
			struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct tables tables = {.d = d};
	int r = begin(d, &t, err);

	tables.txn = t;
	for (size_t i = 0; i < bad->count && r == 0; i++) {
		const struct check_range *range = &bad->items[i];

		if (range->from < PACK_FILE_HEADER_SIZE)
			continue;
		r = pack_scan(d->store->packs, range->pack, range->from, range->to, false,
			      true, on_frame, NULL, &tables, err);
		if (r == -ERR_NOTFOUND)
			r = 0;
	}
	return r;
}

int check_damage_dropped(struct check_damage *d, const struct digest_map *dropped,
			 struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = begin(d, &t, err);

	for (uint32_t i = 0; i < dropped->count && r == 0; i++) {
		const struct digest *digest = digest_map_entry(dropped, i);
		struct object_place place;

		r = store_object_get(d->store, t, digest, &place, err);
		if (r == -ERR_NOTFOUND)
			r = add(&d->dropped, digest, err);
	}
	return r;
}

/* ---- large objects ---- */

struct lists {
	struct check_damage *d;
	struct catalog_txn *txn;
	struct frame_cache *frames;
};

static int look_at_list(struct lists *lists, const struct object_place *place,
			struct err *err)
{
	struct frame *f = NULL;
	uint64_t size;
	int r = frame_cache_get(lists->frames, &place->frame, &f, err);

	if (r < 0)
		return r;
	if (place->off > f->len || place->len > f->len - place->off)
		r = err_set(err, ERR_CORRUPT, "its place is not in its frame");
	else
		r = check_objects_list(lists->d->store, lists->txn, f->data + place->off,
				       place->len, &size, err);
	frame_cache_put(lists->frames, f);
	return r;
}

static int on_object(void *arg, const struct digest *digest,
		     const struct object_place *place, struct err *err)
{
	struct lists *lists = arg;
	struct err cause = {0};
	int r;

	if (place->kind != OBJECT_CHUNKED)
		return 0;
	r = look_at_list(lists, place, &cause);
	if (r == 0)
		return 0;
	if (!check_is_damage(r, &cause))
		return err_copy(err, &cause);
	r = add(&lists->d->dropped, digest, err);
	return r < 0 ? r : add(&lists->d->lost, digest, err);
}

static int find_incomplete(struct check_damage *d, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_frame_cache struct frame_cache *frames = NULL;
	struct lists lists = {.d = d};
	int r = frame_cache_new(store_packs(d->store), CHECK_CACHE, &frames, err);

	if (r == 0)
		r = begin(d, &t, err);
	lists.txn = t;
	lists.frames = frames;
	return r < 0 ? r : catalog_object_each(t, on_object, &lists, err);
}

/* ---- layers ---- */

struct layers {
	struct check_damage *d;
	struct catalog_txn *txn;
	uint64_t missing; /* objects of the layer being looked at */
};

static int on_step(void *arg, const struct recipe_step *step, struct err *err)
{
	struct layers *l = arg;
	struct object_place place;
	bool there, fits = true;
	int r;

	if (step->op != RECIPE_OBJECT)
		return 0;
	r = is_there(l->d, l->txn, &step->object, &place, &there, err);
	if (r == 0 && there && place.kind != OBJECT_CHUNKED)
		fits = step->object_off <= place.len &&
		       step->len <= place.len - step->object_off;
	if (r == 0 && (!there || !fits))
		l->missing++;
	return r;
}

static int look_at_content(struct layers *l, struct record_layer *layer, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct err cause = {0};
	int r;

	l->missing = 0;
	r = recipe_each(l->d->store, &layer->recipe, on_step, l, &cause);
	if (r < 0 && !check_is_damage(r, &cause))
		return err_copy(err, &cause);
	if (r == 0 && !l->missing) {
		layer->flags &= ~(uint32_t)LAYER_DAMAGED;
		return 0;
	}
	digest_format(&layer->diffid, text);
	if (r < 0)
		check_problem(l->d->told, "layer %s: %s; it stays damaged", text,
			      cause.msg);
	else
		check_problem(l->d->told,
			      "layer %s: content is lost (in %llu places); it stays "
			      "damaged",
			      text, (unsigned long long)l->missing);
	layer->flags |= LAYER_DAMAGED;
	l->d->damaged_layers++;
	return 0;
}

static int look_at_tree(struct layers *l, struct record_layer *layer, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct err cause = {0};
	auto_buf struct buf image;
	struct tree tree;
	int r;

	buf_init(&image, LAYER_TREE_MAX);
	if (!layer->tree.pack)
		return 0;
	r = tree_frames_get(store_packs(l->d->store), &layer->tree, &image, &cause);
	if (r == 0)
		r = tree_open(&tree, image.data, image.len, &cause);
	if (r == 0)
		r = tree_check(&tree, &cause);
	if (r == 0)
		return 0;
	if (!check_is_damage(r, &cause))
		return err_copy(err, &cause);
	check_problem(l->d->told, "layer %s: its tree is left out: %s",
		      digest_format(&layer->diffid, text), cause.msg);
	layer->tree = (struct pack_place){0};
	return 0;
}

static int on_layer(void *arg, const struct record_layer *there, struct err *err)
{
	struct record_layer layer = *there;
	struct layers *l = arg;
	int r = look_at_content(l, &layer, err);

	if (r == 0)
		r = look_at_tree(l, &layer, err);
	if (r == 0 &&
	    (layer.flags != there->flags || layer.tree.pack != there->tree.pack))
		r = buf_append(&l->d->changed, &layer, sizeof(layer), err);
	return r;
}

static int find_damaged(struct check_damage *d, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct layers l = {.d = d};
	int r = begin(d, &t, err);

	l.txn = t;
	return r < 0 ? r : catalog_layer_each(t, NULL, on_layer, &l, err);
}

/* ---- documents ---- */

struct documents {
	struct check_damage *d;
	struct catalog_txn *txn;
};

static int look_at_document(struct documents *p, const struct digest *digest,
			    struct err *err)
{
	struct object_place place;
	bool there = true;
	int r = 0;

	if (!digest_is_zero(digest))
		r = is_there(p->d, p->txn, digest, &place, &there, err);
	if (!there)
		p->d->names = true;
	return r;
}

static int on_image(void *arg, const struct record_image *image, struct err *err)
{
	int r = look_at_document(arg, &image->manifest, err);

	return r < 0 ? r : look_at_document(arg, &image->config, err);
}

static int on_artifact(void *arg, const struct record_artifact *artifact, struct err *err)
{
	int r = look_at_document(arg, &artifact->manifest, err);

	return r < 0 ? r : look_at_document(arg, &artifact->needs, err);
}

static int on_index(void *arg, const struct record_ref *ref, struct err *err)
{
	return look_at_document(arg, &ref->index, err);
}

static int find_documents(struct check_damage *d, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct documents p = {.d = d};
	int r = begin(d, &t, err);

	p.txn = t;
	if (r == 0)
		r = catalog_image_each(t, NULL, on_image, &p, err);
	if (r == 0)
		r = catalog_artifact_each(t, NULL, on_artifact, &p, err);
	return r < 0 ? r : catalog_ref_each(t, NULL, on_index, &p, err);
}

int check_damage_assess(struct check_damage *d, struct err *err)
{
	int r = find_incomplete(d, err);

	if (r == 0)
		r = find_damaged(d, err);
	if (r == 0)
		r = find_documents(d, err);
	d->names = d->names || d->damaged_layers;
	return r;
}

/* ---- names ---- */

/* No chain is longer; only a loop is. */
#define CHAIN_MAX 65536

/* 1: it misses something. */
static int chain_is_damaged(struct catalog_txn *t, const struct digest *top,
			    struct err *err)
{
	struct digest id = *top;

	for (unsigned i = 0; i < CHAIN_MAX && !digest_is_zero(&id); i++) {
		struct record_chain chain;
		struct record_layer layer;
		int r = catalog_chain_get(t, &id, &chain, err);

		if (r == 0)
			r = catalog_layer_get(t, &chain.diffid, &layer, err);
		if (r < 0)
			return r == -ERR_NOTFOUND ? 1 : r;
		if (layer.flags & LAYER_DAMAGED)
			return 1;
		id = chain.parent;
	}
	return 0;
}

static bool is_lost(const struct check_damage *d, const struct digest *digest)
{
	return digest_map_find(&d->lost, digest) >= 0;
}

static int image_is_damaged(struct documents *p, const struct digest *manifest,
			    struct err *err)
{
	struct record_image image;
	int r = catalog_image_get(p->txn, manifest, &image, err);

	if (r < 0)
		return r == -ERR_NOTFOUND ? 1 : r;
	if (is_lost(p->d, manifest) || is_lost(p->d, &image.config))
		return 1;
	return chain_is_damaged(p->txn, &image.chainid, err);
}

static int on_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	struct documents *p = arg;
	int r = is_lost(p->d, &ref->index) ? 1 : 0;

	for (uint32_t i = 0; i < ref->count && r == 0; i++)
		r = image_is_damaged(p, &ref->targets[i].manifest, err);
	if (r > 0)
		check_problem(p->d->told, "name '%s' misses content: import it again",
			      ref->name);
	return r < 0 ? r : 0;
}

int check_damage_names(struct check_damage *d, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct documents p = {.d = d};
	int r;

	if (!d->names)
		return 0;
	r = begin(d, &t, err);
	p.txn = t;
	return r < 0 ? r : catalog_ref_each(t, NULL, on_ref, &p, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * What is needed of images, chains and layers. All of it is decided in one transaction, under
 * the store lock and with the notes of sessions frozen: these tables are small. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/forest_private.h"
#include "store/gc_private.h"

#define SOFT_MAX (1u << 20)

struct gc_kept {
	struct digest id;
};

void gc_roots_init(struct gc_roots *g)
{
	digest_map_init(&g->images, sizeof(struct gc_kept));
	digest_map_init(&g->chains, sizeof(struct gc_kept));
	digest_map_init(&g->layers, sizeof(struct gc_kept));
	digest_map_init(&g->artifacts, sizeof(struct gc_kept));
	digest_map_init(&g->listed, sizeof(struct gc_kept));
	buf_init(&g->soft, SOFT_MAX * sizeof(struct gc_soft));
	buf_init(&g->old_keys, SOFT_MAX * sizeof(struct digest));
}

void gc_roots_times(struct gc_roots *g)
{
	int64_t now = time(NULL);

	g->cutoff = now - g->options->grace;
	g->key_cutoff = g->options->keep_keys ? now - g->options->keep_keys : 0;
}

void gc_roots_release(struct gc_roots *g)
{
	digest_map_release(&g->images);
	digest_map_release(&g->chains);
	digest_map_release(&g->layers);
	digest_map_release(&g->artifacts);
	digest_map_release(&g->listed);
	buf_release(&g->soft);
	buf_release(&g->old_keys);
}

/* ---- keeping ---- */

static bool has(const struct digest_map *m, const struct digest *d)
{
	return digest_map_find(m, d) >= 0;
}

static int keep(struct digest_map *m, const struct digest *d, struct err *err)
{
	uint32_t i;

	return has(m, d) ? 0 : digest_map_add(m, d, &i, err);
}

/* The chain, those below, and their layers. What is missing is verify's business. */
static int keep_chain(struct gc_roots *g, struct catalog_txn *t, const struct digest *id,
		      struct err *err)
{
	struct digest at = *id;
	int r = 0;

	while (r == 0 && !digest_is_zero(&at) && !has(&g->chains, &at)) {
		struct record_chain chain;

		r = catalog_chain_get(t, &at, &chain, err);
		if (r == -ERR_NOTFOUND)
			return 0;
		if (r == 0)
			r = keep(&g->chains, &at, err);
		if (r == 0)
			r = keep(&g->layers, &chain.diffid, err);
		at = chain.parent;
	}
	return r;
}

static int keep_image(struct gc_roots *g, struct catalog_txn *t, const struct digest *id,
		      struct err *err)
{
	struct record_image image;
	int r;

	if (digest_is_zero(id) || has(&g->images, id))
		return 0;
	r = catalog_image_get(t, id, &image, err);
	if (r == -ERR_NOTFOUND)
		return 0;
	if (r == 0)
		r = keep(&g->images, id, err);
	return r < 0 ? r : keep_chain(g, t, &image.chainid, err);
}

/* A bare digest: a layer, or a chain, or both. */
static int keep_either(struct gc_roots *g, struct catalog_txn *t, const struct digest *id,
		       struct err *err)
{
	struct record_layer layer;
	int r = catalog_layer_get(t, id, &layer, NULL);

	r = r == 0 ? keep(&g->layers, id, err) : 0;
	return r < 0 ? r : keep_chain(g, t, id, err);
}

int gc_roots_keep(struct gc_roots *g, struct catalog_txn *t, const struct digest *id,
		  struct err *err)
{
	int r = keep_image(g, t, id, err);

	return r < 0 ? r : keep_either(g, t, id, err);
}

int gc_roots_list(struct gc_roots *g, const struct digest *id, struct err *err)
{
	return digest_is_zero(id) ? 0 : keep(&g->listed, id, err);
}

/* ---- why ---- */

struct visit {
	struct gc_roots *g;
	struct catalog_txn *txn;
	const struct pins_seen *pins;
	struct commit *commit; /* NULL: only look */
};

static int on_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	const struct gc_reason reason = {.kind = GC_BY_NAME, .name = ref->name};
	struct visit *v = arg;
	int r = gc_roots_list(v->g, &ref->index, err);

	for (uint32_t i = 0; i < ref->count && r == 0; i++) {
		const struct digest *manifest = &ref->targets[i].manifest;

		r = keep_image(v->g, v->txn, manifest, err);
		if (r == 0)
			r = gc_why_root(v->g->why, v->txn, &reason, manifest, err);
	}
	return r;
}

static bool is_pinned(const struct visit *v, const struct digest *d)
{
	return v->pins && pins_seen_has(v->pins, get_le64(d->bytes));
}

int64_t gc_last_use(struct store *s, uint32_t number)
{
	char name[FOREST_NAME_SIZE];
	struct stat st;

	forest_disk_name(number, name);
	if (s->trees_dirfd < 0 ||
	    fstatat(s->trees_dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return st.st_atim.tv_sec;
}

/* When it was committed or, if later, used. */
static int64_t used_at(const struct visit *v, int64_t created, uint32_t number)
{
	int64_t used = gc_last_use(v->g->store, number);

	return used > created ? used : created;
}

int gc_roots_soft(struct gc_roots *g, int64_t used, uint64_t size, struct err *err)
{
	const struct gc_soft soft = {used, size};

	return buf_append(&g->soft, &soft, sizeof(soft), err);
}

static int keep_soft(struct gc_roots *g, const struct record_layer *layer, int64_t used,
		     struct err *err)
{
	return has(&g->layers, &layer->diffid)
		       ? 0
		       : gc_roots_soft(g, used, layer->new_size, err);
}

/* By a running session, or by whoever reads its tree. */
static bool is_held(const struct visit *v, const struct digest *id, uint32_t number,
		    struct gc_reason *reason)
{
	reason->kind = GC_BY_OPEN;
	return is_pinned(v, id) || forest_disk_in_use(v->g->store, number);
}

static bool is_recent(const struct visit *v, int64_t created, uint32_t number,
		      struct gc_reason *reason)
{
	reason->kind = GC_BY_GRACE;
	reason->used = used_at(v, created, number);
	return v->g->options->grace > 0 && reason->used >= v->g->cutoff;
}

static int on_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	struct gc_reason reason = {.id = layer->diffid};
	struct visit *v = arg;
	struct gc_roots *g = v->g;
	int r = 0;

	if (!g->why && has(&g->layers, &layer->diffid))
		return 0;
	if (!is_held(v, &layer->diffid, layer->number, &reason)) {
		if (!is_recent(v, layer->created, layer->number, &reason))
			return 0;
		r = keep_soft(g, layer, reason.used, err);
	}
	if (r == 0)
		r = keep(&g->layers, &layer->diffid, err);
	return r < 0 ? r
		     : gc_why_alone(g->why, &reason, GC_WHY_LAYER, &layer->diffid, err);
}

static int on_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	struct gc_reason reason = {.id = chain->chainid};
	struct visit *v = arg;
	struct gc_roots *g = v->g;
	struct record_layer layer;
	int r = 0;

	if (!g->why && has(&g->chains, &chain->chainid))
		return 0;
	if (!is_held(v, &chain->chainid, chain->number, &reason)) {
		r = catalog_layer_get(v->txn, &chain->diffid, &layer, err);
		if (r < 0)
			return r == -ERR_NOTFOUND ? 0 : r;
		if (!is_recent(v, layer.created, chain->number, &reason))
			return 0;
		r = keep_soft(g, &layer, reason.used, err);
	}
	if (r == 0)
		r = keep_chain(g, v->txn, &chain->chainid, err);
	return r < 0 ? r : gc_why_root(g->why, v->txn, &reason, &chain->chainid, err);
}

/* Of a chain that is kept for its own sake the images are kept too. */
static int on_image(void *arg, const struct record_image *image, struct err *err)
{
	const struct gc_reason reason = {.kind = GC_BY_CHAIN, .id = image->chainid};
	struct visit *v = arg;
	int r;

	if (!is_pinned(v, &image->manifest) &&
	    (v->g->options->grace <= 0 || !has(&v->g->chains, &image->chainid)))
		return 0;
	r = keep_image(v->g, v->txn, &image->manifest, err);
	return r < 0 ? r
		     : gc_why_alone(v->g->why, &reason, GC_WHY_IMAGE, &image->manifest,
				    err);
}

/* Every kind of root has its line here. */
static int find_needed(struct visit *v, struct err *err)
{
	struct gc_roots *g = v->g;
	int r = catalog_ref_each(v->txn, NULL, on_ref, v, err);

	for (size_t i = 0; i < g->options->root_count && r == 0; i++) {
		const struct gc_reason reason = {.kind = GC_BY_ROOT, .root = i};

		r = keep_either(g, v->txn, &g->options->roots[i], err);
		if (r == 0)
			r = gc_why_root(g->why, v->txn, &reason, &g->options->roots[i],
					err);
	}
	if (r == 0)
		r = gc_keys_find(g, v->txn, err);
	if (r == 0)
		r = catalog_chain_each(v->txn, NULL, on_chain, v, err);
	if (r == 0)
		r = catalog_layer_each(v->txn, NULL, on_layer, v, err);
	if (r == 0)
		r = catalog_image_each(v->txn, NULL, on_image, v, err);
	return r < 0 ? r : gc_artifacts_find(g, v->txn, v->pins, err);
}

int gc_roots_find(struct gc_roots *g, struct catalog_txn *t, struct err *err)
{
	struct visit v = {.g = g, .txn = t};

	return find_needed(&v, err);
}

/* ---- the rest ---- */

static int drop(struct visit *v, enum gone_kind kind, const char *what,
		const struct digest *id, uint32_t number, uint64_t *count,
		struct err *err)
{
	const struct gc_options *o = v->g->options;
	const struct record_item item = {
		.type = RECORD_GONE,
		.gone = {.kind = kind, .number = number, .id = *id},
	};

	++*count;
	if (o->tell)
		o->tell(o->arg, what, id);
	return v->commit ? store_commit_add(v->commit, &item, err) : 0;
}

static int drop_key(struct visit *v, const struct digest *key, struct err *err)
{
	const struct gc_options *o = v->g->options;
	const struct record_item item = {.type = RECORD_UNKEY, .unkey = {.key = *key}};

	v->g->result->keys++;
	if (o->tell)
		o->tell(o->arg, "key", key);
	return v->commit ? store_commit_add(v->commit, &item, err) : 0;
}

static int drop_image(void *arg, const struct record_image *image, struct err *err)
{
	struct visit *v = arg;

	if (has(&v->g->images, &image->manifest))
		return 0;
	return drop(v, GONE_IMAGE, "image", &image->manifest, 0, &v->g->result->images,
		    err);
}

static int drop_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	struct visit *v = arg;

	if (has(&v->g->chains, &chain->chainid))
		return 0;
	return drop(v, GONE_CHAIN, "chain", &chain->chainid, chain->number,
		    &v->g->result->chains, err);
}

static int drop_blob(void *arg, const struct record_blob *blob, struct err *err)
{
	struct visit *v = arg;

	if (has(&v->g->layers, &blob->diffid))
		return 0;
	return drop(v, GONE_BLOB, "blob", &blob->blob, 0, &v->g->result->blobs, err);
}

static int drop_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	struct visit *v = arg;

	if (has(&v->g->layers, &layer->diffid))
		return 0;
	return drop(v, GONE_LAYER, "layer", &layer->diffid, layer->number,
		    &v->g->result->layers, err);
}

static int drop_artifact(void *arg, const struct record_artifact *artifact,
			 struct err *err)
{
	struct visit *v = arg;

	if (has(&v->g->artifacts, &artifact->manifest))
		return 0;
	return drop(v, GONE_ARTIFACT, "artifact", &artifact->manifest, 0,
		    &v->g->result->artifacts, err);
}

static int drop_rest(struct visit *v, struct err *err)
{
	const struct digest *old =
		(const struct digest *)(const void *)v->g->old_keys.data;
	int r = 0;

	for (size_t i = 0; i < v->g->old_keys.len / sizeof(*old) && r == 0; i++)
		r = drop_key(v, &old[i], err);
	if (r == 0)
		r = catalog_artifact_each(v->txn, NULL, drop_artifact, v, err);
	if (r == 0)
		r = catalog_image_each(v->txn, NULL, drop_image, v, err);
	if (r == 0)
		r = catalog_chain_each(v->txn, NULL, drop_chain, v, err);
	if (r == 0)
		r = catalog_blob_each(v->txn, NULL, drop_blob, v, err);
	return r < 0 ? r : catalog_layer_each(v->txn, NULL, drop_layer, v, err);
}

struct filling {
	struct gc_roots *g;
	struct pins_seen *pins;
};

static int fill(struct commit *c, void *arg, struct err *err)
{
	struct filling *f = arg;
	struct visit v = {.g = f->g, .commit = c, .txn = store_commit_txn(c)};
	int r = pins_see(f->g->store, true, &f->pins, err);

	v.pins = f->pins;
	if (r == 0)
		r = find_needed(&v, err);
	return r < 0 ? r : drop_rest(&v, err);
}

static int look(struct gc_roots *g, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct visit v = {.g = g};
	int r = catalog_begin(store_catalog(g->store), false, &t, err);

	v.txn = t;
	if (r == 0)
		r = find_needed(&v, err);
	return r < 0 ? r : drop_rest(&v, err);
}

int gc_roots_run(struct gc_roots *g, struct err *err)
{
	struct filling f = {.g = g};
	int r;

	gc_roots_release(g);
	gc_roots_init(g);
	if (g->options->dry_run)
		return look(g, err);
	r = store_commit(g->store, fill, &f, NULL, 0, err);
	pins_thaw(f.pins);
	return r;
}

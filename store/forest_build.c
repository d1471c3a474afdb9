/* SPDX-License-Identifier: Apache-2.0
 * A tree image from what is in the packs. A chain's layers are decoded by a few threads,
 * bottom first and never far ahead, while the merge takes them one by one. */
#include "store/forest_private.h"

#include <pthread.h>
#include <string.h>

#include "store/base/workers.h"
#include "store/layer.h"
#include "store/tree_frames.h"
#include "store/tree_write.h"

/* No chain is longer; only a loop is. */
#define CHAIN_MAX 65536

/* ---- one layer ---- */

static int layer_get(struct store *s, const struct digest *diffid,
		     struct record_layer *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(s), false, &t, err);

	return r < 0 ? r : catalog_layer_get(t, diffid, ret, err);
}

/* Whether another way to the same bytes may do better. */
static bool is_damage(int r)
{
	return r == -ERR_CORRUPT || r == -ERR_NOTFOUND;
}

/* Frames of an older writer are no good either: their image does not open. */
static int from_frames(struct store *s, const struct record_layer *layer, struct buf *out,
		       struct err *err)
{
	struct tree tree;
	int r = tree_frames_get(store_packs(s), &layer->tree, out, err);

	return r < 0 ? r : tree_open(&tree, out->data, out->len, err);
}

static int layer_image(struct store *s, const struct record_layer *layer,
		       bool from_recipe, struct buf *out, struct err *err)
{
	int r = -ERR_NOTFOUND;

	buf_clear(out);
	if (!from_recipe)
		r = from_frames(s, layer, out, err);
	if (!is_damage(r))
		return r;
	buf_clear(out);
	return layer_rebuild_tree(s, layer, out, err);
}

static bool is_moved(const struct record_layer *a, const struct record_layer *b)
{
	return a->recipe.pack != b->recipe.pack || a->recipe.off != b->recipe.off ||
	       a->tree.pack != b->tree.pack || a->tree.off != b->tree.off;
}

/* As above; what is missing may have been moved to another pack since it was looked up. */
static int layer_image_now(struct store *s, const struct record_layer *layer,
			   bool from_recipe, struct buf *out, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct record_layer now;
	int r = layer_image(s, layer, from_recipe, out, err);

	if (is_damage(r) && layer_get(s, &layer->diffid, &now, NULL) == 0 &&
	    is_moved(layer, &now))
		r = layer_image(s, &now, from_recipe, out, err);
	if (r == -ERR_NOTFOUND)
		r = err_set(err, ERR_CORRUPT, "a pack is missing");
	return r < 0 ? err_wrap(err, "layer '%s'", digest_format(&layer->diffid, text))
		     : 0;
}

/* ---- a chain's layers ---- */

struct part {
	struct workers_job job;
	struct build *build;
	struct record_layer layer;
	struct buf image;
	bool done;
	int result;
	struct err err;
};

struct build {
	struct store *store;
	bool from_recipes;
	struct part *parts; /* bottom first */
	size_t count;
	pthread_mutex_t lock;
	pthread_cond_t done;
};

static int add_part(struct build *b, struct catalog_txn *t, const struct digest *diffid,
		    struct err *err)
{
	struct part *p;
	int r;

	if (b->count == CHAIN_MAX)
		return err_set(err, ERR_CORRUPT, "it has no end");
	/* Doubled at powers of two. */
	if ((b->count & (b->count - 1)) == 0) {
		p = reallocarray(b->parts, b->count ? 2 * b->count : 1, sizeof(*p));
		if (!p)
			return err_nomem(err);
		b->parts = p;
	}
	p = &b->parts[b->count];
	memset(p, 0, sizeof(*p));
	r = catalog_layer_get(t, diffid, &p->layer, err);
	if (r == -ERR_NOTFOUND)
		r = err_set(err, ERR_CORRUPT, "a layer of it is missing");
	if (r == 0)
		b->count++;
	return r;
}

/* The catalog leads from the top down. */
static int list_parts(struct build *b, const struct digest *chainid, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_chain chain = {.parent = *chainid};
	int r = catalog_begin(store_catalog(b->store), false, &t, err);

	while (r == 0 && (b->count == 0 || !digest_is_zero(&chain.parent))) {
		r = catalog_chain_get(t, &chain.parent, &chain, err);
		if (r == -ERR_NOTFOUND && b->count)
			r = err_set(err, ERR_CORRUPT, "the chain below it is missing");
		if (r == 0)
			r = add_part(b, t, &chain.diffid, err);
	}
	for (size_t i = 0; i < b->count / 2; i++) {
		struct part p = b->parts[i];

		b->parts[i] = b->parts[b->count - 1 - i];
		b->parts[b->count - 1 - i] = p;
	}
	return r;
}

static void decode_part(struct workers_job *job, unsigned thread)
{
	struct part *p = (struct part *)job;
	struct build *b = p->build;

	(void)thread;
	p->result =
		layer_image_now(b->store, &p->layer, b->from_recipes, &p->image, &p->err);
	pthread_mutex_lock(&b->lock);
	p->done = true;
	pthread_cond_signal(&b->done);
	pthread_mutex_unlock(&b->lock);
}

static int take_part(struct build *b, struct part *p, struct tree_model *chain,
		     struct err *err)
{
	struct tree tree;
	int r;

	pthread_mutex_lock(&b->lock);
	while (!p->done)
		pthread_cond_wait(&b->done, &b->lock);
	pthread_mutex_unlock(&b->lock);
	if (p->result < 0)
		return err_copy(err, &p->err);
	r = tree_open(&tree, p->image.data, p->image.len, err);
	if (r == 0)
		r = tree_merge(chain, &tree, err);
	buf_release(&p->image);
	return r;
}

static int merge_parts(struct build *b, struct tree_model *chain, struct err *err)
{
	unsigned threads = workers_cpus();
	struct workers *pool;
	size_t ahead = 0;
	int r;

	if (threads > b->count)
		threads = (unsigned)b->count;
	r = workers_new(threads, threads + 1, &pool, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < b->count && r == 0; i++) {
		while (ahead < b->count && ahead <= i + threads) {
			struct part *p = &b->parts[ahead++];

			p->build = b;
			p->job.run = decode_part;
			buf_init(&p->image, LAYER_TREE_MAX);
			workers_submit(pool, &p->job);
		}
		r = take_part(b, &b->parts[i], chain, err);
	}
	workers_free(pool);
	return r;
}

static int merge_and_write(struct build *b, struct buf *out, struct err *err)
{
	auto_tree_model struct tree_model *chain = NULL;
	int r = tree_model_new(&chain, err);

	if (r == 0)
		r = merge_parts(b, chain, err);
	for (size_t i = 0; i < b->count; i++)
		buf_release(&b->parts[i].image);
	return r < 0 ? r : tree_write(chain, out, err);
}

static int chain_image(struct store *s, const struct digest *chainid, bool from_recipes,
		       struct buf *out, struct err *err)
{
	struct build b = {
		.store = s,
		.from_recipes = from_recipes,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.done = PTHREAD_COND_INITIALIZER,
	};
	int r = list_parts(&b, chainid, err);

	if (r == 0)
		r = merge_and_write(&b, out, err);
	free(b.parts);
	return r;
}

/* ---- either ---- */

static int build(struct store *s, const struct catalog_tree *what, bool from_recipes,
		 struct buf *out, struct err *err)
{
	struct record_layer layer;
	int r;

	if (what->owner != TREE_OF_LAYER)
		return chain_image(s, &what->id, from_recipes, out, err);
	r = layer_get(s, &what->id, &layer, err);
	return r < 0 ? r : layer_image_now(s, &layer, from_recipes, out, err);
}

int forest_build(struct store *s, const struct catalog_tree *what, bool from_recipes,
		 struct buf *out, struct err *err)
{
	int r = build(s, what, from_recipes, out, err);

	/* Whole frames with a damaged image in them: the recipes still tell. */
	if (r != -ERR_CORRUPT || from_recipes)
		return r;
	buf_clear(out);
	return build(s, what, true, out, err);
}

int forest_merge(const struct tree *const *layers, size_t count, struct buf *out,
		 struct err *err)
{
	auto_tree_model struct tree_model *chain = NULL;
	int r = tree_model_new(&chain, err);

	for (size_t i = 0; i < count && r == 0; i++)
		r = tree_merge(chain, layers[i], err);
	return r < 0 ? r : tree_write(chain, out, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * Layers one by one, in all threads. What is proved by what:
 *
 *  - the frames' pass (check_frames.c) has decoded each frame once and hashed every object
 *    and chunk in it;
 *  - the tar of each layer, put together from recipe and objects, has its DiffID: then the
 *    recipe is whole and right, and names the right objects;
 *  - content that was cut into chunks has a SHA-256 of its own, that no frame's pass sees.
 *    It passes by as part of the tar, so it is hashed there, the first time it comes. What no
 *    layer holds any more is read by itself in the end.
 *
 * So of all bytes only those are decoded again that a DiffID is made of. Each tar is put
 * together in one thread and hashed in another, and the longest ones are begun first: else
 * the last of them would keep a single CPU busy for long. */
#include "store/check_private.h"

#include <string.h>

#include "store/base/fifo.h"
#include "store/inflate.h"
#include "store/recipe.h"

#define BLOCK       (256u << 10)
#define AHEAD_COUNT 4u
#define PASSING_MAX (1u << 20)

struct listed {
	struct digest diffid;
	uint64_t size;
};

struct layers {
	struct store *store;
	struct check_report *report;
	struct objects *objects;
	struct listed *list; /* the largest first */
	size_t count, capacity;
	bool whole;
	pthread_mutex_t lock; /* large */
	struct digest_map *large;
};

/* ---- large objects that pass by ---- */

struct passing {
	uint64_t at, len; /* in the tar */
	struct digest digest;
};

struct tar_pass {
	struct layers *l;
	pthread_mutex_t lock; /* queue: filled while the tar is put together */
	struct fifo queue;    /* struct passing, in order */
	struct hasher *tar, *object;
	uint64_t off; /* tar bytes done */
};

/* The entry is found again each time: the map does not move while layers are checked. */
static struct check_large *large_of(struct layers *l, const struct digest *d)
{
	int64_t i = digest_map_find(l->large, d);

	return i < 0 ? NULL : digest_map_entry(l->large, (uint32_t)i);
}

/* Takes the object for the caller's; false: somebody has it. */
static bool claim(struct layers *l, const struct digest *d, uint64_t size)
{
	struct check_large *large;
	bool ours;

	pthread_mutex_lock(&l->lock);
	large = large_of(l, d);
	ours = large && !large->done && large->size == size;
	if (ours)
		large->done = true;
	pthread_mutex_unlock(&l->lock);
	return ours;
}

static void give_back(struct layers *l, const struct digest *d)
{
	pthread_mutex_lock(&l->lock);
	large_of(l, d)->done = false;
	pthread_mutex_unlock(&l->lock);
}

static void judge_large(struct layers *l, const struct digest *d, struct hasher *h)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest found;

	hasher_final(h, &found);
	if (!digest_equal(&found, d))
		check_problem(l->report,
			      "object %s: its content is not what its digest says",
			      digest_format(d, text));
}

/* Only content that lies in the tar in one piece: a sparse file's has holes besides. */
static int on_step(void *arg, const struct recipe_step *step, struct err *err)
{
	struct tar_pass *p = arg;
	const struct passing next = {step->at, step->len, step->object};
	int r;

	if (step->op != RECIPE_OBJECT || step->object_off != 0 || step->len == 0 ||
	    !claim(p->l, &step->object, step->len))
		return 0;
	pthread_mutex_lock(&p->lock);
	r = fifo_push(&p->queue, &next, err);
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* The next one, if it begins before END. */
static bool get_passing(struct tar_pass *p, uint64_t end, struct passing *ret)
{
	const struct passing *next;
	bool found;

	pthread_mutex_lock(&p->lock);
	next = fifo_front(&p->queue);
	found = next && next->at < end;
	if (found)
		*ret = *next;
	pthread_mutex_unlock(&p->lock);
	return found;
}

static void drop_passing(struct tar_pass *p)
{
	pthread_mutex_lock(&p->lock);
	fifo_pop(&p->queue);
	pthread_mutex_unlock(&p->lock);
}

static void hash_passing(struct tar_pass *p, const uint8_t *data, size_t len)
{
	struct passing next;

	while (get_passing(p, p->off + len, &next)) {
		uint64_t from = next.at > p->off ? next.at : p->off;
		uint64_t end = next.at + next.len;
		uint64_t to = end < p->off + len ? end : p->off + len;

		hasher_update(p->object, data + (from - p->off), (size_t)(to - from));
		if (to < end)
			break;
		judge_large(p->l, &next.digest, p->object);
		drop_passing(p);
	}
}

/* ---- a layer ---- */

static int read_tar(struct tar_pass *p, struct stream *tar, struct err *err)
{
	auto_free uint8_t *block = malloc(BLOCK);
	size_t len;
	int r;

	if (!block)
		return err_nomem(err);
	for (;;) {
		if (check_failed(p->l->report))
			return err_set(err, ERR_CANCELED, "something else failed");
		r = tar->read(tar, block, BLOCK, &len, err);
		if (r < 0 || len == 0)
			return r;
		hasher_update(p->tar, block, len);
		hash_passing(p, block, len);
		p->off += len;
	}
}

static int hash_tar(struct tar_pass *p, const struct record_layer *layer, struct err *err)
{
	struct stream *tar = NULL;
	struct digest found;
	int r = recipe_watch(p->l->store, p->l->objects, &layer->recipe, on_step, p, &tar,
			     err);

	if (r == 0)
		r = stream_ahead(tar, BLOCK, AHEAD_COUNT, &tar, err);
	if (r < 0)
		return r;
	r = read_tar(p, tar, err);
	stream_close(tar); /* the other thread has ended */
	if (r < 0)
		return r;
	hasher_final(p->tar, &found);
	if (p->off != layer->tar_size || !digest_equal(&found, &layer->diffid))
		return err_set(err, ERR_CORRUPT,
			       "its recipe does not give the tar of this DiffID");
	return 0;
}

static int check_tar(struct layers *l, const struct record_layer *layer, struct err *err)
{
	struct tar_pass p = {.l = l, .lock = PTHREAD_MUTEX_INITIALIZER};
	struct passing left;
	int r;

	fifo_init(&p.queue, sizeof(struct passing), PASSING_MAX);
	r = hasher_new(&p.tar, err);
	if (r == 0)
		r = hasher_new(&p.object, err);
	if (r == 0)
		r = hash_tar(&p, layer, err);
	/* What did not pass to its end is nobody's again. */
	while (get_passing(&p, UINT64_MAX, &left)) {
		give_back(l, &left.digest);
		drop_passing(&p);
	}
	fifo_release(&p.queue);
	hasher_free(p.tar);
	hasher_free(p.object);
	return r;
}

static int look_for_object(void *arg, const struct recipe_step *step, struct err *err)
{
	struct layers *l = arg;
	char text[DIGEST_TEXT_SIZE];
	uint64_t size;
	int r;

	if (step->op != RECIPE_OBJECT)
		return 0;
	r = objects_size(l->objects, &step->object, &size, err);
	if (r == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "object %s is missing",
			       digest_format(&step->object, text));
	if (r == 0 && (step->object_off > size || step->len > size - step->object_off))
		r = err_set(err, ERR_CORRUPT, "object %s is shorter than its recipe says",
			    digest_format(&step->object, text));
	return r;
}

static int get_layer(struct layers *l, size_t number, struct record_layer *ret,
		     struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(l->store), false, &t, err);

	return r < 0 ? r : catalog_layer_get(t, &l->list[number].diffid, ret, err);
}

static int check_layer(void *arg, size_t number, struct err *err)
{
	struct layers *l = arg;
	char text[DIGEST_TEXT_SIZE];
	struct record_layer layer;
	bool whole = l->whole;
	int r = get_layer(l, number, &layer, err);

	if (r == -ERR_NOTFOUND)
		return 0; /* removed since it was listed */
	if (r < 0)
		return r;
	if (l->whole)
		r = check_tar(l, &layer, err);
	else
		r = recipe_each(l->store, &layer.recipe, look_for_object, l, err);
	if (r < 0) {
		r = check_judge(l->report, r, err, "layer %s",
				digest_format(&layer.diffid, text));
		whole = false; /* its recipe may be what is damaged */
	}
	return r < 0 ? r : check_trees_layer(l->store, l->report, &layer, whole, err);
}

/* ---- large objects by themselves ---- */

static int hash_object(struct layers *l, const struct check_large *large,
		       struct hasher *h, struct err *err)
{
	auto_free uint8_t *block = malloc(BLOCK);
	char hex[DIGEST_HEX_SIZE];
	size_t len;
	int r = 0;

	if (!block)
		return err_nomem(err);
	for (uint64_t off = 0; off < large->size && r == 0; off += len) {
		if (check_failed(l->report))
			return err_set(err, ERR_CANCELED, "something else failed");
		r = objects_read(l->objects, &large->digest, off, block, BLOCK, &len,
				 err);
		if (r == 0 && len == 0)
			r = err_set(err, ERR_CORRUPT, "object %s: it ends early",
				    digest_hex(&large->digest, hex));
		if (r == 0)
			hasher_update(h, block, len);
	}
	return r;
}

static int check_one_large(void *arg, size_t number, struct err *err)
{
	struct layers *l = arg;
	const struct check_large *large = digest_map_entry(l->large, (uint32_t)number);
	auto_hasher struct hasher *h = NULL;
	int r;

	if (large->done)
		return 0;
	r = hasher_new(&h, err);
	if (r == 0)
		r = hash_object(l, large, h, err);
	if (r == 0)
		judge_large(l, &large->digest, h);
	else
		r = check_judge(l->report, r, err, "%s", ""); /* it names the object */
	return r;
}

/* ---- all ---- */

static int list_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	struct layers *l = arg;

	if (l->count == l->capacity) {
		size_t capacity = l->capacity ? 2 * l->capacity : 256;
		struct listed *list = reallocarray(l->list, capacity, sizeof(*list));

		if (!list)
			return err_nomem(err);
		l->list = list;
		l->capacity = capacity;
	}
	l->list[l->count++] = (struct listed){layer->diffid, layer->tar_size};
	return 0;
}

static int larger_first(const void *x, const void *y)
{
	const struct listed *a = x, *b = y;

	if (a->size != b->size)
		return a->size < b->size ? 1 : -1;
	return digest_cmp(&a->diffid, &b->diffid);
}

static int list_layers(struct layers *l, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(l->store), false, &t, err);

	if (r == 0)
		r = catalog_layer_each(t, NULL, list_layer, l, err);
	if (r == 0 && l->count)
		qsort(l->list, l->count, sizeof(l->list[0]), larger_first);
	return r;
}

int check_layers(struct store *s, struct check_report *report, bool whole,
		 struct digest_map *large, struct err *err)
{
	struct layers l = {.store = s, .report = report, .whole = whole, .large = large};
	int r = objects_new(s, CHECK_CACHE, &l.objects, err);

	pthread_mutex_init(&l.lock, NULL);
	if (r == 0)
		r = list_layers(&l, err);
	if (r == 0)
		r = check_run(report, l.count, check_layer, &l, err);
	if (r == 0)
		r = check_run(report, large->count, check_one_large, &l, err);
	free(l.list);
	objects_free(l.objects);
	pthread_mutex_destroy(&l.lock);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0
 * A map of new objects and a renewed read transaction under one lock. */
#include "store/pending.h"

#include <pthread.h>
#include <stddef.h>
#include <time.h>

#include "store/digest_map.h"

_Static_assert(offsetof(struct catalog_object, digest) == 0, "digest_map needs it first");

#define READER_LOOKUPS_MAX 1024
#define READER_AGE_MAX_NS  (50ll * 1000 * 1000)

struct pending {
	pthread_mutex_t lock;
	struct digest_map map; /* of struct catalog_object; place.frame.len 0: not yet */
	struct catalog *catalog;
	struct alternates *alternates; /* may be NULL */
	struct pins *pins;             /* may be NULL */
	struct catalog_txn *reader;
	uint64_t reader_state; /* of pins, when it began */
	bool refreshed;
	unsigned lookups;
	int64_t reader_began;
};

int pending_new(struct catalog *c, struct alternates *alternates, struct pins *pins,
		struct pending **ret, struct err *err)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err);
	pthread_mutex_init(&p->lock, NULL);
	digest_map_init(&p->map, sizeof(struct catalog_object));
	p->catalog = c;
	p->alternates = alternates;
	p->pins = pins;
	*ret = p;
	return 0;
}

void pending_free(struct pending *p)
{
	if (!p)
		return;
	catalog_abort(p->reader);
	digest_map_release(&p->map);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static int64_t coarse_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void end_reader(struct pending *p)
{
	catalog_abort(p->reader);
	p->reader = NULL;
}

static int look_once(struct pending *p, const struct digest *d, uint64_t state,
		     enum object_kind *ret_kind, struct err *err)
{
	struct object_place place;
	int r;

	if (p->reader &&
	    (++p->lookups >= READER_LOOKUPS_MAX || p->reader_state != state ||
	     coarse_now() - p->reader_began > READER_AGE_MAX_NS))
		end_reader(p);
	if (!p->reader) {
		/* A catalog that was replaced knows nothing of what gc did since. */
		if (p->reader_state != state || !p->refreshed)
			(void)!catalog_refresh(p->catalog, NULL);
		p->refreshed = true;
		r = catalog_begin(p->catalog, false, &p->reader, err);
		if (r < 0)
			return r;
		p->reader_began = coarse_now();
		p->reader_state = state;
		p->lookups = 0;
	}
	/* Absence is the normal case and needs no text; a failure is asked for again. */
	r = catalog_object_get(p->reader, d, &place, NULL);
	if (r < 0 && r != -ERR_NOTFOUND)
		r = catalog_object_get(p->reader, d, &place, err);
	if (r == 0)
		*ret_kind = place.kind;
	return r;
}

/* What is found stays there: see pins.h. */
static int look_in_catalog(struct pending *p, const struct digest *d,
			   enum object_kind *ret_kind, struct err *err)
{
	uint64_t state = 0;
	int r;

	if (!p->pins)
		return look_once(p, d, state, ret_kind, err);
	do {
		r = pins_note(p->pins, d, &state, err);
		if (r == 0)
			r = look_once(p, d, state, ret_kind, err);
	} while (r == 0 && !pins_hold(p->pins, state));
	return r;
}

/* 0 with *ret_kind, or -ERR_NOTFOUND without a text. */
static int look_up(struct pending *p, const struct digest *d, bool abroad,
		   enum object_kind *ret_kind, struct err *err)
{
	int64_t id = digest_map_find(&p->map, d);
	const struct catalog_object *o;
	struct object_place place;
	int r;

	if (id < 0) {
		r = look_in_catalog(p, d, ret_kind, err);
		if (r != -ERR_NOTFOUND || !abroad || !p->alternates)
			return r;
		r = alternates_object_get(p->alternates, d, &place, NULL);
		if (r == 0)
			*ret_kind = place.kind;
		return r == 0 ? 0 : -ERR_NOTFOUND;
	}
	o = digest_map_entry(&p->map, (uint32_t)id);
	*ret_kind = o->place.kind;
	return 0;
}

int pending_claim(struct pending *p, const struct digest *d, enum object_kind kind,
		  enum pending_claim *ret, uint32_t *ret_id, enum object_kind *ret_kind,
		  struct err *err)
{
	int r;

	pthread_mutex_lock(&p->lock);
	r = look_up(p, d, kind != OBJECT_DOCUMENT, ret_kind, err);
	if (r == 0) {
		*ret = PENDING_KNOWN;
	} else if (r == -ERR_NOTFOUND) {
		r = digest_map_add(&p->map, d, ret_id, err);
		if (r == 0) {
			struct catalog_object *o = digest_map_entry(&p->map, *ret_id);

			o->place.kind = kind;
			*ret = PENDING_NEW;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

int pending_has(struct pending *p, const struct digest *d, bool *ret, struct err *err)
{
	enum object_kind kind;
	int r;

	pthread_mutex_lock(&p->lock);
	r = look_up(p, d, true, &kind, err);
	pthread_mutex_unlock(&p->lock);
	if (r < 0 && r != -ERR_NOTFOUND)
		return r;
	*ret = r == 0;
	return 0;
}

void pending_place(struct pending *p, const uint32_t *ids, const struct pack_entry *table,
		   uint32_t count, const struct pack_place *frame)
{
	pthread_mutex_lock(&p->lock);
	for (uint32_t i = 0; i < count; i++) {
		struct catalog_object *o = digest_map_entry(&p->map, ids[i]);

		o->place.frame = *frame;
		o->place.off = table[i].off;
		o->place.len = table[i].len;
	}
	/* Frames come along all the time, so a reader left behind by the last lookup does
	 * not live on while a huge file is hashed. */
	if (p->reader && coarse_now() - p->reader_began > READER_AGE_MAX_NS)
		end_reader(p);
	pthread_mutex_unlock(&p->lock);
}

int pending_objects(struct pending *p, struct catalog_object **ret, size_t *ret_count,
		    struct err *err)
{
	struct catalog_object *objects = (struct catalog_object *)(void *)p->map.entries;

	for (uint32_t i = 0; i < p->map.count; i++)
		if (!objects[i].place.frame.len)
			return err_set(err, ERR_FAILED,
				       "an object was announced but never stored");
	*ret = objects;
	*ret_count = p->map.count;
	return 0;
}

void pending_rest(struct pending *p)
{
	pthread_mutex_lock(&p->lock);
	end_reader(p);
	pthread_mutex_unlock(&p->lock);
}

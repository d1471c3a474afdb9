/* SPDX-License-Identifier: Apache-2.0
 * Reading content: digest to place, place to frame, frame to bytes. */
#include "store/object.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "store/base/endian.h"
#include "store/base/workers.h"
#include "store/chunk_list.h"
#include "store/frame_cache.h"

/* Places of objects that were read lately, so that reading a file piece by piece asks the
 * catalog once: sets of two, the newer first. */
#define PLACE_SETS 4096

struct known_place {
	struct digest digest;
	struct object_place place; /* frame.len 0: free */
};

struct objects {
	struct store *store;
	struct frame_cache *frames;
	pthread_mutex_t lock; /* places */
	struct known_place (*places)[2];
	_Atomic uint64_t errors;
	struct workers *readahead;
	struct workers_job ahead_job;
	_Atomic bool ahead_busy;
	struct digest ahead; /* what to read ahead, while busy */
};

/* An object's bytes in a frame in use; of a chunked object the list. */
struct slice {
	struct frame *frame;
	const uint8_t *data;
	size_t len;
	enum object_kind kind;
};

/* ---- places ---- */

static struct known_place *set_of(struct objects *o, const struct digest *d)
{
	return o->places[get_le32(d->bytes) % PLACE_SETS];
}

static bool recall_place(struct objects *o, const struct digest *d,
			 struct object_place *ret)
{
	struct known_place *set = set_of(o, d);
	bool found = false;

	pthread_mutex_lock(&o->lock);
	for (unsigned i = 0; i < 2 && !found; i++) {
		found = set[i].place.frame.len && digest_equal(&set[i].digest, d);
		if (found)
			*ret = set[i].place;
	}
	pthread_mutex_unlock(&o->lock);
	return found;
}

static void remember_place(struct objects *o, const struct digest *d,
			   const struct object_place *place)
{
	struct known_place *set = set_of(o, d);

	pthread_mutex_lock(&o->lock);
	if (!digest_equal(&set[0].digest, d))
		set[1] = set[0];
	set[0] = (struct known_place){*d, *place};
	pthread_mutex_unlock(&o->lock);
}

static int look_up(struct objects *o, const struct digest *d, struct object_place *ret,
		   struct err *err)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	int r = catalog_begin(store_catalog(o->store), false, &txn, err);

	if (r == 0)
		r = store_object_get(o->store, txn, d, ret, err);
	if (r == 0)
		remember_place(o, d, ret);
	return r;
}

static int find_place(struct objects *o, const struct digest *d, struct object_place *ret,
		      struct err *err)
{
	return recall_place(o, d, ret) ? 0 : look_up(o, d, ret, err);
}

static bool same_place(const struct object_place *a, const struct object_place *b)
{
	return a->frame.pack == b->frame.pack && a->frame.off == b->frame.off &&
	       a->frame.len == b->frame.len && a->off == b->off && a->len == b->len &&
	       a->kind == b->kind;
}

/* ---- slices ---- */

static bool right_type(enum object_kind kind, enum pack_frame_type type)
{
	switch (kind) {
	case OBJECT_WHOLE:
		return type == PACK_DATA;
	case OBJECT_CHUNKED:
		return type == PACK_CHUNKS;
	case OBJECT_DOCUMENT:
		return type == PACK_DOCUMENT;
	}
	return false;
}

static int open_at(struct objects *o, const struct object_place *place, struct slice *ret,
		   struct err *err)
{
	struct frame *f = NULL;
	int r = frame_cache_get(o->frames, &place->frame, &f, err);

	if (r < 0)
		return r;
	if (!right_type(place->kind, f->type) || place->off > f->len ||
	    place->len > f->len - place->off) {
		frame_cache_put(o->frames, f);
		return err_set(err, ERR_CORRUPT, "its place is not in its frame");
	}
	*ret = (struct slice){
		.frame = f,
		.data = f->data + place->off,
		.len = place->len,
		.kind = place->kind,
	};
	return 0;
}

static void close_slice(struct objects *o, struct slice *s)
{
	frame_cache_put(o->frames, s->frame);
}

/* Damage is reported only where the object really is now: a remembered place may be that
 * of a pack that was rewritten since. */
static int open_slice(struct objects *o, const struct digest *d, struct slice *ret,
		      struct err *err)
{
	struct object_place place, again;
	char hex[DIGEST_HEX_SIZE];
	struct err now;
	int r = find_place(o, d, &place, err);

	if (r < 0)
		return r;
	r = open_at(o, &place, ret, err);
	if (r != -ERR_CORRUPT && r != -ERR_NOTFOUND)
		return r;
	(void)!catalog_refresh(store_catalog(o->store), NULL);
	if (look_up(o, d, &again, &now) < 0)
		return err_copy(err, &now);
	if (!same_place(&place, &again))
		r = open_at(o, &again, ret, err);
	if (r == 0)
		return 0;
	err_wrap(err, "object %s", digest_hex(d, hex));
	if (r != -ERR_NOTFOUND)
		return r;
	if (err) /* the catalog has it, its pack is gone */
		err->code = ERR_CORRUPT;
	return -ERR_CORRUPT;
}

/* ---- chunked content ---- */

/* Copies bytes [off, off + len) of a chunk that its list says to be SIZE bytes long. */
static int copy_chunk(struct objects *o, const struct digest *chunk, uint64_t size,
		      uint64_t off, void *data, size_t len, struct err *err)
{
	struct slice s;
	int r = open_slice(o, chunk, &s, err);

	if (r == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "a chunk of it is missing");
	if (r < 0)
		return r;
	if (s.kind == OBJECT_CHUNKED || s.len != size)
		r = err_set(err, ERR_CORRUPT, "a chunk of it has another length");
	else
		memcpy(data, s.data + off, len);
	close_slice(o, &s);
	return r;
}

static int read_chunks(struct objects *o, const struct chunk_list *list, uint64_t off,
		       uint8_t *data, size_t len, struct err *err)
{
	size_t i = chunk_list_find(list, off);
	int r = 0;

	for (; len && r == 0; i++) {
		struct chunk_range range;
		size_t n;

		if (i == list->count)
			return err_set(err, ERR_CORRUPT, "its chunk list ends early");
		r = chunk_list_get(list, i, &range, err);
		if (r < 0)
			return r;
		if (off < range.off || off - range.off >= range.len)
			return err_set(err, ERR_CORRUPT,
				       "its chunk list is out of order");
		n = range.len - (off - range.off) < len
			    ? (size_t)(range.len - (off - range.off))
			    : len;
		if (range.hole)
			memset(data, 0, n);
		else
			r = copy_chunk(o, &range.digest, range.len, off - range.off, data,
				       n, err);
		data += n;
		off += n;
		len -= n;
	}
	return r;
}

/* ---- the public side ---- */

static int copy_slice(struct objects *o, const struct slice *s, uint64_t off, void *data,
		      size_t len, size_t *ret_len, struct err *err)
{
	bool chunked = s->kind == OBJECT_CHUNKED;
	struct chunk_list list;
	uint64_t size = s->len;
	int r = 0;

	if (chunked) {
		r = chunk_list_open(s->data, s->len, &list, err);
		if (r < 0)
			return r;
		size = chunk_list_size(&list);
	}
	if (off >= size)
		len = 0;
	else if (len > size - off)
		len = (size_t)(size - off);
	if (chunked && len)
		r = read_chunks(o, &list, off, data, len, err);
	else if (len)
		memcpy(data, s->data + off, len);
	*ret_len = len;
	return r;
}

/* Counts what is wrong, as opposed to absent. */
static int count_error(struct objects *o, int r)
{
	if (r < 0 && r != -ERR_NOTFOUND)
		atomic_fetch_add_explicit(&o->errors, 1, memory_order_relaxed);
	return r;
}

int objects_read(struct objects *o, const struct digest *d, uint64_t off, void *data,
		 size_t len, size_t *ret_len, struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	struct slice s;
	size_t got;
	int r = open_slice(o, d, &s, err);

	if (r < 0)
		return count_error(o, r);
	r = copy_slice(o, &s, off, data, len, &got, err);
	close_slice(o, &s);
	if (r < 0) {
		err_wrap(err, "object %s", digest_hex(d, hex));
		return count_error(o, r);
	}
	*ret_len = got;
	return 0;
}

static int size_of_chunked(struct objects *o, const struct digest *d, uint64_t *ret,
			   struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	struct chunk_list list;
	struct slice s;
	int r = open_slice(o, d, &s, err);

	if (r < 0)
		return r;
	if (s.kind == OBJECT_CHUNKED)
		r = chunk_list_open(s.data, s.len, &list, err);
	if (r == 0)
		*ret = s.kind == OBJECT_CHUNKED ? chunk_list_size(&list) : s.len;
	else
		err_wrap(err, "object %s", digest_hex(d, hex));
	close_slice(o, &s);
	return r;
}

int objects_size(struct objects *o, const struct digest *d, uint64_t *ret,
		 struct err *err)
{
	struct object_place place;
	int r = find_place(o, d, &place, err);

	if (r == 0 && place.kind == OBJECT_CHUNKED)
		return count_error(o, size_of_chunked(o, d, ret, err));
	if (r == 0)
		*ret = place.len;
	return count_error(o, r);
}

int objects_read_all(struct objects *o, const struct digest *d, struct buf *buf,
		     struct err *err)
{
	uint64_t size;
	size_t got;
	int r = objects_size(o, d, &size, err);

	if (r < 0)
		return r;
	if (size > buf->max - buf->len)
		return err_set(err, ERR_LIMIT, "more than %zu bytes", buf->max);
	r = buf_reserve(buf, (size_t)size, err);
	if (r == 0)
		r = objects_read(o, d, 0, buf->data + buf->len, (size_t)size, &got, err);
	if (r == 0)
		buf->len += got;
	return r;
}

/* One byte is enough to bring the frame into the cache. What goes wrong here will go wrong
 * for the reader as well, who then tells. */
static void read_ahead(struct workers_job *job, unsigned thread)
{
	struct objects *o =
		(struct objects *)(void *)((char *)job -
					   offsetof(struct objects, ahead_job));
	uint8_t byte;
	size_t got;

	(void)thread;
	(void)!objects_read(o, &o->ahead, 0, &byte, 1, &got, NULL);
	atomic_store_explicit(&o->ahead_busy, false, memory_order_release);
}

void objects_readahead(struct objects *o, const struct digest *d)
{
	if (atomic_exchange_explicit(&o->ahead_busy, true, memory_order_acquire))
		return;
	o->ahead = *d;
	workers_submit(o->readahead, &o->ahead_job);
}

bool objects_readahead_idle(const struct objects *o)
{
	return !atomic_load_explicit(&o->ahead_busy, memory_order_relaxed);
}

bool objects_is_decoded(struct objects *o, const struct digest *d)
{
	struct object_place place;

	return find_place(o, d, &place, NULL) < 0 ||
	       frame_cache_has(o->frames, &place.frame);
}

void objects_fetch(struct objects *o, const struct digest *d)
{
	struct object_place place;

	if (find_place(o, d, &place, NULL) == 0 &&
	    !frame_cache_has(o->frames, &place.frame))
		packs_fetch(store_packs(o->store), &place.frame);
}

void objects_stats(struct objects *o, struct objects_stats *ret)
{
	struct frame_cache_stats frames;

	frame_cache_stats(o->frames, &frames);
	*ret = (struct objects_stats){
		.hits = frames.hits,
		.misses = frames.misses,
		.decoded_bytes = frames.decoded_bytes,
		.cached_bytes = frames.cached_bytes,
		.errors = atomic_load_explicit(&o->errors, memory_order_relaxed),
	};
}

int objects_new(struct store *s, size_t cache_bytes, struct objects **ret,
		struct err *err)
{
	auto_objects struct objects *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return err_nomem(err);
	pthread_mutex_init(&o->lock, NULL);
	o->store = s;
	o->ahead_job.run = read_ahead;
	o->places = calloc(PLACE_SETS, sizeof(*o->places));
	if (!o->places)
		return err_nomem(err);
	r = frame_cache_new(store_packs(s), cache_bytes, &o->frames, err);
	if (r == 0)
		r = workers_new(1, 1, &o->readahead, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&o);
	return 0;
}

void objects_free(struct objects *o)
{
	if (!o)
		return;
	workers_free(o->readahead);
	frame_cache_free(o->frames);
	free(o->places);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

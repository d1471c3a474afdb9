/* SPDX-License-Identifier: Apache-2.0
 * One mutex around a hash table and a list of what is not in use. Decoding and copying
 * happen outside of it. */
#include "store/frame_cache.h"

#include <pthread.h>

#define BUCKETS    4096
#define SPARES_MAX 4
#define SCRATCH_MAX \
	(PACK_BODY_MAX + PACK_FRAME_HEADER_SIZE + PACK_TABLE_MAX * PACK_TABLE_ENTRY_SIZE)
/* Buffers above this are not kept for reuse. */
#define KEEP_MAX ((2u << 20) + (64u << 10))

enum state {
	LOADING,
	READY,
	FAILED,
};

struct entry {
	struct frame frame; /* first */
	struct pack_place at;
	struct buf body;
	enum state state;
	unsigned users;
	struct err err; /* of a FAILED one, for those who waited */
	struct entry *hash_next;
	struct entry *newer, *older; /* while not in use */
};

/* What a thread needs to decode. */
struct decoder {
	struct decoder *next;
	struct codec *codec;
	struct buf scratch;
};

struct frame_cache {
	struct packs *packs;
	size_t bytes_max;
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	struct entry *buckets[BUCKETS];
	struct entry *newest, *oldest;
	struct decoder *decoders;
	struct buf spares[SPARES_MAX];
	unsigned spare_count;
	struct frame_cache_stats stats;
};

/* ---- the table and the list; all with the lock held ---- */

static struct entry **bucket_of(struct frame_cache *c, const struct pack_place *at)
{
	uint64_t h = (at->off ^ (uint64_t)at->pack << 40) * 0x9e3779b97f4a7c15ull;

	return &c->buckets[h >> 52];
}

static struct entry *find(struct frame_cache *c, const struct pack_place *at)
{
	struct entry *e = *bucket_of(c, at);

	while (e && (e->at.off != at->off || e->at.pack != at->pack))
		e = e->hash_next;
	return e;
}

static void unhash(struct frame_cache *c, struct entry *e)
{
	struct entry **p = bucket_of(c, &e->at);

	while (*p != e)
		p = &(*p)->hash_next;
	*p = e->hash_next;
}

static void list_add(struct frame_cache *c, struct entry *e)
{
	e->newer = NULL;
	e->older = c->newest;
	if (c->newest)
		c->newest->newer = e;
	else
		c->oldest = e;
	c->newest = e;
}

static void list_remove(struct frame_cache *c, struct entry *e)
{
	if (e->newer)
		e->newer->older = e->older;
	else
		c->newest = e->older;
	if (e->older)
		e->older->newer = e->newer;
	else
		c->oldest = e->newer;
}

/* Memory of evicted frames is used again: fresh pages would cost a fifth of the decoding. */
static void keep_spare(struct frame_cache *c, struct buf *body)
{
	if (c->spare_count < SPARES_MAX && body->cap <= KEEP_MAX) {
		c->spares[c->spare_count++] = *body;
		return;
	}
	buf_release(body);
}

static void take_spare(struct frame_cache *c, struct buf *body)
{
	buf_init(body, PACK_BODY_MAX);
	if (c->spare_count)
		*body = c->spares[--c->spare_count];
}

static void evict(struct frame_cache *c)
{
	while (c->stats.cached_bytes > c->bytes_max && c->oldest) {
		struct entry *e = c->oldest;

		list_remove(c, e);
		unhash(c, e);
		c->stats.cached_bytes -= e->body.cap;
		keep_spare(c, &e->body);
		free(e);
	}
}

/* ---- life ---- */

int frame_cache_new(struct packs *packs, size_t bytes, struct frame_cache **ret,
		    struct err *err)
{
	struct frame_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return err_nomem(err);
	c->packs = packs;
	c->bytes_max = bytes;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->loaded, NULL);
	*ret = c;
	return 0;
}

static void free_decoder(struct decoder *d)
{
	codec_free(d->codec);
	buf_release(&d->scratch);
	free(d);
}

void frame_cache_free(struct frame_cache *c)
{
	if (!c)
		return;
	c->bytes_max = 0;
	evict(c);
	while (c->spare_count)
		buf_release(&c->spares[--c->spare_count]);
	while (c->decoders) {
		struct decoder *d = c->decoders;

		c->decoders = d->next;
		free_decoder(d);
	}
	pthread_cond_destroy(&c->loaded);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- decoding, without the lock ---- */

static int take_decoder(struct frame_cache *c, struct decoder **ret, struct err *err)
{
	struct decoder *d;
	int r;

	pthread_mutex_lock(&c->lock);
	d = c->decoders;
	if (d)
		c->decoders = d->next;
	pthread_mutex_unlock(&c->lock);
	if (!d) {
		d = calloc(1, sizeof(*d));
		if (!d)
			return err_nomem(err);
		buf_init(&d->scratch, SCRATCH_MAX);
		r = codec_new(&d->codec, err);
		if (r < 0) {
			free_decoder(d);
			return r;
		}
	}
	*ret = d;
	return 0;
}

static void give_decoder(struct frame_cache *c, struct decoder *d)
{
	if (d->scratch.cap > KEEP_MAX)
		buf_release(&d->scratch);
	pthread_mutex_lock(&c->lock);
	d->next = c->decoders;
	c->decoders = d;
	pthread_mutex_unlock(&c->lock);
}

static int decode(struct frame_cache *c, struct entry *e, struct err *err)
{
	struct decoder *d = NULL;
	int r = take_decoder(c, &d, err);

	if (r < 0)
		return r;
	r = pack_read_body(c->packs, &e->at, d->codec, &d->scratch, &e->body,
			   &e->frame.type, err);
	give_decoder(c, d);
	e->frame.data = e->body.data;
	e->frame.len = e->body.len;
	return r;
}

/* ---- getting and putting ---- */

static void drop_user(struct frame_cache *c, struct entry *e)
{
	if (--e->users)
		return;
	if (e->state == READY) {
		list_add(c, e);
		evict(c);
		return;
	}
	buf_release(&e->body);
	free(e);
}

/* Called and left with the lock held; E has this caller as a user. */
static int load(struct frame_cache *c, struct entry *e, struct err *err)
{
	int r;

	take_spare(c, &e->body);
	pthread_mutex_unlock(&c->lock);
	r = decode(c, e, &e->err);
	pthread_mutex_lock(&c->lock);
	pthread_cond_broadcast(&c->loaded);
	if (r < 0) {
		e->state = FAILED;
		unhash(c, e);
		err_copy(err, &e->err);
		drop_user(c, e);
		return r;
	}
	e->state = READY;
	c->stats.decoded_bytes += e->body.len;
	c->stats.cached_bytes += e->body.cap;
	evict(c);
	return 0;
}

/* Called with the lock held: an entry that is there, or will be. */
static int join(struct frame_cache *c, struct entry *e, struct err *err)
{
	int r;

	if (e->state == READY && !e->users)
		list_remove(c, e);
	e->users++;
	c->stats.hits++;
	while (e->state == LOADING)
		pthread_cond_wait(&c->loaded, &c->lock);
	if (e->state == READY)
		return 0;
	r = err_copy(err, &e->err);
	drop_user(c, e);
	return r;
}

int frame_cache_get(struct frame_cache *c, const struct pack_place *at,
		    struct frame **ret, struct err *err)
{
	struct entry *e;
	int r;

	pthread_mutex_lock(&c->lock);
	e = find(c, at);
	if (e) {
		r = join(c, e, err);
	} else {
		e = calloc(1, sizeof(*e));
		if (!e) {
			r = err_nomem(err);
		} else {
			struct entry **bucket = bucket_of(c, at);

			e->at = *at;
			e->users = 1;
			e->hash_next = *bucket;
			*bucket = e;
			c->stats.misses++;
			r = load(c, e, err);
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (r == 0)
		*ret = &e->frame;
	return r;
}

void frame_cache_put(struct frame_cache *c, struct frame *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&c->lock);
	drop_user(c, (struct entry *)f);
	pthread_mutex_unlock(&c->lock);
}

bool frame_cache_has(struct frame_cache *c, const struct pack_place *at)
{
	bool found;

	pthread_mutex_lock(&c->lock);
	found = find(c, at);
	pthread_mutex_unlock(&c->lock);
	return found;
}

void frame_cache_stats(struct frame_cache *c, struct frame_cache_stats *ret)
{
	pthread_mutex_lock(&c->lock);
	*ret = c->stats;
	pthread_mutex_unlock(&c->lock);
}

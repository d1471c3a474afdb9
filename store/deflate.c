/* SPDX-License-Identifier: Apache-2.0
 * Compression on all CPUs: a ring of pieces. The reader fills free ones from the input and
 * hands them to the pool, then waits for the oldest and gives out its bytes. */
#include "store/deflate.h"

#include <pthread.h>
#include <string.h>

#include "store/base/workers.h"
#include "store/deflate_encoder.h"

#define THREADS_MAX 64

struct deflate;

struct piece {
	struct workers_job job; /* first: the pool gives it back */
	struct deflate *owner;
	uint8_t *plain, *packed;
	size_t plain_len, packed_len;
	bool done; /* guarded by the lock, as what follows */
	int r;
	struct err err;
};

struct deflate {
	struct stream base;
	struct stream *in; /* NULL: the caller cuts */
	struct deflate_pieces cut;
	struct workers *workers;
	struct deflate_encoder **encoders; /* one per thread */
	unsigned threads;
	struct piece *pieces;
	size_t count, unit, packed_cap;
	uint64_t filled, taken; /* pieces so far; their difference is in flight */
	size_t given;           /* bytes of the oldest piece that are read already */
	bool at_end;
	pthread_mutex_t lock;
	pthread_cond_t ready;
};

static void run_piece(struct workers_job *job, unsigned thread)
{
	struct piece *p = (struct piece *)job;
	struct deflate *d = p->owner;
	struct deflate_encoder *e = d->encoders[thread];
	int r = e->encode(e, p->plain, p->plain_len, p->packed, d->packed_cap,
			  &p->packed_len, &p->err);

	pthread_mutex_lock(&d->lock);
	p->r = r;
	p->done = true;
	pthread_cond_signal(&d->ready);
	pthread_mutex_unlock(&d->lock);
}

/* The default cut: all pieces but the last have the same size. */
static int next_of_stream(void *arg, void *data, size_t cap, size_t *ret_len,
			  struct err *err)
{
	struct deflate *d = arg;

	return stream_read_full(d->in, data, cap, ret_len, err);
}

static int forget_size(void *arg, size_t len, struct err *err)
{
	(void)arg;
	(void)len;
	(void)err;
	return 0;
}

/* Hands pieces to the pool while some are free. */
static int fill(struct deflate *d, struct err *err)
{
	while (!d->at_end && d->filled - d->taken < d->count) {
		struct piece *p = &d->pieces[d->filled % d->count];
		int r = d->cut.next(d->cut.arg, p->plain, d->unit, &p->plain_len, err);

		if (r < 0)
			return r;
		d->at_end = d->in ? p->plain_len < d->unit : p->plain_len == 0;
		if (p->plain_len == 0 && d->filled)
			return 0;
		p->done = false;
		d->filled++;
		workers_submit(d->workers, &p->job);
	}
	return 0;
}

static int wait_for(struct deflate *d, struct piece *p, struct err *err)
{
	pthread_mutex_lock(&d->lock);
	while (!p->done)
		pthread_cond_wait(&d->ready, &d->lock);
	pthread_mutex_unlock(&d->lock);
	return p->r < 0 ? err_copy(err, &p->err) : 0;
}

static int read_deflate(struct stream *s, void *data, size_t cap, size_t *ret_len,
			struct err *err)
{
	struct deflate *d = (struct deflate *)s;
	struct piece *p;
	size_t left;
	int r = fill(d, err);

	if (r < 0)
		return r;
	if (d->filled == d->taken) {
		*ret_len = 0;
		return 0;
	}
	p = &d->pieces[d->taken % d->count];
	r = wait_for(d, p, err);
	if (r == 0 && d->given == 0)
		r = d->cut.packed(d->cut.arg, p->packed_len, err);
	if (r < 0)
		return r;
	left = p->packed_len - d->given;
	if (left > cap)
		left = cap;
	memcpy(data, p->packed + d->given, left);
	d->given += left;
	if (d->given == p->packed_len) {
		d->given = 0;
		d->taken++;
	}
	*ret_len = left;
	return 0;
}

static void close_deflate(struct stream *s)
{
	struct deflate *d = (struct deflate *)s;

	workers_free(d->workers);
	for (size_t i = 0; d->pieces && i < d->count; i++) {
		free(d->pieces[i].plain);
		free(d->pieces[i].packed);
	}
	for (unsigned i = 0; d->encoders && i < d->threads; i++)
		if (d->encoders[i])
			d->encoders[i]->free(d->encoders[i]);
	free(d->pieces);
	free(d->encoders);
	stream_close(d->in);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->ready);
	free(d);
}

static int make_encoders(struct deflate *d, enum inflate_kind kind, int level,
			 struct err *err)
{
	int r = 0;

	d->encoders = calloc(d->threads, sizeof(struct deflate_encoder *));
	if (!d->encoders)
		return err_nomem(err);
	for (unsigned i = 0; i < d->threads && r == 0; i++)
		r = kind == INFLATE_GZIP ? deflate_gzip_new(level, &d->encoders[i], err)
					 : deflate_zstd_new(level, &d->encoders[i], err);
	if (r == 0)
		d->packed_cap = d->encoders[0]->bound(d->encoders[0], d->unit);
	return r;
}

static int make_pieces(struct deflate *d, struct err *err)
{
	d->pieces = calloc(d->count, sizeof(*d->pieces));
	if (!d->pieces)
		return err_nomem(err);
	for (size_t i = 0; i < d->count; i++) {
		struct piece *p = &d->pieces[i];

		p->job.run = run_piece;
		p->owner = d;
		p->plain = malloc(d->unit);
		p->packed = malloc(d->packed_cap);
		if (!p->plain || !p->packed)
			return err_nomem(err);
	}
	return 0;
}

int deflate_level_max(enum inflate_kind kind)
{
	if (kind == INFLATE_GZIP)
		return DEFLATE_GZIP_MAX;
	return kind == INFLATE_ZSTD ? DEFLATE_ZSTD_MAX : 0;
}

/* Owns IN; NULL: CUT says what the pieces are. */
static int new_deflate(struct stream *in, const struct deflate_pieces *cut, size_t unit,
		       unsigned threads, struct deflate **ret, struct err *err)
{
	struct deflate *d = calloc(1, sizeof(*d));

	if (!d) {
		stream_close(in);
		return err_nomem(err);
	}
	d->base = (struct stream){read_deflate, close_deflate};
	d->in = in;
	d->cut = cut ? *cut
		     : (struct deflate_pieces){unit, next_of_stream, forget_size, d};
	d->threads = threads ? threads : workers_cpus();
	if (d->threads > THREADS_MAX)
		d->threads = THREADS_MAX;
	d->count = 2 * (size_t)d->threads + 1;
	d->unit = unit;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->ready, NULL);
	*ret = d;
	return 0;
}

static int check_level(enum inflate_kind kind, int *level, struct err *err)
{
	if ((kind != INFLATE_GZIP && kind != INFLATE_ZSTD) || *level < 0 ||
	    *level > deflate_level_max(kind))
		return err_set(err, ERR_INVALID, "there is no compression level %d",
			       *level);
	if (*level == 0)
		*level = kind == INFLATE_GZIP ? DEFLATE_LEVEL_GZIP : DEFLATE_LEVEL_ZSTD;
	return 0;
}

/* Owns IN. */
static int open_deflate(struct stream *in, const struct deflate_pieces *cut, size_t unit,
			enum inflate_kind kind, int level, unsigned threads,
			struct stream **ret, struct err *err)
{
	struct deflate *d = NULL;
	int r = check_level(kind, &level, err);

	if (r < 0) {
		stream_close(in);
		return r;
	}
	r = new_deflate(in, cut, unit, threads, &d, err);
	if (r < 0)
		return r;
	r = make_encoders(d, kind, level, err);
	if (r == 0)
		r = make_pieces(d, err);
	if (r == 0)
		r = workers_new(d->threads, d->count, &d->workers, err);
	if (r < 0)
		close_deflate(&d->base);
	else
		*ret = &d->base;
	return r;
}

int deflate_open(struct stream *in, enum inflate_kind kind, int level, unsigned threads,
		 struct stream **ret, struct err *err)
{
	size_t unit = kind == INFLATE_GZIP ? DEFLATE_UNIT_GZIP : DEFLATE_UNIT_ZSTD;

	if (kind == INFLATE_NONE) {
		*ret = in;
		return 0;
	}
	return open_deflate(in, NULL, unit, kind, level, threads, ret, err);
}

int deflate_open_pieces(const struct deflate_pieces *pieces, enum inflate_kind kind,
			int level, unsigned threads, struct stream **ret, struct err *err)
{
	return open_deflate(NULL, pieces, pieces->unit, kind, level, threads, ret, err);
}

int deflate_append(enum inflate_kind kind, int level, const void *data, size_t len,
		   struct buf *out, struct err *err)
{
	struct deflate_encoder *e = NULL;
	size_t cap, packed;
	int r = check_level(kind, &level, err);

	if (r == 0)
		r = kind == INFLATE_GZIP ? deflate_gzip_new(level, &e, err)
					 : deflate_zstd_new(level, &e, err);
	if (r < 0)
		return r;
	cap = e->bound(e, len);
	r = buf_reserve(out, cap, err);
	if (r == 0)
		r = e->encode(e, data, len, out->data + out->len, cap, &packed, err);
	if (r == 0)
		out->len += packed;
	e->free(e);
	return r;
}

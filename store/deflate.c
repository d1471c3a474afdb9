/* SPDX-License-Identifier: Apache-2.0
 * Compression on all CPUs: a ring of pieces. The reader fills free ones from the input and
 * hands them to the pool, then waits for the oldest and gives out its bytes. What has to be
 * one stream for one encoder goes through the same ring with one thread. */
#include "store/deflate.h"

#include <pthread.h>
#include <string.h>

#include "store/base/endian.h"
#include "store/base/workers.h"
#include "store/deflate_encoder.h"

#define THREADS_MAX 64

struct deflate;

#define TRAILER_SIZE 8

struct piece {
	struct workers_job job; /* first: the pool gives it back */
	struct deflate *owner;
	uint8_t *plain; /* the end of the piece before, the unit, one byte of the next */
	uint8_t *packed;
	struct deflate_piece in;
	bool first;
	uint32_t crc, size; /* of all up to its end; for the last one of a gzip member */
	size_t packed_len;
	bool done; /* guarded by the lock, as what follows */
	int r;
	struct err err;
};

struct deflate {
	struct stream base;
	struct stream *in; /* NULL: */
	struct deflate_pieces cut;
	struct workers *workers;
	struct deflate_encoder **encoders; /* one per thread */
	unsigned threads;
	struct piece *pieces;
	struct deflate_plan plan;
	size_t count, packed_cap;
	uint64_t filled, taken; /* pieces so far; their difference is in flight */
	size_t given;           /* bytes of the oldest piece that are read already */
	bool at_end;
	bool member; /* the pieces are one gzip member with this header */
	struct encoding encoding;
	uint32_t crc, size; /* so far */
	pthread_mutex_t lock;
	pthread_cond_t ready;
};

static int encode(struct deflate *d, struct deflate_encoder *e, struct piece *p)
{
	size_t head = p->first ? d->encoding.header_len : 0, len = 0;
	int rc;

	if (head)
		memcpy(p->packed, d->encoding.header, head);
	rc = e->encode(e, &p->in, p->packed + head, d->packed_cap, &len, &p->err);
	p->packed_len = head + len;
	if (!rc && d->member && p->in.last) {
		put_le32(p->packed + p->packed_len, p->crc);
		put_le32(p->packed + p->packed_len + 4, p->size);
		p->packed_len += TRAILER_SIZE;
	}
	return rc;
}

static void run_piece(struct workers_job *job, unsigned thread)
{
	struct piece *p = (struct piece *)job;
	struct deflate *d = p->owner;
	int r = encode(d, d->encoders[thread], p);

	pthread_mutex_lock(&d->lock);
	p->r = r;
	p->done = true;
	pthread_cond_signal(&d->ready);
	pthread_mutex_unlock(&d->lock);
}

/* One byte more than a piece is read, to know whether it is the last. */
static int fill_piece(struct deflate *d, struct piece *p, struct err *err)
{
	const struct piece *prior =
		d->filled ? &d->pieces[(d->filled - 1) % d->count] : NULL;
	size_t before = prior ? d->plan.before : 0, carry = prior ? 1 : 0, len;
	uint8_t *data = p->plain + d->plan.before;
	int r;

	if (prior)
		memcpy(data - before, prior->in.data + d->plan.unit - before, before + 1);
	r = stream_read_full(d->in, data + carry, d->plan.unit + 1 - carry, &len, err);
	if (r < 0)
		return r;
	len += carry;
	d->at_end = len <= d->plan.unit;
	if (!d->at_end)
		len = d->plan.unit;
	p->in = (struct deflate_piece){data, len, before, d->at_end};
	p->first = !prior;
	if (d->member) {
		p->crc = d->crc = deflate_gzip_crc(d->crc, data, len);
		p->size = d->size += (uint32_t)len;
	}
	return 0;
}

/* A piece that the caller has cut; *ret_more false: there is no more. */
static int take_piece(struct deflate *d, struct piece *p, bool *ret_more, struct err *err)
{
	size_t len;
	int r = d->cut.next(d->cut.arg, p->plain, d->plan.unit, &len, err);

	if (r < 0)
		return r;
	d->at_end = len == 0;
	p->in = (struct deflate_piece){p->plain, len, 0, d->at_end};
	*ret_more = len || !d->filled;
	return 0;
}

/* Hands pieces to the pool while some are free. */
static int fill(struct deflate *d, struct err *err)
{
	while (!d->at_end && d->filled - d->taken < d->count) {
		struct piece *p = &d->pieces[d->filled % d->count];
		bool more = true;
		int r = d->in ? fill_piece(d, p, err) : take_piece(d, p, &more, err);

		if (r < 0 || !more)
			return r;
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

/* The oldest piece that has bytes left; NULL at the end. */
static int oldest(struct deflate *d, struct piece **ret, struct err *err)
{
	int r;

	for (*ret = NULL;; d->taken++) {
		struct piece *p = &d->pieces[d->taken % d->count];

		r = fill(d, err);
		if (r < 0 || d->filled == d->taken)
			return r;
		r = wait_for(d, p, err);
		if (r == 0 && d->given == p->packed_len) {
			d->given = 0; /* also one that the encoder still has for itself */
			continue;
		}
		*ret = p;
		return r;
	}
}

static int read_deflate(struct stream *s, void *data, size_t cap, size_t *ret_len,
			struct err *err)
{
	struct deflate *d = (struct deflate *)s;
	struct piece *p;
	size_t left;
	int r = oldest(d, &p, err);

	if (r == 0 && p && d->given == 0 && d->cut.packed)
		r = d->cut.packed(d->cut.arg, p->packed_len, err);
	if (r < 0)
		return r;
	left = p ? p->packed_len - d->given : 0;
	if (left > cap)
		left = cap;
	if (left)
		memcpy(data, p->packed + d->given, left);
	d->given += left;
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

static int make_encoders(struct deflate *d, struct err *err)
{
	int r = 0;

	d->encoders = calloc(d->threads, sizeof(struct deflate_encoder *));
	if (!d->encoders)
		return err_nomem(err);
	for (unsigned i = 0; i < d->threads && r == 0; i++)
		r = d->plan.make(&d->plan, &d->encoders[i], err);
	if (r == 0)
		d->packed_cap = d->encoders[0]->bound(d->encoders[0], d->plan.unit);
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
		p->plain = malloc(d->plan.before + d->plan.unit + 1);
		p->packed = malloc(d->encoding.header_len + d->packed_cap + TRAILER_SIZE);
		if (!p->plain || !p->packed)
			return err_nomem(err);
	}
	return 0;
}

static unsigned plan_threads(const struct deflate_plan *plan, unsigned threads)
{
	if (plan->serial)
		return 1;
	if (!threads)
		threads = workers_cpus();
	return threads < THREADS_MAX ? threads : THREADS_MAX;
}

/* Owns IN; NULL: CUT says what the pieces are. */
static int open_plan(struct stream *in, const struct deflate_pieces *cut,
		     const struct deflate_plan *plan, const struct encoding *encoding,
		     unsigned threads, struct stream **ret, struct err *err)
{
	struct deflate *d = calloc(1, sizeof(*d));
	int r;

	if (!d) {
		stream_close(in);
		return err_nomem(err);
	}
	d->base = (struct stream){read_deflate, close_deflate};
	d->in = in;
	if (cut)
		d->cut = *cut;
	d->plan = *plan;
	d->threads = plan_threads(plan, threads);
	d->count = 2 * (size_t)d->threads + 1;
	if (encoding) {
		d->member = true;
		d->encoding = *encoding;
	}
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->ready, NULL);
	r = make_encoders(d, err);
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

/* ---- what others ask for ---- */

int deflate_level_max(enum inflate_kind kind)
{
	if (kind == INFLATE_GZIP)
		return DEFLATE_GZIP_MAX;
	return kind == INFLATE_ZSTD ? DEFLATE_ZSTD_MAX : 0;
}

static int make_plan(enum inflate_kind kind, int level, struct deflate_plan *ret,
		     struct err *err)
{
	bool gzip = kind == INFLATE_GZIP;

	if ((!gzip && kind != INFLATE_ZSTD) || level < 0 ||
	    level > deflate_level_max(kind))
		return err_set(err, ERR_INVALID, "there is no compression level %d",
			       level);
	if (level == 0)
		level = gzip ? DEFLATE_LEVEL_GZIP : DEFLATE_LEVEL_ZSTD;
	*ret = (struct deflate_plan){
		.unit = gzip ? DEFLATE_UNIT_GZIP : DEFLATE_UNIT_ZSTD,
		.make = gzip ? deflate_gzip_new : deflate_zstd_new,
		.level = level,
	};
	return 0;
}

int deflate_open(struct stream *in, enum inflate_kind kind, int level, unsigned threads,
		 struct stream **ret, struct err *err)
{
	struct deflate_plan plan;
	int r;

	if (kind == INFLATE_NONE) {
		*ret = in;
		return 0;
	}
	r = make_plan(kind, level, &plan, err);
	if (r == 0)
		return open_plan(in, NULL, &plan, NULL, threads, ret, err);
	stream_close(in);
	return r;
}

int deflate_open_pieces(const struct deflate_pieces *pieces, enum inflate_kind kind,
			int level, unsigned threads, struct stream **ret, struct err *err)
{
	struct deflate_plan plan;
	int r = make_plan(kind, level, &plan, err);

	plan.unit = pieces->unit;
	return r < 0 ? r : open_plan(NULL, pieces, &plan, NULL, threads, ret, err);
}

int deflate_append(enum inflate_kind kind, int level, const void *data, size_t len,
		   struct buf *out, struct err *err)
{
	const struct deflate_piece piece = {.data = data, .len = len, .last = true};
	struct deflate_encoder *e = NULL;
	struct deflate_plan plan;
	size_t cap, packed;
	int r = make_plan(kind, level, &plan, err);

	if (r == 0)
		r = plan.make(&plan, &e, err);
	if (r < 0)
		return r;
	cap = e->bound(e, len);
	r = buf_reserve(out, cap, err);
	if (r == 0)
		r = e->encode(e, &piece, out->data + out->len, cap, &packed, err);
	if (r == 0)
		out->len += packed;
	e->free(e);
	return r;
}

/* How each maker cuts its input, and what it can be told. */
static const struct maker {
	size_t unit, before;
	bool serial;
	int (*make)(const struct deflate_plan *plan, struct deflate_encoder **ret,
		    struct err *err);
	uint32_t level_min, level_max, variant_min, variant_max;
} makers[] = {
	[ENCODING_ZLIB] = {1u << 20, 0, true, deflate_zlib_new, 1, 9, 1, 9},
	[ENCODING_PIGZ] = {128u << 10, 32u << 10, false, deflate_pigz_new, 1, 9, 0, 1},
	[ENCODING_GO] = {1u << 20, 0, true, deflate_go_new, 4, 9, 0, 0},
	[ENCODING_PGZIP] = {1u << 20, 16u << 10, false, deflate_pgzip_new, 5, 5, 0, 1},
};

static bool is_known(const struct encoding *e)
{
	const struct maker *m = &makers[e->maker < ARRAY_LEN(makers) ? e->maker : 0];

	return m->make && e->level >= m->level_min && e->level <= m->level_max &&
	       e->variant >= m->variant_min && e->variant <= m->variant_max &&
	       e->header_len <= ENCODING_HEADER_MAX;
}

int deflate_open_as(struct stream *in, const struct encoding *encoding, unsigned threads,
		    struct stream **ret, struct err *err)
{
	const struct maker *m =
		&makers[encoding->maker < ARRAY_LEN(makers) ? encoding->maker : 0];
	const struct deflate_plan plan = {
		m->unit,          m->before, m->serial, m->make, (int)encoding->level,
		encoding->variant};

	if (!is_known(encoding)) {
		stream_close(in);
		return err_set(err, ERR_INVALID, "no encoder %u is known at level %u",
			       encoding->maker, encoding->level);
	}
	return open_plan(in, NULL, &plan, encoding, threads, ret, err);
}

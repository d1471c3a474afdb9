/* SPDX-License-Identifier: Apache-2.0
 * All frames in pack order: one thread reads and checks what was stored, the pool decodes
 * and hashes, each frame once for all objects in it. */
#include "store/check_private.h"

#include <sys/random.h>

/* Frames on their way to the pool; a single larger one may exceed it. */
#define FLIGHT_MAX (16u << 20)
#define QUEUE_MAX  256u
/* Buffers of a thread above this are not kept. */
#define KEEP_MAX (2u << 20)

struct pass {
	struct check_frames *c;
	struct workers *pool;
	struct pass_thread *threads;
	unsigned count;
	uint64_t seed;

	pthread_mutex_t lock; /* flight; the BAD callback; the results */
	pthread_cond_t room;
	size_t flight;

	uint64_t read; /* bytes in this run */
};

struct pass_thread {
	struct codec *codec;
	struct buf raw;
};

struct pass_job {
	struct workers_job job; /* first */
	struct pass *pass;
	struct pack_place at;
	struct pack_frame frame; /* points into BYTES */
	bool decode;
	size_t len;
	uint8_t bytes[]; /* table and body */
};

/* ---- damage ---- */

static void tell_bad(struct pass *p, uint32_t pack, uint64_t from, uint64_t to,
		     const char *why)
{
	struct check_frames *c = p->c;
	struct err err = {0};
	int r = 0;

	if (!c->quiet)
		check_problem(c->report, "%s", why);
	pthread_mutex_lock(&p->lock);
	if (c->bad)
		r = c->bad(c->arg, pack, from, to, why, &err);
	pthread_mutex_unlock(&p->lock);
	if (r < 0)
		check_fail(c->report, &err);
}

static void tell_bad_frame(struct pass *p, const struct pack_place *at, const char *what)
{
	char why[600];

	snprintf(why, sizeof(why), "pack %08x: frame at %llu: %s", at->pack,
		 (unsigned long long)at->off, what);
	tell_bad(p, at->pack, at->off, at->off + at->len, why);
}

static int ignore_frame(void *arg, const struct pack_place *at,
			const struct pack_frame *frame, struct err *err)
{
	(void)arg;
	(void)at;
	(void)frame;
	(void)err;
	return 0;
}

/* Looks at what the scan has passed over once more: for the cause, and because a commit of
 * another process may just have been in the middle of it. */
static void on_damage(void *arg, uint32_t pack, uint64_t from, uint64_t to)
{
	struct pass *p = arg;
	struct store *s = p->c->store;
	struct err cause = {0};
	int r = pack_scan(s->packs, pack, from, from + 1, true, false, ignore_frame, NULL,
			  NULL, &cause);

	if (r == 0)
		snprintf(cause.msg, sizeof(cause.msg),
			 "pack %08x: %llu bytes from %llu on cannot be read at times",
			 pack, (unsigned long long)(to - from), (unsigned long long)from);
	tell_bad(p, pack, from, to, cause.msg);
}

/* ---- in the pool ---- */

/* What is wrong with the frame's content; NULL: nothing. */
static const char *judge_content(const struct pack_frame *f, const uint8_t *raw)
{
	for (uint32_t i = 0; i < f->count; i++) {
		struct pack_entry e;
		struct digest d;

		pack_frame_entry(f, i, &e);
		if (f->type == PACK_CHUNKS)
			continue; /* a list, not the content: see check_objects.c */
		digest_of(raw + e.off, e.len, &d);
		if (!digest_equal(&d, &e.digest))
			return "its content is not what its digest says";
	}
	return NULL;
}

static int decode(struct pass_job *job, struct pass_thread *t, struct err *err)
{
	const struct pack_frame *f = &job->frame;
	int r;

	buf_clear(&t->raw);
	r = buf_reserve(&t->raw, f->raw_len + 1, err);
	return r < 0 ? r
		     : codec_decompress(t->codec, f->method, f->body, f->stored_len,
					t->raw.data, f->raw_len, err);
}

static int look(struct pass_job *job, struct pass_thread *t, struct err *err)
{
	struct pass *p = job->pass;
	struct check_frames *c = p->c;
	const char *wrong = NULL;
	int r = 0;

	if (job->decode) {
		r = decode(job, t, err);
		if (r == -ERR_CORRUPT) {
			tell_bad_frame(p, &job->at, err->msg);
			return 0;
		}
		if (r == 0)
			wrong = judge_content(&job->frame, t->raw.data);
		if (wrong)
			tell_bad_frame(p, &job->at, wrong);
	}
	if (r == 0 && c->frame)
		r = c->frame(c->arg, &job->at, &job->frame,
			     job->decode ? t->raw.data : NULL, err);
	return r;
}

static void run_job(struct workers_job *base, unsigned thread)
{
	struct pass_job *job = (struct pass_job *)base;
	struct pass *p = job->pass;
	struct pass_thread *t = &p->threads[thread];
	struct err err = {0};

	if (!check_failed(p->c->report) && look(job, t, &err) < 0)
		check_fail(p->c->report, &err);
	if (t->raw.cap > KEEP_MAX)
		buf_release(&t->raw);
	pthread_mutex_lock(&p->lock);
	p->flight -= job->len;
	pthread_cond_signal(&p->room);
	pthread_mutex_unlock(&p->lock);
	free(job);
}

/* ---- reading ---- */

static bool in_sample(const struct pass *p, const struct pack_place *at)
{
	uint64_t h =
		(p->seed ^ at->off ^ (uint64_t)at->pack << 40) * 0x9e3779b97f4a7c15ull;

	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ull;
	return (h >> 33) % 100 < p->c->sample;
}

static void take_off(struct pass *p, size_t len)
{
	pthread_mutex_lock(&p->lock);
	while (p->flight && p->flight + len > FLIGHT_MAX)
		pthread_cond_wait(&p->room, &p->lock);
	p->flight += len;
	pthread_mutex_unlock(&p->lock);
}

static uint64_t cursor_of(uint32_t pack, uint64_t off)
{
	return (uint64_t)pack << 32 | (off < UINT32_MAX ? off : UINT32_MAX);
}

static int on_frame(void *arg, const struct pack_place *at,
		    const struct pack_frame *frame, struct err *err)
{
	struct pass *p = arg;
	struct check_frames *c = p->c;
	size_t len = at->len - PACK_FRAME_HEADER_SIZE;
	struct pass_job *job;

	if (check_failed(c->report))
		return err_set(err, ERR_CANCELED, "something else failed");
	if (c->bytes_max && p->read >= c->bytes_max) {
		c->reached = cursor_of(at->pack, at->off);
		return err_set(err, ERR_CANCELED, "enough for this time");
	}
	job = malloc(sizeof(*job) + len);
	if (!job)
		return err_nomem(err);
	*job = (struct pass_job){.job.run = run_job,
				 .pass = p,
				 .at = *at,
				 .frame = *frame,
				 .decode = frame->type == PACK_CHUNKS || in_sample(p, at),
				 .len = len};
	memcpy(job->bytes, frame->table, len);
	job->frame.table = job->bytes;
	job->frame.body = job->bytes + (frame->body - frame->table);
	c->frames++;
	c->objects += frame->count;
	c->bytes += at->len;
	p->read += at->len;
	take_off(p, len);
	workers_submit(p->pool, &job->job);
	return 0;
}

static int scan(struct pass *p, uint32_t pack, uint64_t from, uint64_t to,
		struct err *err)
{
	return pack_scan(p->c->store->packs, pack, from, to, true, true, on_frame,
			 on_damage, p, err);
}

static int scan_range(struct pass *p, const struct check_range *range, struct err *err)
{
	struct check_frames *c = p->c;
	uint64_t from = range->from;
	char why[64];
	int r = 0;

	if (cursor_of(range->pack, range->to - 1) < c->cursor)
		return 0;
	if (c->cursor >> 32 == range->pack && from < (uint32_t)c->cursor)
		from = (uint32_t)c->cursor;
	/* The file's own header, once. */
	if (range == c->ranges->items || range[-1].pack != range->pack)
		r = scan(p, range->pack, 0, PACK_FILE_HEADER_SIZE, err);
	if (r == 0)
		r = scan(p, range->pack, from, range->to, err);
	if (r == -ERR_NOTFOUND) {
		snprintf(why, sizeof(why), "pack %08x is missing", range->pack);
		tell_bad(p, range->pack, from, range->to, why);
		r = 0;
	}
	return r;
}

static int scan_all(struct pass *p, struct err *err)
{
	const struct check_ranges *ranges = p->c->ranges;
	int r = 0;

	p->c->reached = 0;
	for (size_t i = 0; i < ranges->count && r == 0; i++)
		r = scan_range(p, &ranges->items[i], err);
	workers_wait(p->pool);
	if (r == -ERR_CANCELED)
		r = 0;
	return r < 0 ? r : check_outcome(p->c->report, err);
}

/* ---- the whole ---- */

static int start_threads(struct pass *p, struct err *err)
{
	unsigned cpus = workers_cpus();
	int r = 0;

	p->threads = calloc(cpus, sizeof(*p->threads));
	if (!p->threads)
		return err_nomem(err);
	for (; p->count < cpus && r == 0; p->count++) {
		buf_init(&p->threads[p->count].raw, (size_t)PACK_BODY_MAX + 1);
		r = codec_new(&p->threads[p->count].codec, err);
	}
	return r < 0 ? r : workers_new(cpus, QUEUE_MAX, &p->pool, err);
}

static void stop_threads(struct pass *p)
{
	workers_free(p->pool);
	for (unsigned i = 0; i < p->count; i++) {
		codec_free(p->threads[i].codec);
		buf_release(&p->threads[i].raw);
	}
	free(p->threads);
}

int check_frames_run(struct check_frames *c, struct err *err)
{
	struct pass p = {.c = c};
	int r;

	/* Another sample each time, so that in the end all was looked at. */
	(void)!getrandom(&p.seed, sizeof(p.seed), GRND_NONBLOCK);
	pthread_mutex_init(&p.lock, NULL);
	pthread_cond_init(&p.room, NULL);
	r = start_threads(&p, err);
	if (r == 0)
		r = scan_all(&p, err);
	stop_threads(&p);
	pthread_cond_destroy(&p.room);
	pthread_mutex_destroy(&p.lock);
	return r;
}

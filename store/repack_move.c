/* SPDX-License-Identifier: Apache-2.0
 * Objects into new frames: one thread reads them in order and fills bodies, others compress and
 * append these. Every batch is a commit.
 *
 * Who reads a small file decodes the whole frame, so those stay at 1 MiB (import: 512 KiB). Of
 * large files the kernel asks for up to 1 MiB at once, and goes on. */
#include "store/repack_private.h"

#include <string.h>
#include <time.h>

#include "store/frame_cache.h"

#define SMALL_SIZE   (1u << 20)
#define LARGE_SIZE   (4u << 20)
#define ENTRIES_MAX  8192
#define BATCH_BYTES  (64u << 20) /* raw */
#define BATCH_MOVES  262144
#define CACHE_BYTES  (128u << 20)
#define THREADS_MAX  16
#define JOBS_BESIDES 3 /* two that are being filled, one that waits */

/* A frame that is filled, or on its way to the pack. */
struct job {
	struct workers_job job; /* first */
	struct mover *mover;
	struct job *next_free;
	struct buf body;
	struct pack_entry table[ENTRIES_MAX];
	uint32_t count;
};

/* An object, and where it was. */
struct move {
	struct digest digest;
	uint32_t pack;
	uint64_t off;
};

struct mover {
	struct repack_run *run;
	const struct repack_plan *plan;
	struct frame_cache *cache;
	unsigned threads;
	pthread_mutex_t lock;
	pthread_cond_t given_back;
	struct job *free;
	struct job *jobs[THREADS_MAX + JOBS_BESIDES];
	struct job *small, *large; /* being filled */
	/* of this batch */
	struct session *session;
	struct buf moves; /* struct move */
	uint64_t bytes;
};

bool repack_is_late(const struct repack_run *run)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return run->deadline &&
	       (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec >=
		       run->deadline;
}

/* ---- frames ---- */

static void give_back(struct mover *m, struct job *j)
{
	pthread_mutex_lock(&m->lock);
	j->next_free = m->free;
	m->free = j;
	pthread_cond_signal(&m->given_back);
	pthread_mutex_unlock(&m->lock);
}

static struct job *take(struct mover *m)
{
	struct job *j;

	pthread_mutex_lock(&m->lock);
	while (!m->free)
		pthread_cond_wait(&m->given_back, &m->lock);
	j = m->free;
	m->free = j->next_free;
	pthread_mutex_unlock(&m->lock);
	buf_clear(&j->body);
	j->count = 0;
	return j;
}

static void append(struct workers_job *job, unsigned thread)
{
	struct job *j = (struct job *)(void *)job;
	struct mover *m = j->mover;
	struct pack_place place;
	struct err err;

	(void)thread;
	if (session_check(m->session, NULL) == 0 &&
	    session_pack_append(m->session, PACK_DATA, j->table, j->count, j->body.data,
				j->body.len, &place, &err) < 0)
		session_poison(m->session, &err);
	give_back(m, j);
}

static void submit(struct mover *m, struct job **filled)
{
	if (*filled)
		workers_submit(m->session->workers, &(*filled)->job);
	*filled = NULL;
}

static int put(struct mover *m, struct job **filled, size_t limit, const struct digest *d,
	       const uint8_t *data, uint32_t len, struct err *err)
{
	struct job *j = *filled;

	if (j && (j->count == ENTRIES_MAX || j->body.len + len > limit))
		submit(m, filled);
	if (!*filled)
		*filled = take(m);
	j = *filled;
	j->table[j->count++] = (struct pack_entry){
		.digest = *d, .off = (uint32_t)j->body.len, .len = len};
	return buf_append(&j->body, data, len, err);
}

/* ---- batches ---- */

static int begin(struct mover *m, struct err *err)
{
	const struct session_options o = {.level = m->run->level, .threads = m->threads};

	buf_clear(&m->moves);
	m->bytes = 0;
	return session_begin(m->run->store, &o, &m->session, err);
}

/* Frames that still wait to be appended need the session until it ends. */
static void end(struct mover *m)
{
	session_abort(m->session);
	m->session = NULL;
}

/* Whoever moved one meanwhile is not to be undone. Nobody should: gc is kept out. */
static int add_moves(struct commit *c, void *arg, struct err *err)
{
	struct mover *m = arg;
	const struct move *moves = (const struct move *)(const void *)m->moves.data;
	int r = 0;

	for (size_t i = 0; i < m->moves.len / sizeof(*moves) && r == 0; i++) {
		struct record_item item = {.type = RECORD_DROP,
					   .drop.object = moves[i].digest};
		struct object_place at;

		r = catalog_object_get(store_commit_txn(c), &moves[i].digest, &at, err);
		if (r == 0 &&
		    (at.frame.pack != moves[i].pack || at.frame.off != moves[i].off))
			r = err_set(err, ERR_BUSY, "the catalog was made anew meanwhile");
		if (r == 0)
			r = store_commit_add(c, &item, err);
	}
	return r < 0 ? r : session_commit_packs(m->session, c, err);
}

static int note_done(struct mover *m, struct err *err)
{
	struct session *s = m->session;
	int r = 0;

	for (size_t i = 0; i < s->pack_count && r == 0; i++) {
		const struct repack_range range = {
			.pack = pack_writer_number(s->packs[i].writer),
			.level = m->run->level,
			.from = s->packs[i].from,
			.to = pack_writer_length(s->packs[i].writer),
		};

		if (range.to > range.from)
			r = repack_done_add(&m->run->done, &range, err);
	}
	return r;
}

static int publish(struct mover *m, struct err *err)
{
	struct repack_result *result = m->run->result;
	struct err failure;
	int r = session_pack_sync(m->session, err);

	if (r < 0)
		return r;
	r = store_commit(m->run->store, add_moves, m, NULL, 0, &failure);
	if (r < 0)
		return session_commit_settle(m->session, &failure, err);
	r = note_done(m, err);
	session_pack_close(m->session);
	result->objects += m->moves.len / sizeof(struct move);
	result->bytes += m->bytes;
	return r < 0 ? r
		     : repack_done_write(&m->run->done, store_dirfd(m->run->store), err);
}

static int finish(struct mover *m, struct err *err)
{
	int r;

	submit(m, &m->small);
	submit(m, &m->large);
	workers_wait(m->session->workers);
	r = session_check(m->session, err);
	if (r == 0 && m->moves.len)
		r = publish(m, err);
	end(m);
	return r;
}

/* ---- objects ---- */

static int note_move(struct mover *m, const struct digest *d,
		     const struct object_place *at, struct err *err)
{
	const struct move move = {
		.digest = *d, .pack = at->frame.pack, .off = at->frame.off};

	m->bytes += at->len;
	return buf_append(&m->moves, &move, sizeof(move), err);
}

/* Damage must not get a fresh checksum, so the content has to be what it is called. */
static int copy(struct mover *m, const struct repack_item *item, const struct digest *d,
		const struct object_place *at, struct err *err)
{
	struct frame *f = NULL;
	struct digest is;
	int r = frame_cache_get(m->cache, &at->frame, &f, err);

	if (r < 0)
		return r;
	if (f->type != PACK_DATA || at->off > f->len || at->len > f->len - at->off)
		r = err_set(err, ERR_CORRUPT, "an object is not where it should be");
	if (r == 0)
		digest_of(f->data + at->off, at->len, &is);
	if (r == 0 && !digest_equal(&is, d))
		r = err_set(err, ERR_CORRUPT, "an object has another digest");
	if (r == 0 && item->name.ord)
		r = put(m, &m->large, LARGE_SIZE, d, f->data + at->off, at->len, err);
	else if (r == 0)
		r = put(m, &m->small, SMALL_SIZE, d, f->data + at->off, at->len, err);
	frame_cache_put(m->cache, f);
	return r < 0 ? r : note_move(m, d, at, err);
}

static int find(struct mover *m, const struct repack_item *item, struct digest *ret,
		struct object_place *ret_at, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	const struct gc_mark *mark = &m->plan->mark;
	int r = catalog_begin(store_catalog(m->run->store), false, &t, err);

	if (r == 0)
		r = catalog_object_by_prefix(t, mark->keys[item->object], 64, ret, err);
	return r < 0 ? r : catalog_object_get(t, ret, ret_at, err);
}

/* What cannot be read stays where it is; verify tells of it. */
static int move(struct mover *m, const struct repack_item *item, struct err *err)
{
	const struct repack_options *o = m->run->options;
	uint64_t len = m->plan->mark.len[item->object];
	struct object_place at;
	struct digest d;
	int r = find(m, item, &d, &at, err);

	if (r == 0)
		r = copy(m, item, &d, &at, err);
	if (r == -ERR_CORRUPT || r == -ERR_NOTFOUND || r == -ERR_FAILED) {
		m->run->result->damaged++;
		r = 0;
	}
	if (r == 0 && o->advance)
		o->advance(o->arg, len);
	return r;
}

static bool is_full(const struct mover *m)
{
	return m->bytes >= BATCH_BYTES ||
	       m->moves.len / sizeof(struct move) >= BATCH_MOVES;
}

static int move_all(struct mover *m, struct err *err)
{
	const struct repack_item *items =
		(const struct repack_item *)(const void *)m->plan->items.data;
	size_t count = m->plan->items.len / sizeof(*items), i = 0;
	int r = 0;

	while (i < count && r == 0 && !repack_is_late(m->run)) {
		r = begin(m, err);
		if (r < 0)
			return r;
		while (i < count && r == 0 && !is_full(m) && !repack_is_late(m->run)) {
			r = session_check(m->session, err);
			if (r == 0)
				r = move(m, &items[i++], err);
		}
		if (r == 0)
			r = finish(m, err);
		else
			end(m);
	}
	m->run->result->left += count - i;
	return r;
}

/* ---- all ---- */

static int make_jobs(struct mover *m, struct err *err)
{
	for (unsigned i = 0; i < m->threads + JOBS_BESIDES; i++) {
		struct job *j = calloc(1, sizeof(*j));

		if (!j)
			return err_nomem(err);
		j->job.run = append;
		j->mover = m;
		buf_init(&j->body, PACK_BODY_MAX);
		m->jobs[i] = j;
		give_back(m, j);
	}
	return 0;
}

static void free_jobs(struct mover *m)
{
	for (size_t i = 0; i < ARRAY_LEN(m->jobs) && m->jobs[i]; i++) {
		buf_release(&m->jobs[i]->body);
		free(m->jobs[i]);
	}
}

int repack_move(struct repack_run *run, const struct repack_plan *p, struct err *err)
{
	unsigned threads = run->options->threads ? run->options->threads : workers_cpus();
	struct mover m = {.run = run,
			  .plan = p,
			  .threads = threads < THREADS_MAX ? threads : THREADS_MAX,
			  .lock = PTHREAD_MUTEX_INITIALIZER,
			  .given_back = PTHREAD_COND_INITIALIZER};
	int r = frame_cache_new(store_packs(run->store), CACHE_BYTES, &m.cache, err);

	buf_init(&m.moves, (size_t)2 * BATCH_MOVES * sizeof(struct move));
	if (r == 0)
		r = make_jobs(&m, err);
	if (r == 0)
		r = move_all(&m, err);
	free_jobs(&m);
	buf_release(&m.moves);
	frame_cache_free(m.cache);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0
 * repack: the order of things. */
#include "store/repack.h"

#include <time.h>

#include "store/repack_private.h"

/* After a round a pack with less than this part of its bytes needed is rewritten, in percent. So
 * what a round that ended early leaves is at most that much larger than before. */
#define LIVE_PERCENT 90
/* Those who wait for the lock get it between two rounds. */
#define PAUSE_NS 20000000

/* ---- what is known of earlier runs ---- */

static bool is_there(void *arg, const struct repack_range *range)
{
	uint64_t length;

	return catalog_pack_get(arg, range->pack, &length, NULL) == 0 &&
	       length >= range->to;
}

static int read_done(struct repack_run *run, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(run->store), false, &t, err);

	if (r == 0)
		r = repack_done_read(&run->done, store_dirfd(run->store), err);
	if (r == 0)
		repack_done_prune(&run->done, is_there, t);
	return r;
}

/* ---- a round ---- */

/* What was made in an earlier run and only moves now need not be made again. */
static void on_copied(void *arg, const struct pack_place *from,
		      const struct pack_place *to)
{
	struct repack_run *run = arg;
	struct repack_range range = {
		.pack = to->pack,
		.level = repack_done_level(&run->done, from->pack, from->off),
		.from = to->off,
		.to = to->off + to->len,
	};

	if (range.level && repack_done_add(&run->done, &range, NULL) < 0)
		return; /* it will be made again */
}

/* The packs that were emptied, and recipes and trees in them. */
static int empty_packs(struct repack_run *run, struct err *err)
{
	const struct gc_options o = {.live_percent = LIVE_PERCENT,
				     .level = run->level,
				     .copied = on_copied,
				     .arg = run};
	struct gc_result result = {0};
	struct gc_mark mark;
	int r;

	gc_mark_init(&mark, run->store);
	r = gc_mark_run(&mark, err);
	if (r == 0)
		r = gc_packs_run(&mark, &o, &result, err);
	gc_mark_release(&mark);
	if (r == 0)
		r = repack_done_write(&run->done, store_dirfd(run->store), err);
	run->result->packs_dropped += result.packs_dropped;
	run->result->packs_rewritten += result.packs_rewritten;
	run->result->packs_busy += result.packs_busy;
	return r;
}

/* What was moved before a failure (a full disk) need not lie there twice. */
static int move_and_empty(struct repack_run *run, struct repack_plan *p, struct err *err)
{
	uint64_t before = run->result->objects;
	int r = repack_move(run, p, err), emptied = 0;
	struct err second;

	repack_plan_unlock(p);
	if (run->result->objects > before)
		emptied = empty_packs(run, r < 0 ? &second : err);
	return r < 0 ? r : emptied;
}

static int do_round(struct repack_run *run, struct repack_plan *p, uint32_t *after,
		    struct err *err)
{
	const struct repack_options *o = run->options;
	int r = repack_plan_find(p, o, &run->done, *after, run->last, err);

	if (r < 0 || p->objects == 0) {
		*after = UINT32_MAX;
		return r;
	}
	r = repack_plan_lock(p, after, err);
	if (r == 0)
		r = repack_plan_sort(p, err);
	if (r == 0 && o->expect)
		o->expect(o->arg, p->bytes);
	return r < 0 ? r : move_and_empty(run, p, err);
}

static int locked_round(struct repack_run *run, uint32_t *after, struct err *err)
{
	struct repack_plan plan;
	auto_fd int lock = -1;
	int r = store_gc_lock(run->store, false, &lock, err);

	repack_plan_init(&plan, run->store);
	if (r == 0)
		r = read_done(run, err);
	if (r == 0)
		r = do_round(run, &plan, after, err);
	repack_plan_release(&plan);
	return r;
}

static int find_last(struct repack_run *run, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(run->store), false, &t, err);

	return r < 0 ? r : catalog_pack_last(t, &run->last, err);
}

static int all_rounds(struct repack_run *run, struct err *err)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	uint32_t after = 0;
	int r = find_last(run, err);

	while (r == 0 && after < UINT32_MAX && !repack_is_late(run)) {
		repack_done_release(&run->done);
		repack_done_init(&run->done);
		run->result->left = 0;
		r = locked_round(run, &after, err);
		nanosleep(&pause, NULL);
	}
	return r;
}

static int compact(struct repack_run *run, struct err *err)
{
	auto_fd int lock = -1;
	int r = store_gc_lock(run->store, false, &lock, err);

	return r < 0 ? r : gc_journal_compact(run->store, err);
}

/* ---- all ---- */

static int only_count(struct repack_run *run, struct err *err)
{
	struct repack_plan plan;
	auto_fd int lock = -1;
	int r = store_gc_lock(run->store, true, &lock, err);

	repack_plan_init(&plan, run->store);
	if (r == 0)
		r = read_done(run, err);
	if (r == 0)
		r = repack_plan_find(&plan, run->options, &run->done, 0, UINT32_MAX, err);
	run->result->objects = plan.objects;
	run->result->bytes = plan.bytes;
	repack_plan_release(&plan);
	return r;
}

static int run_it(struct repack_run *run, struct err *err)
{
	int r;

	if (run->options->dry_run)
		return only_count(run, err);
	r = all_rounds(run, err);
	return r < 0 || run->result->objects == 0 ? r : compact(run, err);
}

static uint64_t deadline_in(uint64_t seconds)
{
	struct timespec now;

	if (seconds == 0)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((uint64_t)now.tv_sec + seconds) * 1000000000u + (uint64_t)now.tv_nsec;
}

int repack_run(struct store *s, const struct repack_options *o, struct repack_result *ret,
	       struct err *err)
{
	struct repack_result result = {0};
	struct repack_run run = {.store = s,
				 .options = o,
				 .result = &result,
				 .level = o->level ? o->level : REPACK_LEVEL_DEFAULT,
				 .deadline = deadline_in(o->max_seconds)};
	int r;

	if (!s->writable && !o->dry_run)
		return err_set(err, ERR_FAILED, "the store '%s' is open read-only",
			       s->path);
	repack_done_init(&run.done);
	r = gc_packs_size(s, &result.bytes_before, err);
	if (r == 0)
		r = run_it(&run, err);
	if (r == 0)
		r = gc_packs_size(s, &result.bytes_after, err);
	repack_done_release(&run.done);
	if (r == 0)
		*ret = result;
	return r;
}

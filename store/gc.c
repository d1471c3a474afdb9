/* SPDX-License-Identifier: Apache-2.0
 * gc: the order of things. */
#include "store/gc.h"

#include "store/gc_private.h"

/* Rounds of giving up what only the grace keeps, until the store is small enough. */
#define ROUNDS_MAX 32

#define TIGHT_PERCENT 95

static int collect_packs(struct gc_roots *g, struct err *err)
{
	struct gc_mark mark;
	int r;

	gc_mark_init(&mark, g->store);
	if (g->options->dry_run) {
		mark.only = &g->layers;
		mark.only_images = &g->images;
		mark.only_artifacts = &g->artifacts;
	}
	r = gc_mark_run(&mark, err);
	g->result->objects = mark.count;
	g->result->live_objects = 0;
	for (size_t i = 0; i < mark.count; i++)
		g->result->live_objects += mark.flags[i] & GC_LIVE;
	if (r == 0)
		r = gc_packs_run(&mark, g->options, g->result, err);
	gc_mark_release(&mark);
	return r;
}

static int collect(struct gc_roots *g, struct err *err)
{
	int r = gc_roots_run(g, err);

	if (r == 0)
		r = collect_packs(g, err);
	if (r < 0 || g->options->dry_run)
		return r;
	r = gc_sweep(g->store, err);
	if (r == 0)
		r = gc_packs_size(g->store, &g->result->bytes_after, err);
	return r;
}

static int oldest_first(const void *a, const void *b)
{
	const struct gc_soft *x = a, *y = b;

	return (x->used > y->used) - (x->used < y->used);
}

/* Moves the cut-off up to where about EXCESS bytes more are older. False: nothing is left
 * that may go. */
static bool give_up_oldest(struct gc_roots *g, uint64_t excess)
{
	struct gc_soft *soft = (struct gc_soft *)(void *)g->soft.data;
	size_t count = g->soft.len / sizeof(*soft), i = 0;
	uint64_t size = 0;

	if (count == 0)
		return false;
	qsort(soft, count, sizeof(*soft), oldest_first);
	/* Compressed it is less: what is too little now goes with the next round. */
	while (i < count && size < excess)
		size += soft[i++].size;
	g->cutoff = soft[i ? i - 1 : 0].used + 1;
	g->key_cutoff = g->cutoff;
	return true;
}

/* Room is short: nearly full packs are rewritten, too, before more is given up. */
static int make_room(struct gc_roots *g, struct err *err)
{
	const struct gc_options *given = g->options;
	struct gc_options tight = *given;
	int r;

	tight.live_percent = TIGHT_PERCENT;
	g->options = &tight;
	r = collect(g, err);
	for (unsigned i = 0; i < ROUNDS_MAX && r == 0; i++) {
		uint64_t now = g->result->bytes_after;

		if (now <= given->max_size || !give_up_oldest(g, now - given->max_size))
			break;
		r = collect(g, err);
	}
	g->options = given;
	return r;
}

static int run(struct gc_roots *g, struct err *err)
{
	uint64_t max = g->options->max_size;
	int r = collect(g, err);

	if (r == 0 && max && !g->options->dry_run && g->result->bytes_after > max)
		r = make_room(g, err);
	return r < 0 || g->options->dry_run ? r : gc_journal_compact(g->store, err);
}

int gc_run(struct store *s, const struct gc_options *o, struct gc_result *ret,
	   struct err *err)
{
	struct gc_result result = {0};
	struct gc_roots g = {.store = s, .options = o, .result = &result};
	auto_fd int lock = -1;
	int r;

	if (!s->writable && !o->dry_run)
		return err_set(err, ERR_FAILED, "the store '%s' is open read-only",
			       s->path);
	gc_roots_times(&g);
	gc_roots_init(&g);
	r = store_gc_lock(s, o->dry_run, &lock, err);
	if (r == 0)
		r = gc_packs_size(s, &result.bytes_before, err);
	if (r == 0)
		r = run(&g, err);
	gc_roots_release(&g);
	if (r < 0)
		return r;
	*ret = result;
	return 0;
}

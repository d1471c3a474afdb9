/* SPDX-License-Identifier: Apache-2.0
 * Why gc would keep something. gc's search tells of every root it comes to; a second set of
 * what is needed then finds out whether that root alone leads to what was asked for. */
#include "store/gc_why.h"

#include <time.h>

#include "store/gc_private.h"

struct gc_why {
	/* What the roots so far lead to, as far as they do not lead to what is asked for. */
	struct gc_roots probe;
	enum gc_why_kind kind;
	struct digest id;
	gc_reason_fn *each;
	void *arg;
	unsigned told[GC_REASON_KINDS];
	enum gc_reason_kind last_kind;
	struct digest last_id;
};

static void start_again(struct gc_why *w)
{
	struct store *s = w->probe.store;

	gc_roots_release(&w->probe);
	gc_roots_init(&w->probe);
	w->probe.store = s;
}

static bool reached(const struct gc_why *w)
{
	const struct gc_roots *p = &w->probe;

	return digest_map_find(w->kind == GC_WHY_IMAGE   ? &p->images
			       : w->kind == GC_WHY_CHAIN ? &p->chains
							 : &p->layers,
			       &w->id) >= 0;
}

/* One key has a chain and an image, one artifact needs many blobs. */
static bool is_last(const struct gc_why *w, const struct gc_reason *reason)
{
	return w->last_kind == reason->kind && !digest_is_zero(&reason->id) &&
	       digest_equal(&w->last_id, &reason->id);
}

static int report(struct gc_why *w, const struct gc_reason *reason, struct err *err)
{
	int r;

	if (is_last(w, reason))
		return 0;
	w->last_kind = reason->kind;
	w->last_id = reason->id;
	r = w->each(w->arg, reason, err);
	if (r == 0)
		w->told[reason->kind]++;
	return r < 0 ? r : 0;
}

int gc_why_alone(struct gc_why *w, const struct gc_reason *reason, enum gc_why_kind kind,
		 const struct digest *id, struct err *err)
{
	if (!w || w->kind != kind || !digest_equal(&w->id, id) ||
	    w->told[reason->kind] >= GC_WHY_MAX)
		return 0;
	return report(w, reason, err);
}

int gc_why_root(struct gc_why *w, struct catalog_txn *t, const struct gc_reason *reason,
		const struct digest *id, struct err *err)
{
	int r;

	if (!w || w->told[reason->kind] >= GC_WHY_MAX)
		return 0;
	r = gc_roots_keep(&w->probe, t, id, err);
	if (r < 0 || !reached(w))
		return r;
	start_again(w);
	return report(w, reason, err);
}

int gc_why(struct store *s, struct catalog_txn *txn, const struct gc_options *o,
	   enum gc_why_kind kind, const struct digest *id, gc_reason_fn *each, void *arg,
	   struct err *err)
{
	struct gc_result result = {0};
	struct gc_why w = {
		.probe = {.store = s}, .kind = kind, .id = *id, .each = each, .arg = arg};
	struct gc_roots g = {.store = s, .options = o, .result = &result, .why = &w};
	int r;

	gc_roots_times(&g);
	gc_roots_init(&g);
	gc_roots_init(&w.probe);
	r = gc_roots_find(&g, txn, err);
	gc_roots_release(&g);
	gc_roots_release(&w.probe);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0
 * repair: all that is known and whole goes into a new catalog; where the journal does not
 * lead there any more (it was damaged, or frames are to be left out) a new one is written that
 * does. All under the store lock. A crash at any point leaves what there was, or what there
 * is to be. */
#include "store/check_private.h"

struct repair {
	struct store *store;
	struct check_report told;
	struct check_source source;
	struct check_salvage salvage;
	struct check_damage damage;
	struct check_ranges bad, good;
	struct repair_result result;
};

/* ---- frames ---- */

static int on_frame(void *arg, const struct pack_place *at, const struct pack_frame *f,
		    const uint8_t *raw, struct err *err)
{
	struct repair *p = arg;

	return p->source.lost ? check_salvage_frame(&p->salvage, at, f, raw, err) : 0;
}

static int on_bad(void *arg, uint32_t pack, uint64_t from, uint64_t to, const char *why,
		  struct err *err)
{
	struct repair *p = arg;

	if (from < PACK_FILE_HEADER_SIZE) {
		check_problem(&p->told, "%s; it is written anew", why);
		return pack_mend_header(p->store->packs_dirfd, pack, err);
	}
	/* Of a pack that is taken as far as it goes the end may be an unfinished import. */
	if (!p->source.lost || to < check_ranges_end(&p->source.ranges, pack))
		check_problem(&p->told, "%s; it is left out", why);
	return check_ranges_add(&p->bad, pack, from, to, err);
}

static int check_frames(struct repair *p, struct err *err)
{
	struct check_frames frames = {
		.store = p->store,
		.report = &p->told,
		.ranges = &p->source.ranges,
		.sample = 100,
		.quiet = true,
		.frame = on_frame,
		.bad = on_bad,
		.arg = p,
	};
	int r = check_frames_run(&frames, err);

	check_ranges_settle(&p->bad);
	if (r == 0)
		r = check_ranges_subtract(&p->source.ranges, &p->bad, &p->good, err);
	return r;
}

/* ---- the catalog ---- */

/* From the journal, if it leads to what is whole; else from all that is known. */
static int build_catalog(struct repair *p, struct err *err)
{
	struct store_recover_options o = {.seq = p->source.seq};
	auto_buf struct buf items;
	int r;

	buf_init(&items, SIZE_MAX / 2);
	if (!p->source.salvaged && p->bad.count == 0)
		return store_recover_rebuild(p->store, &o, err);
	r = check_source_items(&p->source, p->store, err);
	if (r == 0)
		r = check_dump_packs(&p->good, &items, err);
	if (r == 0)
		r = buf_append(&items, p->source.items.data, p->source.items.len, err);
	buf_release(&p->source.items);
	o.items = &items;
	return r < 0 ? r : store_recover_rebuild(p->store, &o, err);
}

static int apply_damage(struct repair *p, struct catalog_txn *t, struct err *err)
{
	const struct check_damage *d = &p->damage;
	const struct record_layer *layers =
		(const struct record_layer *)(const void *)d->changed.data;
	int r = 0;

	for (size_t i = 0; i < d->changed.len / sizeof(*layers) && r == 0; i++)
		r = catalog_layer_put(t, &layers[i], err);
	for (uint32_t i = 0; i < d->dropped.count && r == 0; i++)
		r = catalog_object_remove(t, digest_map_entry(&d->dropped, i), err);
	return r;
}

/* ---- the journal ---- */

static int set_mark(struct catalog_txn *t, uint64_t end, uint64_t seq, uint32_t next,
		    struct err *err)
{
	const struct catalog_mark mark = {
		.journal_end = end,
		.journal_last = end ? journal_start() : 0,
		.seq = seq,
		.next_number = next,
	};

	return catalog_mark_set(t, &mark, err);
}

/* Brings the damage into the catalog, and the catalog into ITEMS. Until there is a journal
 * that leads to it the catalog passes for stale. */
static int settle_catalog(struct repair *p, struct buf *items, uint32_t *ret_next,
			  struct err *err)
{
	struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(p->store), true, &t, err);

	if (r == 0)
		r = apply_damage(p, t, err);
	if (r == 0)
		r = check_dump(t, &p->good, &p->damage.dropped, items, ret_next, err);
	if (r == 0)
		r = set_mark(t, 0, p->source.seq, *ret_next, err);
	if (r < 0) {
		catalog_abort(t);
		return r;
	}
	return catalog_commit(t, err);
}

static int reopen_journal(struct store *s, struct err *err)
{
	bool replaced;

	if (s->journal)
		return journal_refresh(s->journal, &replaced, err);
	return journal_open(s->dirfd, false, true, &s->journal, err);
}

static int write_journal(struct repair *p, struct err *err)
{
	struct store *s = p->store;
	struct catalog_txn *t = NULL;
	auto_buf struct buf items;
	uint32_t next = 1;
	uint64_t end;
	int r;

	buf_init(&items, JOURNAL_RECORD_MAX);
	r = settle_catalog(p, &items, &next, err);
	if (r == 0)
		r = journal_replace(s->dirfd, items.data, items.len, p->source.seq + 1,
				    err);
	if (r == 0)
		r = reopen_journal(s, err);
	if (r == 0)
		r = journal_size(s->journal, &end, err);
	if (r == 0)
		r = catalog_begin(store_catalog(s), true, &t, err);
	if (r == 0)
		r = set_mark(t, items.len ? end : 0, items.len ? p->source.seq + 1 : 0,
			     next, err);
	if (r < 0) {
		catalog_abort(t);
		return r;
	}
	return catalog_commit(t, err);
}

/* ---- results ---- */

static int count_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	struct repair_result *result = arg;

	(void)layer;
	(void)err;
	result->layers++;
	return 0;
}

static int count_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	struct repair_result *result = arg;

	(void)ref;
	(void)err;
	result->refs++;
	return 0;
}

static int count(struct repair *p, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(p->store), false, &t, err);

	p->result.lost_objects = p->damage.lost.count;
	p->result.damaged_layers = p->damage.damaged_layers;
	p->result.journal_salvaged = p->source.salvaged;
	if (r == 0)
		r = catalog_layer_each(t, NULL, count_layer, &p->result, err);
	return r < 0 ? r : catalog_ref_each(t, NULL, count_ref, &p->result, err);
}

static void tell_lost(struct repair *p)
{
	if (p->source.lost)
		check_problem(&p->told,
			      "the journal could not be brought back in full: names, "
			      "images and chains that only it knew are gone; import the "
			      "images again (layers that are here are not stored twice)");
}

/* ---- the order of things ---- */

static int assess(struct repair *p, struct err *err)
{
	struct check_damage *d = &p->damage;
	bool changed;
	int r = check_damage_ranges(d, &p->bad, err);

	if (r == 0)
		r = check_damage_assess(d, err);
	changed =
		p->source.salvaged || p->bad.count || d->changed.len || d->dropped.count;
	if (r == 0)
		r = check_damage_dropped(d, &p->source.dropped, err);
	return r == 0 && changed ? write_journal(p, err) : r;
}

static int repair(struct repair *p, struct err *err)
{
	int r = check_source_read(&p->source, p->store, &p->told, err);

	if (r == 0)
		r = check_frames(p, err);
	if (r == 0)
		r = build_catalog(p, err);
	if (r == 0 && p->source.lost)
		r = check_salvage_layers(&p->salvage, err);
	if (r == 0)
		r = assess(p, err);
	if (r == 0)
		r = check_trees_files(p->store, &p->told, true, err);
	if (r == 0)
		r = check_damage_names(&p->damage, err);
	if (r < 0)
		return r;
	tell_lost(p);
	return count(p, err);
}

int check_repair(struct store *s, check_problem_fn *told, void *arg,
		 struct repair_result *ret, struct err *err)
{
	struct repair p = {.store = s};
	auto_fd int gc_lock = -1;
	int r;

	if (!s->writable)
		return err_set(err, ERR_FAILED, "the store '%s' is open read-only",
			       s->path);
	r = store_gc_lock(s, false, &gc_lock, err);
	if (r == 0)
		r = store_lock(s, err);
	if (r < 0)
		return r;
	check_report_init(&p.told, told, arg);
	check_source_init(&p.source);
	check_salvage_init(&p.salvage, s, &p.told);
	check_damage_init(&p.damage, s, &p.told);
	r = repair(&p, err);
	store_unlock(s);
	check_damage_release(&p.damage);
	check_salvage_release(&p.salvage);
	check_source_release(&p.source);
	check_ranges_release(&p.bad);
	check_ranges_release(&p.good);
	check_report_release(&p.told);
	if (r == 0)
		*ret = p.result;
	return r;
}

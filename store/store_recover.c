/* SPDX-License-Identifier: Apache-2.0
 * Bringing the catalog up to the journal: by replaying what it misses, or all anew. */
#include "store/store_private.h"

/* Objects put into a catalog under construction between two of its commits: bounds what
 * LMDB keeps in memory. */
#define STEP_OBJECTS 100000

struct replay {
	struct store_apply apply;
	struct catalog *building; /* NULL: one transaction for all */
	struct catalog_mark mark;
	uint64_t records;
};

/* The numbers were raised by the items. */
static int set_mark(struct catalog_txn *t, struct catalog_mark *mark, struct err *err)
{
	struct catalog_mark now;
	int r = catalog_mark_get(t, &now, err);

	if (r < 0)
		return r;
	mark->next_number = now.next_number;
	return catalog_mark_set(t, mark, err);
}

static int step(struct replay *p, struct err *err)
{
	int r = catalog_commit(steal_ptr(&p->apply.txn), err);

	p->apply.objects = 0;
	return r < 0 ? r : catalog_begin(p->building, true, &p->apply.txn, err);
}

/* A catalog under construction is seen by nobody, so it may be committed at any point. */
static int apply_item(void *arg, const struct record_item *item, struct err *err)
{
	struct replay *p = arg;
	int r = store_apply_item(&p->apply, item, err);

	if (r == 0 && p->building && p->apply.objects >= STEP_OBJECTS)
		r = step(p, err);
	return r;
}

static int apply_record(void *arg, uint64_t seq, const uint8_t *items, size_t len,
			uint64_t end, struct err *err)
{
	struct replay *p = arg;
	int r = record_decode(items, len, apply_item, p, err);

	p->records++;
	p->mark.journal_last = p->mark.journal_end;
	p->mark.journal_end = end;
	p->mark.seq = seq;
	if (r == 0)
		r = set_mark(p->apply.txn, &p->mark, err);
	return r;
}

static int replay(struct replay *p, struct err *err)
{
	uint64_t end, seq;

	if (!p->mark.journal_end)
		p->mark.journal_end = journal_start();
	return journal_replay(p->apply.store->journal, p->mark.journal_end, p->mark.seq,
			      apply_record, p, &end, &seq, err);
}

static int catch_up(struct store *s, struct err *err)
{
	struct replay p = {.apply = {.store = s}};
	int r = catalog_begin(s->catalog, true, &p.apply.txn, err);

	if (r < 0)
		return r;
	r = catalog_mark_get(p.apply.txn, &p.mark, err);
	if (r == 0)
		r = replay(&p, err);
	if (r < 0 || p.records == 0) {
		catalog_abort(p.apply.txn);
		return r;
	}
	return catalog_commit(p.apply.txn, err);
}

/* ---- all anew ---- */

static int check_seq(const struct replay *p, uint64_t least, struct err *err)
{
	if (p->mark.seq >= least)
		return 0;
	return err_set(err, ERR_CORRUPT,
		       "journal: it ends with commit %llu, but there was a commit %llu",
		       (unsigned long long)p->mark.seq, (unsigned long long)least);
}

/* ---- packs that are gone in the end ---- */

static int note_gone(void *arg, const struct record_item *item, struct err *err)
{
	struct digest_map *gone = arg;
	struct digest key;
	uint32_t i;

	if (item->type != RECORD_PACK_GONE)
		return 0;
	store_apply_pack_key(item->pack_gone.pack, &key);
	return digest_map_find(gone, &key) >= 0 ? 0 : digest_map_add(gone, &key, &i, err);
}

static int note_record(void *arg, uint64_t seq, const uint8_t *items, size_t len,
		       uint64_t end, struct err *err)
{
	(void)seq;
	(void)end;
	return record_decode(items, len, note_gone, arg, err);
}

static int find_gone(struct store *s, const struct store_recover_options *o,
		     struct digest_map *gone, struct err *err)
{
	uint64_t end, seq;

	if (o->items)
		return record_decode(o->items->data, o->items->len, note_gone, gone, err);
	return journal_replay(s->journal, journal_start(), 0, note_record, gone, &end,
			      &seq, err);
}

static int fill_catalog(struct store *s, struct catalog *building,
			const struct store_recover_options *o, struct err *err)
{
	struct digest_map gone;
	struct replay p = {
		.apply = {.store = s, .skip_damage = true, .packs_gone = &gone},
		.building = building,
	};
	int r;

	digest_map_init(&gone, sizeof(struct digest));
	r = find_gone(s, o, &gone, err);
	if (r == 0)
		r = catalog_begin(building, true, &p.apply.txn, err);
	if (r == 0 && o->items)
		r = apply_record(&p, o->seq, o->items->data, o->items->len, 0, err);
	else if (r == 0)
		r = replay(&p, err);
	if (r == 0)
		r = check_seq(&p, o->least_seq, err);
	digest_map_release(&gone);
	if (r < 0) {
		catalog_abort(p.apply.txn);
		return r;
	}
	return catalog_commit(p.apply.txn, err);
}

/* After this the store reads from what is in place now. */
static int go_over(struct store *s, struct err *err)
{
	if (s->catalog)
		return catalog_refresh(s->catalog, err);
	return catalog_open(s->path, s->writable, &s->catalog, err);
}

int store_recover_rebuild(struct store *s, const struct store_recover_options *o,
			  struct err *err)
{
	struct catalog *building = NULL;
	int r = catalog_build(s->path, &building, err);

	if (r == 0)
		r = fill_catalog(s, building, o, err);
	if (r < 0) {
		catalog_discard(building);
		return r;
	}
	r = catalog_install(building, err);
	return r < 0 ? r : go_over(s, err);
}

/* ---- what is needed ---- */

struct judgement {
	bool rebuild, behind;
	uint64_t seq; /* what the catalog has seen */
};

static int read_mark(struct store *s, struct catalog_mark *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(s->catalog, false, &t, err);

	return r < 0 ? r : catalog_mark_get(t, ret, err);
}

static int judge(struct store *s, struct judgement *ret, struct err *err)
{
	struct catalog_mark mark;
	uint64_t size;
	bool fits;
	int r;

	*ret = (struct judgement){.rebuild = true};
	if (!s->catalog || catalog_refresh(s->catalog, NULL) < 0)
		return 0;
	r = read_mark(s, &mark, err);
	if (r == 0)
		r = journal_size(s->journal, &size, err);
	if (r < 0)
		return r;
	ret->seq = mark.seq;
	if (!mark.journal_end) {
		ret->rebuild = size > journal_start();
		return 0;
	}
	if (mark.journal_end > size)
		return err_set(err, ERR_CORRUPT,
			       "journal: it ends at %llu, but reached to %llu before",
			       (unsigned long long)size,
			       (unsigned long long)mark.journal_end);
	r = journal_fits(s->journal, mark.journal_last, mark.journal_end, mark.seq, &fits,
			 err);
	ret->rebuild = !fits;
	ret->behind = size > mark.journal_end;
	return r;
}

int store_recover_needed(struct store *s, bool *ret, struct err *err)
{
	struct judgement j;
	int r = judge(s, &j, err);

	*ret = j.rebuild || j.behind;
	return r;
}

int store_recover(struct store *s, struct err *err)
{
	struct store_recover_options options = {0};
	struct judgement j;
	bool replaced;
	int r = journal_refresh(s->journal, &replaced, err);

	if (r == 0)
		r = judge(s, &j, err);
	if (r < 0)
		return r;
	options.least_seq = j.seq;
	if (j.rebuild)
		return store_recover_rebuild(s, &options, err);
	return j.behind ? catch_up(s, err) : 0;
}

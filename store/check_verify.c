/* SPDX-License-Identifier: Apache-2.0
 * verify: first what the journal says, then the catalog's small tables against it and each
 * other, then all frames, then what is made of them.
 *
 * It takes no lock and lives with commits of other processes. All it looks at is what was
 * committed when it began: the catalog only grows from there on (but for names, which are
 * compared in one transaction with the state of that moment), and an import under way is
 * beyond the committed part of its pack. */
#include "store/check_private.h"

/* How often the journal may be replaced (by repair) before we have read it. */
#define ATTEMPTS 3

struct verify {
	struct store *store;
	struct check_options options;
	struct check_report report;
	struct check_state state;
	struct check_counts counts;
	bool readable; /* the journal, and STATE is right */
};

/* ---- journal and small tables ---- */

static int begin(struct verify *v, struct catalog_txn **ret, uint64_t *ret_seq,
		 struct err *err)
{
	struct catalog_mark mark;
	int r = catalog_begin(store_catalog(v->store), false, ret, err);

	if (r == 0)
		r = catalog_mark_get(*ret, &mark, err);
	if (r == 0)
		*ret_seq = mark.seq;
	return r;
}

/* The long part of the reading, without a transaction. */
static int read_ahead(struct verify *v, struct err *err)
{
	uint64_t seq;
	int r = store_generation(v->store, &seq, err);

	return r < 0 ? r : check_state_read(&v->state, v->store->journal, seq, err);
}

static int compare(struct verify *v, bool *ret_again, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct store *s = v->store;
	uint64_t seq = 0;
	int r = begin(v, &t, &seq, err);

	if (r == 0)
		r = journal_refresh(s->journal, ret_again, err);
	if (r < 0 || *ret_again)
		return r;
	r = check_state_read(&v->state, s->journal, seq, err);
	if (r == 0 && v->state.seq != seq)
		r = err_set(err, ERR_CORRUPT,
			    "journal: it ends with commit %llu, but there was a commit "
			    "%llu",
			    (unsigned long long)v->state.seq, (unsigned long long)seq);
	if (r < 0)
		return r;
	v->readable = true;
	return check_state_compare(&v->state, t, &v->report, err);
}

static int check_journal(struct verify *v, struct err *err)
{
	bool again = true;
	int r = 0;

	if (!v->store->journal)
		r = err_set(err, ERR_CORRUPT, "the journal is missing or unusable");
	for (unsigned i = 0; i < ATTEMPTS && again && r == 0; i++) {
		again = false;
		check_state_release(&v->state);
		check_state_init(&v->state);
		r = journal_refresh(v->store->journal, &again, err);
		if (r == 0)
			r = read_ahead(v, err);
		if (r == 0)
			r = compare(v, &again, err);
	}
	if (r == 0 && again)
		r = err_set(err, ERR_BUSY, "the journal is replaced again and again");
	if (r < 0)
		r = check_judge(&v->report, r, err, "%s", "");
	check_state_release_rows(&v->state);
	return r;
}

/* ---- frames and what is made of them ---- */

static int add_pack(void *arg, uint32_t number, uint64_t length, struct err *err)
{
	return check_ranges_add(arg, number, PACK_FILE_HEADER_SIZE, length, err);
}

/* With a damaged journal the catalog still says what was committed. */
static int ranges_of_catalog(struct verify *v, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(v->store), false, &t, err);

	check_ranges_release(&v->state.ranges);
	if (r == 0)
		r = catalog_pack_each(t, add_pack, &v->state.ranges, err);
	check_ranges_settle(&v->state.ranges);
	return r;
}

static int check_tables(struct verify *v, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(v->store), false, &t, err);

	return r < 0 ? r : check_links(t, &v->report, &v->counts, err);
}

static int check_content(struct verify *v, struct check_frames *f,
			 struct check_objects *objects, struct err *err)
{
	bool whole = v->options.sample >= 100;
	int r = check_frames_run(f, err);

	/* The rest is for the run that comes to the end. */
	if (r < 0 || f->reached)
		return r;
	if (!v->options.cursor && v->readable)
		r = check_objects_finish(objects, err);
	if (r == 0)
		r = check_layers(v->store, &v->report, whole, &objects->large, err);
	return r < 0 ? r : check_trees_files(v->store, &v->report, false, err);
}

static int run(struct verify *v, struct check_result *ret, struct err *err)
{
	struct check_objects objects = {.store = v->store,
					.report = &v->report,
					.ranges = &v->state.ranges,
					.dropped = &v->state.dropped};
	struct check_frames frames = {
		.store = v->store,
		.report = &v->report,
		.ranges = &v->state.ranges,
		.sample = v->options.sample,
		.cursor = v->options.cursor,
		.bytes_max = v->options.bytes_max,
		.frame = check_objects_frame,
		.bad = check_objects_bad,
		.arg = &objects,
	};
	int r = check_journal(v, err);

	if (r == 0 && !v->readable)
		r = ranges_of_catalog(v, err);
	if (r == 0)
		r = check_tables(v, err);
	check_objects_init(&objects);
	if (r == 0)
		r = check_content(v, &frames, &objects, err);
	check_objects_release(&objects);
	if (r < 0)
		return r;
	*ret = (struct check_result){
		.frames = frames.frames,
		.objects = frames.objects,
		.layers = v->counts.layers,
		.chains = v->counts.chains,
		.images = v->counts.images,
		.refs = v->counts.refs,
		.bytes = frames.bytes,
		.problems = v->report.problems,
		.cursor = frames.reached,
	};
	return 0;
}

int check_verify(struct store *s, const struct check_options *options,
		 check_problem_fn *problem, void *arg, struct check_result *ret,
		 struct err *err)
{
	struct verify v = {.store = s, .options = *options};
	auto_fd int gc_lock = -1;
	int r;

	if (!s->catalog)
		return err_set(err, ERR_CORRUPT, "the catalog is missing or unusable");
	r = store_gc_lock(s, true, &gc_lock, err);
	/* gc may have put another one in place while we waited. */
	if (r == 0)
		r = catalog_refresh(s->catalog, err);
	if (r < 0)
		return r;
	check_report_init(&v.report, problem, arg);
	check_state_init(&v.state);
	r = run(&v, ret, err);
	check_state_release(&v.state);
	check_report_release(&v.report);
	return r;
}

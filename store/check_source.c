/* SPDX-License-Identifier: Apache-2.0
 * What is known of the store. A whole journal knows all. If it is lost or damaged, the
 * catalog still has what it was brought up to, records of the journal that are whole have
 * what came later, and packs are taken as far as they go. */
#include "store/check_private.h"

#include <sys/file.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/pack_private.h"

#define ITEMS_MAX (1ull << 30)

void check_source_init(struct check_source *src)
{
	*src = (struct check_source){0};
	buf_init(&src->items, ITEMS_MAX);
	digest_map_init(&src->dropped, sizeof(struct digest));
}

void check_source_release(struct check_source *src)
{
	check_ranges_release(&src->ranges);
	buf_release(&src->items);
	digest_map_release(&src->dropped);
}

/* ---- a whole journal ---- */

struct reading {
	struct check_source *src;
	bool ranges, items; /* what is taken of it */
};

static int on_item(void *arg, const struct record_item *item, struct err *err)
{
	struct reading *reading = arg;
	struct check_source *src = reading->src;
	uint32_t i;

	if (item->type == RECORD_DROP &&
	    digest_map_find(&src->dropped, &item->drop.object) < 0)
		return digest_map_add(&src->dropped, &item->drop.object, &i, err);
	if (item->type == RECORD_PACK_GONE && reading->ranges)
		check_ranges_remove(&src->ranges, item->pack_gone.pack);
	if (item->type == RECORD_PACK && reading->ranges)
		return check_ranges_add(&src->ranges, item->pack.pack, item->pack.from,
					item->pack.to, err);
	if (item->type == RECORD_PACK || item->type == RECORD_DROP || !reading->items)
		return 0;
	return record_encode(&src->items, item, err);
}

static int on_record(void *arg, uint64_t seq, const uint8_t *items, size_t len,
		     uint64_t end, struct err *err)
{
	struct reading *reading = arg;

	(void)end;
	reading->src->seq = seq;
	return record_decode(items, len, on_item, arg, err);
}

static int read_journal(struct reading *reading, struct store *s, struct err *err)
{
	uint64_t end, seq;

	return journal_replay(s->journal, journal_start(), 0, on_record, reading, &end,
			      &seq, err);
}

int check_source_items(struct check_source *src, struct store *s, struct err *err)
{
	struct reading reading = {.src = src, .items = true};

	return src->salvaged ? 0 : read_journal(&reading, s, err);
}

/* ---- the catalog, where it is of use ---- */

static int catalog_seq(struct store *s, uint64_t *ret)
{
	*ret = 0;
	if (!s->catalog || catalog_refresh(s->catalog, NULL) < 0)
		return -ERR_NOTFOUND;
	return store_generation(s, ret, NULL);
}

static int dump_catalog(struct check_source *src, struct store *s)
{
	static const struct check_ranges no_ranges;
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct digest_map nothing;
	uint32_t next;
	int r = s->catalog ? catalog_begin(s->catalog, false, &t, NULL) : -ERR_NOTFOUND;

	digest_map_init(&nothing, sizeof(struct digest));
	if (r == 0)
		r = check_dump(t, &no_ranges, &nothing, &src->items, &next, NULL);
	if (r < 0)
		buf_clear(&src->items);
	return r;
}

/* ---- what is left of a journal ---- */

struct remains {
	struct check_source *src;
	struct check_report *told;
	uint64_t after; /* the catalog has all up to this commit */
	uint64_t last;  /* number of the last record that is whole */
	bool gap;       /* something damaged came before the next record */
	bool tail_gap;  /* and nothing whole has followed so far */
};

static int on_remaining(void *arg, uint64_t seq, const uint8_t *items, size_t len,
			uint64_t end, struct err *err)
{
	struct remains *m = arg;
	struct reading reading = {.src = m->src, .ranges = true, .items = true};
	size_t before = m->src->items.len;
	int r;

	(void)end;
	m->last = seq;
	m->tail_gap = false;
	if (seq <= m->after)
		return 0;
	/* A journal that repair has written begins with any number. */
	if (seq != m->src->seq + 1 && (m->src->seq || m->gap))
		m->src->lost = true;
	m->src->seq = seq;
	r = record_decode(items, len, on_item, &reading, err);
	if (r == -ERR_CORRUPT) {
		m->src->items.len = before;
		m->src->lost = true;
		r = 0;
	}
	return r;
}

static void on_gap(void *arg, uint64_t from, uint64_t to)
{
	struct remains *m = arg;

	m->gap = m->tail_gap = true;
	check_problem(m->told, "journal: bytes %llu to %llu are damaged",
		      (unsigned long long)from, (unsigned long long)to);
}

static int read_remains(struct check_source *src, struct store *s,
			struct check_report *told, struct err *err)
{
	struct remains m = {.src = src, .told = told, .after = src->seq};
	struct journal *j = NULL;
	int r = journal_open_damaged(s->dirfd, &j, err);

	if (r == 0)
		r = journal_salvage(j, on_remaining, &m, on_gap, err);
	journal_close(j);
	/* The catalog may have seen the commit of a damaged last record. */
	if (!src->seq || (m.tail_gap && m.last >= m.after))
		src->lost = true;
	return r == -ERR_NOTFOUND ? 0 : r;
}

/* ---- packs as far as they go ---- */

static int add_pack(void *arg, uint32_t number, uint64_t length, struct err *err)
{
	return check_ranges_add(arg, number, PACK_FILE_HEADER_SIZE, length, err);
}

/* All that was committed, by the catalog and, in RANGES already, by later records. */
static int take_known(struct check_source *src, struct store *s, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(s->catalog, false, &t, err);

	if (r == 0)
		r = catalog_pack_each(t, add_pack, &src->ranges, err);
	check_ranges_settle(&src->ranges);
	return r;
}

/* An importer may be appending: then only it knows what will stay. */
static int pack_extent(struct store *s, uint32_t number, uint64_t *ret, struct err *err)
{
	char name[PACK_NAME_SIZE];
	auto_fd int fd = -1;
	int r;

	pack_name(number, name);
	r = io_open(s->packs_dirfd, name, O_RDONLY, 0, &fd, err);
	if (r == 0)
		r = io_lock(fd, true, false, name, err);
	return r < 0 ? r : io_size(fd, ret, name, err);
}

/* RANGES are those that records tell of. */
static int take_packs(struct check_source *src, struct store *s,
		      struct check_report *told, struct err *err)
{
	auto_free uint32_t *numbers = NULL;
	struct check_ranges all = {0};
	size_t count;
	int r = packs_list(s->packs, &numbers, &count, err);

	for (size_t i = 0; i < count && r == 0; i++) {
		uint64_t len = 0;

		r = pack_extent(s, numbers[i], &len, err);
		if (r == -ERR_BUSY) {
			r = 0;
			len = check_ranges_end(&src->ranges, numbers[i]);
			check_problem(told,
				      "pack %08x is in use by an import: only what is "
				      "known of it is taken",
				      numbers[i]);
		} else if (r == -ERR_NOTFOUND) {
			r = 0;
		}
		if (r == 0)
			r = check_ranges_add(&all, numbers[i], PACK_FILE_HEADER_SIZE, len,
					     err);
	}
	check_ranges_release(&src->ranges);
	src->ranges = all;
	check_ranges_settle(&src->ranges);
	return r;
}

/* ---- one or the other ---- */

/* 0; -ERR_CORRUPT: the journal does not know all. */
static int try_journal(struct check_source *src, struct store *s, struct err *err)
{
	struct reading reading = {.src = src, .ranges = true};
	uint64_t seq;
	bool replaced;
	int r;

	if (!s->journal)
		return err_set(err, ERR_CORRUPT, "the journal is missing or unusable");
	r = journal_refresh(s->journal, &replaced, err);
	if (r == 0)
		r = read_journal(&reading, s, err);
	if (r < 0)
		return r;
	if (catalog_seq(s, &seq) == 0 && seq > src->seq)
		return err_set(err, ERR_CORRUPT,
			       "journal: it ends with commit %llu, but there was a "
			       "commit %llu",
			       (unsigned long long)src->seq, (unsigned long long)seq);
	check_ranges_settle(&src->ranges);
	return 0;
}

int check_source_read(struct check_source *src, struct store *s,
		      struct check_report *told, struct err *err)
{
	struct err why = {0};
	bool catalog;
	uint64_t seq;
	int r = try_journal(src, s, &why);

	if (r == 0)
		return 0;
	if (!check_is_damage(r, &why))
		return err_copy(err, &why);
	check_problem(told, "%s", why.msg);
	check_source_release(src);
	check_source_init(src);
	src->salvaged = true;
	catalog = catalog_seq(s, &seq) == 0 && seq && dump_catalog(src, s) == 0;
	if (catalog) {
		src->seq = seq;
		check_problem(told, "the catalog still has all up to commit %llu",
			      (unsigned long long)seq);
	}
	r = read_remains(src, s, told, err);
	check_ranges_settle(&src->ranges);
	if (r == 0 && src->lost)
		return take_packs(src, s, told, err);
	return r == 0 && catalog ? take_known(src, s, err) : r;
}

/* SPDX-License-Identifier: Apache-2.0
 * A catalog with full pages. Digests come in random order, so what is added splits pages
 * into halves, and LMDB never gives the pages back that it does not need any more. */
#include "store/catalog_private.h"

/* Of one page: what its header leaves. */
#define PAGE_HEADER 16
/* Of one entry: its header and the pointer to it. */
#define ENTRY_HEADER 10
/* Entries that are looked at to know how long they are, from the start: in a table with
 * digests as keys these are as good as any. */
#define SAMPLE 256
/* Leaves per page above them, at least. */
#define FANOUT 64
/* Entries between two commits of the new catalog: bounds what LMDB keeps in memory. */
#define STEP 200000

/* In the table that has the mark: see catalog_waste.grown. */
static char full_key[] = "full";

/* ---- is it worth it? ---- */

/* What an entry takes on a leaf. One that is too long for that has pages of its own. */
static size_t entry_size(const MDB_val *key, const MDB_val *value, size_t page)
{
	size_t size = ENTRY_HEADER + key->mv_size + value->mv_size;

	if (size > page / 2)
		size = ENTRY_HEADER + key->mv_size + sizeof(uint64_t);
	return (size + 1) & ~(size_t)1;
}

/* Pages that a table would have if they were full. Raw LMDB result. */
static int needed_pages(struct catalog_txn *t, enum catalog_table table, size_t *pages)
{
	MDB_dbi dbi = t->env->tables[table];
	size_t bytes = 0, count = 0, leaves;
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_stat stat;
	int rc = mdb_stat(t->mdb, dbi, &stat);

	if (rc || stat.ms_entries == 0)
		return rc;
	rc = mdb_cursor_open(t->mdb, dbi, &cursor);
	if (rc)
		return rc;
	while (count < SAMPLE &&
	       (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		bytes += entry_size(&key, &value, stat.ms_psize);
		count++;
	}
	mdb_cursor_close(cursor);
	if ((rc && rc != MDB_NOTFOUND) || count == 0)
		return rc;
	leaves =
		stat.ms_entries * (bytes / count + 1) / (stat.ms_psize - PAGE_HEADER) + 1;
	*pages += leaves + leaves / FANOUT + stat.ms_overflow_pages;
	return 0;
}

/* Raw LMDB result. */
static int count_entries(struct catalog_txn *t, uint64_t *ret)
{
	uint64_t count = 0;
	MDB_stat stat;
	int rc = 0;

	for (int i = CATALOG_META + 1; i < CATALOG_TABLES && rc == 0; i++) {
		rc = mdb_stat(t->mdb, t->env->tables[i], &stat);
		count += rc ? 0 : stat.ms_entries;
	}
	*ret = count;
	return rc;
}

/* How many entries there were when all pages were full; 0: never. */
static int count_when_full(struct catalog_txn *t, uint64_t *ret)
{
	MDB_val key = {sizeof(full_key) - 1, full_key}, value;
	int rc = mdb_get(t->mdb, t->env->tables[CATALOG_META], &key, &value);

	*ret = rc == 0 && value.mv_size == 8 ? get_le64(value.mv_data) : 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int has_grown(struct catalog_txn *t, unsigned percent, bool *ret, struct err *err)
{
	uint64_t full, now;
	int rc = count_when_full(t, &full);

	if (rc == 0)
		rc = count_entries(t, &now);
	if (rc)
		return catalog_error(rc, "cannot tell its size", err);
	*ret = percent == 0 || now > full + full / 100 * percent;
	return 0;
}

int catalog_compact_gains(struct catalog *c, const struct catalog_waste *limits,
			  bool *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	size_t needed = 0, pages;
	MDB_envinfo info;
	MDB_stat stat;
	bool grown;
	int rc = 0, r = catalog_begin(c, false, &t, err);

	if (r < 0)
		return r;
	mdb_env_info(t->env->mdb, &info);
	mdb_env_stat(t->env->mdb, &stat);
	pages = info.me_last_pgno + 1;
	r = has_grown(t, limits->grown, &grown, err);
	if (r < 0)
		return r;
	if (!grown || pages * stat.ms_psize < limits->least) {
		*ret = false;
		return 0;
	}
	for (int i = CATALOG_META + 1; i < CATALOG_TABLES && rc == 0; i++)
		rc = needed_pages(t, i, &needed);
	if (rc)
		return catalog_error(rc, "cannot tell its size", err);
	*ret = pages > needed + needed * limits->percent / 100;
	return 0;
}

/* ---- copying ---- */

struct copy {
	struct catalog_txn *from, *to;
	struct catalog *side;
	size_t entries; /* since the last commit */
};

static int step(struct copy *c, struct err *err)
{
	int r;

	if (c->entries < STEP)
		return 0;
	c->entries = 0;
	r = catalog_commit(steal_ptr(&c->to), err);
	return r < 0 ? r : catalog_begin(c->side, true, &c->to, err);
}

static int copy_entries(struct copy *c, enum catalog_table table, MDB_cursor *cursor,
			struct err *err)
{
	MDB_val key, value;
	int r = 0, rc;

	while (r == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		rc = mdb_put(c->to->mdb, c->to->env->tables[table], &key, &value,
			     MDB_APPEND);
		if (rc)
			return catalog_error(rc, "cannot copy it", err);
		c->entries++;
		r = step(c, err);
	}
	if (r == 0 && rc != MDB_NOTFOUND)
		r = catalog_error(rc, "cannot read it", err);
	return r;
}

static int copy_table(struct copy *c, enum catalog_table table, struct err *err)
{
	MDB_cursor *cursor;
	int r, rc = mdb_cursor_open(c->from->mdb, c->from->env->tables[table], &cursor);

	if (rc)
		return catalog_error(rc, "cannot read it", err);
	r = copy_entries(c, table, cursor, err);
	mdb_cursor_close(cursor);
	return r;
}

static int copy_mark(struct copy *c, struct err *err)
{
	struct catalog_mark mark;
	int r = catalog_mark_get(c->from, &mark, err);

	return r < 0 ? r : catalog_mark_set(c->to, &mark, err);
}

static int note_full(struct catalog_txn *t, struct err *err)
{
	MDB_val key = {sizeof(full_key) - 1, full_key}, value = {8, (uint8_t[8]){0}};
	uint64_t count;
	int rc = count_entries(t, &count);

	if (rc == 0) {
		put_le64(value.mv_data, count);
		rc = mdb_put(t->mdb, t->env->tables[CATALOG_META], &key, &value, 0);
	}
	return rc ? catalog_error(rc, "cannot write", err) : 0;
}

static int copy_all(struct catalog *from, struct catalog *side, struct err *err)
{
	struct copy c = {.side = side};
	int r = catalog_begin(from, false, &c.from, err);

	if (r == 0)
		r = catalog_begin(side, true, &c.to, err);
	for (int i = CATALOG_META + 1; i < CATALOG_TABLES && r == 0; i++)
		r = copy_table(&c, i, err);
	if (r == 0)
		r = copy_mark(&c, err);
	if (r == 0)
		r = note_full(c.to, err);
	if (r == 0)
		r = catalog_commit(steal_ptr(&c.to), err);
	catalog_abort(c.to);
	catalog_abort(c.from);
	return r;
}

int catalog_compact(struct catalog *c, struct err *err)
{
	struct catalog *side;
	int r = catalog_build(c->store, &side, err);

	if (r < 0)
		return r;
	r = copy_all(c, side, err);
	if (r == 0)
		return catalog_exchange(c, side, err);
	catalog_discard(side);
	return r;
}

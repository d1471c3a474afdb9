/* SPDX-License-Identifier: Apache-2.0
 * The open store and the commit. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "store/base/io.h"
#include "store/perms.h"
#include "store/store_private.h"

#define REPAIR_HINT "'layercache repair' puts right what can be"

/* ---- opening ---- */

static int open_dir(struct store *s, const char *name, int *ret_fd, struct err *err)
{
	return io_open(s->dirfd, name, O_RDONLY | O_DIRECTORY, 0, ret_fd, err);
}

/* The directory of derived files may have been deleted. */
static int open_trees(struct store *s, struct err *err)
{
	int r = s->writable ? perms_mkdir(s->dirfd, STORE_TREES_DIR, err) : 0;

	if (r == 0)
		r = open_dir(s, STORE_TREES_DIR, &s->trees_dirfd, err);
	return r == -ERR_NOTFOUND && !s->writable ? 0 : r;
}

static int open_directories(struct store *s, const char *path, struct err *err)
{
	int r = io_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &s->dirfd, err);

	if (r == -ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "there is no store in '%s'", path);
	if (r == 0)
		r = store_gate_version(s->dirfd, path, s->writable, err);
	if (r == 0)
		r = store_gate_filesystem(s->dirfd, path, err);
	if (r < 0)
		return r;
	s->path = realpath(path, NULL);
	if (!s->path)
		return err_sys(err, errno, "cannot resolve '%s'", path);
	r = io_open(s->dirfd, STORE_LOCK_FILE, O_RDONLY, 0, &s->lock_fd, err);
	if (r == 0)
		r = open_dir(s, STORE_PACKS_DIR, &s->packs_dirfd, err);
	if (r == 0)
		r = open_trees(s, err);
	if (r == 0)
		r = packs_new(s->packs_dirfd, &s->packs, err);
	if (r == 0)
		r = alternates_new(s->dirfd, s->packs, &s->alternates, err);
	return r;
}

/* What is missing or unusable here stays NULL: recovery sees to it. */
static int open_state(struct store *s, bool recovery, struct err *err)
{
	int r = journal_open(s->dirfd, false, s->writable, &s->journal, err);

	if (r == -ERR_NOTFOUND && recovery)
		r = err_set(err, ERR_CORRUPT, "the journal is missing");
	if ((r == -ERR_NOTFOUND || r == -ERR_CORRUPT) && !recovery)
		r = 0;
	if (r < 0)
		return r;
	r = catalog_open(s->path, s->writable, &s->catalog, err);
	return r == -ERR_NOTFOUND || r == -ERR_CORRUPT ? 0 : r;
}

static int recover_locked(struct store *s, struct err *err)
{
	int r = store_lock(s, err);

	if (r < 0)
		return r;
	r = store_recover(s, err);
	store_unlock(s);
	return r;
}

/* Reading changes nothing but a catalog that is of no use: that is only a cache, so it is
 * made anew by whoever may do so. */
static int recover_for_reading(struct store *s, struct err *err)
{
	struct catalog_txn *t = NULL;
	struct catalog_mark mark;
	uint64_t size;
	int r;

	if (s->catalog) {
		r = catalog_begin(s->catalog, false, &t, err);
		if (r == 0)
			r = catalog_mark_get(t, &mark, err);
		catalog_abort(t);
		if (r == 0)
			r = journal_size(s->journal, &size, err);
		if (r < 0 || mark.journal_end || size <= journal_start())
			return r;
	}
	if (faccessat(s->dirfd, ".", W_OK, AT_EACCESS) < 0)
		return err_set(err, ERR_CORRUPT,
			       "its catalog is missing or unusable and we may not "
			       "write here; " REPAIR_HINT);
	return recover_locked(s, err);
}

static int recover(struct store *s, struct err *err)
{
	bool needed;
	int r;

	if (!s->writable)
		return recover_for_reading(s, err);
	r = store_recover_needed(s, &needed, err);
	return r < 0 || !needed ? r : recover_locked(s, err);
}

static int open_parts(struct store *s, const char *path, bool recovery, struct err *err)
{
	struct err cause = {0};
	int r = open_directories(s, path, err);

	if (r < 0)
		return r;
	r = open_state(s, recovery, &cause);
	if (r == 0 && recovery)
		r = recover(s, &cause);
	if (r == -ERR_CORRUPT && !strstr(cause.msg, "repair'"))
		return err_set(err, ERR_CORRUPT, "store '%s': %s; " REPAIR_HINT, path,
			       cause.msg);
	if (r < 0) {
		err_wrap(&cause, "store '%s'", path);
		err_copy(err, &cause);
	}
	return r;
}

int store_open(const char *path, unsigned flags, struct store **ret, struct err *err)
{
	struct store *s;
	int r = 0;

	if (flags & STORE_CREATE) {
		flags |= STORE_WRITE;
		r = store_init(path, (gid_t)-1, err);
	}
	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_nomem(err);
	s->dirfd = s->packs_dirfd = s->trees_dirfd = s->lock_fd = -1;
	s->writable = flags & STORE_WRITE;
	pthread_mutex_init(&s->lock, NULL);
	r = open_parts(s, path, !(flags & STORE_NO_RECOVERY), err);
	if (r < 0) {
		store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void store_close(struct store *s)
{
	if (!s)
		return;
	catalog_close(s->catalog);
	journal_close(s->journal);
	alternates_free(s->alternates);
	packs_free(s->packs);
	close_fd(s->lock_fd);
	close_fd(s->trees_dirfd);
	close_fd(s->packs_dirfd);
	close_fd(s->dirfd);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s);
}

/* ---- parts ---- */

const char *store_path(const struct store *s)
{
	return s->path;
}

int store_dirfd(const struct store *s)
{
	return s->dirfd;
}

int store_packs_dirfd(const struct store *s)
{
	return s->packs_dirfd;
}

int store_trees_dirfd(const struct store *s)
{
	return s->trees_dirfd;
}

struct catalog *store_catalog(struct store *s)
{
	return s->catalog;
}

struct packs *store_packs(struct store *s)
{
	return s->packs;
}

struct alternates *store_alternates(struct store *s)
{
	return s->alternates;
}

int store_object_get(struct store *s, struct catalog_txn *t, const struct digest *d,
		     struct object_place *ret, struct err *err)
{
	char absent[PATH_MAX], text[DIGEST_TEXT_SIZE];
	int r = catalog_object_get(t, d, ret, NULL);

	if (r == -ERR_NOTFOUND)
		r = alternates_object_get(s->alternates, d, ret, NULL);
	if (r < 0)
		r = catalog_object_get(t, d, ret, err);
	if (r == -ERR_NOTFOUND && err &&
	    alternates_absent(s->alternates, absent, sizeof(absent)))
		err_set(err, ERR_NOTFOUND,
			"object %s is not here, and the alternate '%s' cannot be read",
			digest_format(d, text), absent);
	return r;
}

bool store_writable(const struct store *s)
{
	return s->writable;
}

int store_generation(struct store *s, uint64_t *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct catalog_mark mark;
	int r = catalog_begin(s->catalog, false, &t, err);

	if (r == 0)
		r = catalog_mark_get(t, &mark, err);
	if (r == 0)
		*ret = mark.seq;
	return r;
}

/* ---- the lock ---- */

int store_lock(struct store *s, struct err *err)
{
	int r;

	pthread_mutex_lock(&s->lock);
	r = io_lock(s->lock_fd, true, true, s->path, err);
	if (r < 0)
		pthread_mutex_unlock(&s->lock);
	return r;
}

void store_unlock(struct store *s)
{
	flock(s->lock_fd, LOCK_UN);
	pthread_mutex_unlock(&s->lock);
}

/* ---- commit ---- */

struct commit {
	struct store *store;
	struct catalog_txn *txn;
	struct catalog_mark mark;
	struct buf items;
};

struct catalog_txn *store_commit_txn(struct commit *c)
{
	return c->txn;
}

int store_commit_add(struct commit *c, const struct record_item *item, struct err *err)
{
	return record_encode(&c->items, item, err);
}

uint32_t store_commit_number(struct commit *c)
{
	return c->mark.next_number++;
}

static int apply_known(void *arg, const struct record_item *item, struct err *err)
{
	struct commit *c = arg;

	return store_apply(c->store, c->txn, item, true, err);
}

static int apply_unknown(void *arg, const struct record_item *item, struct err *err)
{
	struct commit *c = arg;

	return store_apply(c->store, c->txn, item, false, err);
}

static int apply(struct commit *c, struct catalog_object *objects, size_t count,
		 uint64_t end, struct err *err)
{
	struct catalog_mark mark;
	int r = 0;

	if (objects)
		r = catalog_object_put(c->txn, objects, count, err);
	if (r == 0)
		r = record_decode(c->items.data, c->items.len,
				  objects ? apply_known : apply_unknown, c, err);
	if (r == 0)
		r = catalog_mark_get(c->txn, &mark, err);
	if (r < 0)
		return r;
	mark.journal_last = c->mark.journal_end;
	mark.journal_end = end;
	mark.seq = c->mark.seq + 1;
	return catalog_mark_set(c->txn, &mark, err);
}

/* The record is in the journal before the catalog knows of it: from there on the commit has
 * happened, and what goes wrong with the catalog is put right by the next one. */
static int publish(struct commit *c, struct catalog_object *objects, size_t count,
		   struct err *err)
{
	uint64_t end;
	int r = journal_append(c->store->journal, c->mark.journal_end, c->mark.seq + 1,
			       c->items.data, c->items.len, &end, err);

	if (r == 0)
		r = apply(c, objects, count, end, err);
	return r < 0 ? r : catalog_commit(steal_ptr(&c->txn), err);
}

static int commit_locked(struct commit *c, store_fill_fn *fill, void *arg,
			 struct catalog_object *objects, size_t count, struct err *err)
{
	struct store *s = c->store;
	int r = store_recover(s, err);

	if (r == 0)
		r = catalog_begin(s->catalog, true, &c->txn, err);
	if (r == 0)
		r = catalog_mark_get(c->txn, &c->mark, err);
	if (r == 0 && !c->mark.journal_end)
		c->mark.journal_end = journal_start();
	if (r == 0)
		r = fill(c, arg, err);
	if (r == 0 && c->items.len)
		r = publish(c, objects, count, err);
	catalog_abort(c->txn);
	return r;
}

int store_commit(struct store *s, store_fill_fn *fill, void *arg,
		 struct catalog_object *objects, size_t object_count, struct err *err)
{
	struct commit c = {.store = s};
	int r;

	if (!s->writable || !s->journal)
		return err_set(err, ERR_FAILED, "the store '%s' is open read-only",
			       s->path);
	r = store_lock(s, err);
	if (r < 0)
		return r;
	buf_init(&c.items, JOURNAL_RECORD_MAX);
	r = commit_locked(&c, fill, arg, objects, object_count, err);
	buf_release(&c.items);
	store_unlock(s);
	return r;
}

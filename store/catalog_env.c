/* SPDX-License-Identifier: Apache-2.0
 * LMDB environments: opening them with what LMDB needs to be safe, and telling what is wrong
 * in words that help. */
#include "store/catalog_private.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "store/base/io.h"
#include "store/perms.h"

#define MAP_SIZE     (1ull << 40)
#define MAP_SIZE_MIN (1ull << 28)
#define READERS_MAX  512
#define PATH_SIZE    4200
#define OPEN_TRIES   16 /* while the directory is being replaced */
#define CLOSED_TRIES 50
#define CLOSED_WAIT  500000 /* nanoseconds; a few of them, not the same for all */

/* Another process with our number (in another pid namespace) blocks the reader table. If it
 * lives shortly, waiting is enough. */
#define BLOCKED_TRIES 20
#define BLOCKED_WAIT  (100 * 1000 * 1000l) /* ns */

static const char *const table_names[CATALOG_TABLES] = {
	[CATALOG_OBJECTS] = "objects",     [CATALOG_LAYERS] = "layers",
	[CATALOG_CHAINS] = "chains",       [CATALOG_BLOBS] = "blobs",
	[CATALOG_IMAGES] = "images",       [CATALOG_REFS] = "refs",
	[CATALOG_TREES] = "trees",         [CATALOG_PACKS] = "packs",
	[CATALOG_KEYS] = "keys",           [CATALOG_ENCODINGS] = "encodings",
	[CATALOG_ARTIFACTS] = "artifacts",
};

static bool is_blocked(int rc)
{
	return rc == EAGAIN || rc == EACCES;
}

int catalog_error(int rc, const char *what, struct err *err)
{
	switch (rc) {
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_PANIC:
	case MDB_BAD_TXN:
		return err_set(err, ERR_CORRUPT,
			       "catalog: %s: it is damaged (%s); 'layercache repair' "
			       "rebuilds it",
			       what, mdb_strerror(rc));
	case MDB_MAP_FULL:
	case MDB_MAP_RESIZED:
		return err_set(err, ERR_LIMIT,
			       "catalog: %s: it has outgrown the address space that this "
			       "process may use (ulimit -v)",
			       what);
	case MDB_READERS_FULL:
		return err_set(err, ERR_BUSY,
			       "catalog: %s: more than %d readers at the same time", what,
			       READERS_MAX);
	case EAGAIN:
		return err_set(err, ERR_BUSY,
			       "catalog: %s: a process with the same number as ours in "
			       "another pid namespace uses it; try again, or share the "
			       "pid namespace",
			       what);
	default:
		if (rc > 0)
			return err_sys(err, rc, "catalog: %s", what);
		return err_set(err, ERR_FAILED, "catalog: %s: %s", what,
			       mdb_strerror(rc));
	}
}

int catalog_env_begin(struct catalog_env *e, bool write, MDB_txn **ret, struct err *err)
{
	unsigned flags = write ? 0 : MDB_RDONLY;
	int dead, rc = mdb_txn_begin(e->mdb, NULL, flags, ret);

	if (rc == MDB_READERS_FULL && mdb_reader_check(e->mdb, &dead) == 0)
		rc = mdb_txn_begin(e->mdb, NULL, flags, ret);
	return rc ? catalog_error(rc, "cannot begin a transaction", err) : 0;
}

void catalog_env_touch(struct catalog_env *e)
{
	char name[] = "replaced";
	MDB_val key = {sizeof(name) - 1, name}, value = {0, NULL};
	MDB_txn *txn;

	mdb_env_set_flags(e->mdb, MDB_NOSYNC, 1);
	if (mdb_txn_begin(e->mdb, NULL, 0, &txn))
		return;
	if (mdb_put(txn, e->tables[CATALOG_META], &key, &value, 0))
		mdb_txn_abort(txn);
	else
		mdb_txn_commit(txn);
}

/* ---- opening ---- */

/* The file may be shorter than it says: touching what is missing would be SIGBUS. */
static int check_length(struct catalog_env *e, const char *dir, struct err *err)
{
	char path[PATH_SIZE];
	MDB_envinfo info;
	struct stat st;
	MDB_stat page;

	/* In this order: a commit of another process makes the file longer first. */
	mdb_env_info(e->mdb, &info);
	mdb_env_stat(e->mdb, &page);
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	if (stat(path, &st) < 0)
		return err_sys(err, errno, "cannot stat '%s'", path);
	e->dev = st.st_dev;
	e->ino = st.st_ino;
	if ((uint64_t)st.st_size / page.ms_psize <= info.me_last_pgno)
		return err_set(err, ERR_CORRUPT, "catalog: its file is cut short");
	return 0;
}

/* Opens one environment handle; with less address space if that is what it takes. */
static int open_mapped(const char *dir, unsigned mdb_flags, MDB_env **ret,
		       struct err *err)
{
	uint64_t map = MAP_SIZE;
	MDB_env *mdb;
	int rc;

	for (;; map /= 4) {
		rc = mdb_env_create(&mdb);
		if (rc)
			return catalog_error(rc, "cannot open it", err);
		mdb_env_set_mapsize(mdb, map);
		mdb_env_set_maxdbs(mdb, CATALOG_TABLES);
		mdb_env_set_maxreaders(mdb, READERS_MAX);
		rc = mdb_env_open(mdb, dir, mdb_flags, 0600);
		if (rc == 0)
			break;
		mdb_env_close(mdb);
		if (rc != ENOMEM || map <= MAP_SIZE_MIN)
			return catalog_error(rc, "cannot open it", err);
	}
	*ret = mdb;
	return 0;
}

/* Gives the tables their handles; *ret_missing: not all are there. Raw LMDB result. */
static int open_tables(struct catalog_env *e, bool create, bool *ret_missing)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(e->mdb, NULL, create ? 0 : MDB_RDONLY, &txn);

	if (rc)
		return rc;
	*ret_missing = false;
	for (int i = 0; i < CATALOG_TABLES && rc == 0; i++)
		rc = mdb_dbi_open(txn, table_names[i],
				  create && table_names[i] ? MDB_CREATE : 0,
				  &e->tables[i]);
	if (rc == MDB_NOTFOUND && !create) {
		*ret_missing = true;
		rc = 0;
	}
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* The first read transaction registers the process in the reader table: if that is
 * blocked, it shows here. */
static int register_reader(struct catalog_env *e, bool *ret_missing)
{
	const struct timespec wait = {.tv_nsec = BLOCKED_WAIT};
	int rc = open_tables(e, false, ret_missing);

	for (int i = 0; is_blocked(rc) && i < BLOCKED_TRIES; i++) {
		nanosleep(&wait, NULL);
		rc = open_tables(e, false, ret_missing);
	}
	return is_blocked(rc) ? EAGAIN : rc;
}

static int check_layout(struct catalog_env *e, struct err *err)
{
	char name[] = "mark";
	MDB_val key = {sizeof(name) - 1, name}, value;
	MDB_txn *txn;
	bool other;
	int rc, r = catalog_env_begin(e, false, &txn, err);

	if (r < 0)
		return r;
	rc = mdb_get(txn, e->tables[CATALOG_META], &key, &value);
	other = rc == 0 && (value.mv_size != CATALOG_MARK_SIZE ||
			    get_le32(value.mv_data) != CATALOG_LAYOUT);
	mdb_txn_abort(txn);
	if (rc && rc != MDB_NOTFOUND)
		return catalog_error(rc, "cannot read it", err);
	if (other)
		return err_set(err, ERR_CORRUPT, "catalog: it has another layout");
	return 0;
}

/* The LMDB of Debian 13 destroys its mutexes when the last process closes the lock file. Who
 * waits to open it at that moment gets them destroyed: when nobody has such a handle any
 * more, the next to open makes them anew. *RET_RC: LMDB's result of the first transaction. */
static int open_registered(const char *dir, unsigned mdb_flags, struct catalog_env *e,
			   bool *ret_missing, int *ret_rc, struct err *err)
{
	for (int i = 0;; i++) {
		const struct timespec wait = {.tv_nsec =
						      (getpid() % 7 + 1) * CLOSED_WAIT};
		int dead, r = open_mapped(dir, mdb_flags, &e->mdb, err);

		if (r == 0)
			r = check_length(e, dir, err);
		if (r < 0)
			return r;
		mdb_reader_check(e->mdb, &dead);
		*ret_rc = register_reader(e, ret_missing);
		if (*ret_rc != EINVAL || i == CLOSED_TRIES)
			return 0;
		mdb_env_close(e->mdb);
		e->mdb = NULL;
		nanosleep(&wait, NULL);
	}
}

static int open_env(const char *dir, unsigned flags, struct catalog_env *e,
		    struct err *err)
{
	unsigned mdb_flags = MDB_NOTLS | MDB_NORDAHEAD;
	bool missing = false;
	int r, rc;

	if (!(flags & CATALOG_ENV_WRITE))
		mdb_flags |= MDB_RDONLY;
	if (flags & CATALOG_ENV_BULK)
		mdb_flags |= MDB_NOSYNC;
	if (e->lockless)
		mdb_flags |= MDB_NOLOCK;
	r = open_registered(dir, mdb_flags, e, &missing, &rc, err);
	if (r < 0)
		return r;
	if (rc == 0 && missing && (flags & CATALOG_ENV_WRITE))
		rc = open_tables(e, true, &missing);
	if (rc)
		return catalog_error(rc, "cannot open its tables", err);
	if (missing)
		return err_set(err, ERR_NOTFOUND, "catalog: it is not complete");
	return check_layout(e, err);
}

/* ---- files ---- */

/* LMDB makes its files with our umask. */
static int adopt_files(const char *dir, struct err *err)
{
	auto_fd int fd = -1;
	int r = io_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, &fd, err);

	if (r == 0)
		r = perms_adopt(fd, "data.mdb", err);
	if (r == 0)
		r = perms_adopt(fd, "lock.mdb", err);
	return r;
}

/* What is there already: the data, and a lock file that we may use. */
static void look_at_files(const char *dir, bool *ret_data, bool *ret_lock)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	*ret_data = access(path, F_OK) == 0 || errno != ENOENT;
	snprintf(path, sizeof(path), "%s/lock.mdb", dir);
	*ret_lock = eaccess(path, R_OK | W_OK) == 0 ||
		    (errno == ENOENT && eaccess(dir, W_OK) == 0);
}

static int open_here(const char *dir, unsigned flags, struct catalog_env **ret,
		     struct err *err)
{
	bool write = flags & CATALOG_ENV_WRITE;
	struct catalog_env *e;
	bool data, lock;
	int r = 0;

	look_at_files(dir, &data, &lock);
	if (!data && !write)
		return err_set(err, ERR_NOTFOUND, "there is no catalog");
	e = calloc(1, sizeof(*e));
	if (!e)
		return err_nomem(err);
	e->users = 1;
	e->lockless = !lock && !write;
	r = open_env(dir, flags, e, err);
	if (r == -ERR_BUSY && !write && !e->lockless) {
		/* Blocked by a process with our number: do without the reader table. */
		mdb_env_close(e->mdb);
		e->mdb = NULL;
		e->lockless = true;
		r = open_env(dir, flags, e, err);
	}
	if (r == 0 && !data)
		r = adopt_files(dir, err);
	if (r < 0) {
		catalog_env_close(e);
		return r;
	}
	*ret = e;
	return 0;
}

/* Whether FD is still what the path leads to; while it is open nothing else can look so. */
static bool is_in_place(int fd, const char *dir)
{
	struct stat held, there;

	return fstat(fd, &held) == 0 && stat(dir, &there) == 0 &&
	       held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

/* The directory may be replaced meanwhile: LMDB must not get the data of one and the lock
 * file of the other, so both are opened below a directory that is held. */
int catalog_env_open(const char *dir, unsigned flags, struct catalog_env **ret,
		     struct err *err)
{
	for (unsigned i = 0;; i++) {
		struct catalog_env *e = NULL;
		auto_fd int fd = -1;
		char held[64];
		int r = io_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0, &fd, err);

		if (r < 0)
			return r;
		snprintf(held, sizeof(held), "/proc/self/fd/%d", fd);
		r = open_here(is_in_place(fd, held) ? held : dir, flags, &e, err);
		if (i < OPEN_TRIES && !is_in_place(fd, dir)) {
			catalog_env_close(e);
			continue;
		}
		if (r == 0)
			*ret = e;
		return r;
	}
}

void catalog_env_close(struct catalog_env *e)
{
	if (!e)
		return;
	if (e->mdb)
		mdb_env_close(e->mdb);
	free(e);
}

int catalog_env_sync(struct catalog_env *e, struct err *err)
{
	int rc = mdb_env_sync(e->mdb, 1);

	return rc ? catalog_error(rc, "cannot make it durable", err) : 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * The open catalog: one per process and store, shared; its transactions; and how a rebuilt
 * one takes the place of the old, under readers that live on. */
#include "store/catalog_private.h"

#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/perms.h"

#define DIR_NAME  "catalog"
#define SIDE_NAME "catalog.new"
#define PATH_SIZE 4200

/* LMDB forbids opening an environment twice in a process. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct catalog *registry;

static int path_of(const char *store, const char *name, char path[PATH_SIZE],
		   struct err *err)
{
	if (snprintf(path, PATH_SIZE, "%s/%s", store, name) >= PATH_SIZE)
		return err_set(err, ERR_FAILED, "path too long: '%s'", store);
	return 0;
}

static int open_dir(const char *store, int *ret_fd, struct err *err)
{
	return io_open(AT_FDCWD, store, O_RDONLY | O_DIRECTORY, 0, ret_fd, err);
}

static void catalog_free(struct catalog *c)
{
	catalog_env_close(c->env);
	pthread_mutex_destroy(&c->lock);
	free(c->store);
	free(c);
}

static int catalog_new(const char *store, const char *name, unsigned env_flags,
		       struct catalog **ret, struct err *err)
{
	struct catalog *c = calloc(1, sizeof(*c));
	char path[PATH_SIZE];
	auto_fd int dirfd = -1;
	struct stat st;
	int r;

	if (!c)
		return err_nomem(err);
	pthread_mutex_init(&c->lock, NULL);
	c->users = 1;
	c->writable = env_flags & CATALOG_ENV_WRITE;
	c->store = strdup(store);
	r = c->store ? open_dir(store, &dirfd, err) : err_nomem(err);
	if (r == 0 && fstat(dirfd, &st) < 0)
		r = err_sys(err, errno, "cannot stat '%s'", store);
	if (r == 0 && c->writable)
		r = perms_mkdir(dirfd, name, err);
	if (r == 0)
		r = path_of(store, name, path, err);
	if (r == 0)
		r = catalog_env_open(path, env_flags, &c->env, err);
	if (r < 0) {
		catalog_free(c);
		return r;
	}
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	*ret = c;
	return 0;
}

static struct catalog *find_open(const char *store)
{
	struct catalog *c = registry;
	struct stat st;

	if (stat(store, &st) < 0)
		return NULL;
	while (c && (c->dev != st.st_dev || c->ino != st.st_ino))
		c = c->next;
	return c;
}

int catalog_open(const char *store_path, bool writable, struct catalog **ret,
		 struct err *err)
{
	struct catalog *c;
	int r = 0;

	pthread_mutex_lock(&registry_lock);
	c = find_open(store_path);
	if (c && writable && !c->writable) {
		r = err_set(err, ERR_BUSY,
			    "the store '%s' is open read-only in this process already",
			    store_path);
	} else if (c) {
		c->users++;
	} else {
		r = catalog_new(store_path, DIR_NAME, writable ? CATALOG_ENV_WRITE : 0,
				&c, err);
		if (r == 0) {
			c->next = registry;
			registry = c;
		}
	}
	pthread_mutex_unlock(&registry_lock);
	if (r == 0)
		*ret = c;
	return r;
}

void catalog_close(struct catalog *c)
{
	struct catalog **at = &registry;

	if (!c)
		return;
	pthread_mutex_lock(&registry_lock);
	if (--c->users == 0) {
		while (*at && *at != c)
			at = &(*at)->next;
		if (*at)
			*at = c->next;
		catalog_free(c);
	}
	pthread_mutex_unlock(&registry_lock);
}

/* ---- transactions ---- */

/* Called with the lock. */
static void env_put(struct catalog_env *e)
{
	if (--e->users == 0)
		catalog_env_close(e);
}

/* Goes over to a catalog that was put in place of ours, if there is one. The old one stays
 * open until its last transaction ends. Called with the lock. */
static int refresh(struct catalog *c, struct err *err)
{
	struct catalog_env *fresh;
	char path[PATH_SIZE];
	struct stat st;
	int r = path_of(c->store, DIR_NAME "/data.mdb", path, err);

	if (r < 0)
		return r;
	if (stat(path, &st) < 0)
		return err_set(err, ERR_NOTFOUND, "the catalog of '%s' was removed",
			       c->store);
	if (st.st_dev == c->env->dev && st.st_ino == c->env->ino)
		return 0;
	r = path_of(c->store, DIR_NAME, path, err);
	if (r == 0)
		r = catalog_env_open(path, c->writable ? CATALOG_ENV_WRITE : 0, &fresh,
				     err);
	if (r < 0)
		return r;
	env_put(c->env);
	c->env = fresh;
	return 0;
}

int catalog_refresh(struct catalog *c, struct err *err)
{
	int r;

	pthread_mutex_lock(&c->lock);
	r = refresh(c, err);
	pthread_mutex_unlock(&c->lock);
	return r;
}

static int env_get(struct catalog *c, bool write, struct catalog_env **ret,
		   struct err *err)
{
	struct timespec now;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	pthread_mutex_lock(&c->lock);
	if (!c->side && (write || now.tv_sec != c->looked)) {
		r = refresh(c, write ? err : NULL);
		if (!write)
			r = 0; /* what is open still tells the truth of its time */
		c->looked = now.tv_sec;
	}
	if (r == 0) {
		c->env->users++;
		*ret = c->env;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* Keeps commits out while a lockless transaction reads. */
static int lock_store(struct catalog *c, int *ret_fd, struct err *err)
{
	char path[PATH_SIZE];
	auto_fd int fd = -1;
	int r = path_of(c->store, "lock", path, err);

	if (r == 0)
		r = io_open(AT_FDCWD, path, O_RDONLY, 0, &fd, err);
	if (r == 0)
		r = io_lock(fd, false, true, path, err);
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

/* Gives back what the transaction holds, once LMDB's part has ended. */
static void txn_free(struct catalog_txn *t)
{
	struct catalog *c = t->catalog;

	if (t->env) {
		pthread_mutex_lock(&c->lock);
		env_put(t->env);
		pthread_mutex_unlock(&c->lock);
	}
	if (t->lock_fd >= 0)
		close(t->lock_fd);
	free(t);
}

static int begin(struct catalog *c, bool write, struct catalog_txn **ret, struct err *err)
{
	struct catalog_txn *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_nomem(err);
	t->catalog = c;
	t->lock_fd = -1;
	if (write && !c->writable)
		r = err_set(err, ERR_FAILED, "the store '%s' is open read-only",
			    c->store);
	else
		r = env_get(c, write, &t->env, err);
	if (r == 0 && t->env->lockless)
		r = lock_store(c, &t->lock_fd, err);
	if (r == 0)
		r = catalog_env_begin(t->env, write, &t->mdb, err);
	if (r < 0) {
		txn_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

/* Whether a read sees what is not in use any more. Who replaces a catalog writes to the old
 * one once more (catalog_exchange), so a look at the file is needed only after a commit. */
static bool is_replaced(struct catalog_txn *t)
{
	struct catalog *c = t->catalog;
	size_t id = mdb_txn_id(t->mdb);
	bool replaced;

	if (c->side || atomic_load_explicit(&t->env->seen, memory_order_relaxed) == id)
		return false;
	pthread_mutex_lock(&c->lock);
	if (t->env == c->env)
		(void)!refresh(c, NULL);
	replaced = t->env != c->env;
	atomic_store_explicit(&t->env->seen, id, memory_order_relaxed);
	pthread_mutex_unlock(&c->lock);
	return replaced;
}

int catalog_begin(struct catalog *c, bool write, struct catalog_txn **ret,
		  struct err *err)
{
	struct catalog_txn *t;
	int r = begin(c, write, &t, err);

	if (r == 0 && !write && is_replaced(t)) {
		catalog_abort(t);
		r = begin(c, write, &t, err);
	}
	if (r == 0)
		*ret = t;
	return r;
}

int catalog_commit(struct catalog_txn *t, struct err *err)
{
	int rc = mdb_txn_commit(t->mdb);

	txn_free(t);
	return rc ? catalog_error(rc, "cannot commit", err) : 0;
}

void catalog_abort(struct catalog_txn *t)
{
	if (!t)
		return;
	mdb_txn_abort(t->mdb);
	txn_free(t);
}

/* ---- a new one in place of the old ---- */

/* Removes a catalog directory; what is not LMDB's stays. */
static void remove_dir(const char *store, const char *name)
{
	char path[PATH_SIZE];
	auto_fd int fd = -1;

	if (path_of(store, name, path, NULL) < 0)
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	unlinkat(fd, "data.mdb", 0);
	unlinkat(fd, "lock.mdb", 0);
	rmdir(path);
}

int catalog_build(const char *store_path, struct catalog **ret, struct err *err)
{
	int r;

	remove_dir(store_path, SIDE_NAME);
	r = catalog_new(store_path, SIDE_NAME, CATALOG_ENV_WRITE | CATALOG_ENV_BULK, ret,
			err);
	if (r < 0)
		remove_dir(store_path, SIDE_NAME);
	else
		(*ret)->side = true;
	return r;
}

/* ALWAYS: also if there is no old one, or if the filesystem cannot exchange two directories:
 * then there is none for a moment. */
static int swap_in(const char *store, bool always, struct err *err)
{
	auto_fd int fd = -1;
	int r = open_dir(store, &fd, err);

	if (r < 0)
		return r;
	if (renameat2(fd, SIDE_NAME, fd, DIR_NAME, RENAME_EXCHANGE) < 0) {
		if (!always)
			return err_sys(err, errno, "cannot replace the catalog of '%s'",
				       store);
		remove_dir(store, DIR_NAME);
		r = io_rename(fd, SIDE_NAME, DIR_NAME, err);
	}
	return r < 0 ? r : io_sync_dir(fd, store, err);
}

int catalog_install(struct catalog *c, struct err *err)
{
	int r = catalog_env_sync(c->env, err);

	if (r == 0)
		r = swap_in(c->store, true, err);
	catalog_discard(c); /* beside is the old one now */
	return r;
}

int catalog_exchange(struct catalog *in_use, struct catalog *side, struct err *err)
{
	struct catalog_env *old;
	int r = catalog_env_sync(side->env, err);

	if (r == 0)
		r = swap_in(side->store, false, err);
	catalog_discard(side);
	if (r < 0)
		return r;
	pthread_mutex_lock(&in_use->lock);
	old = in_use->env;
	old->users++;
	r = refresh(in_use, err);
	catalog_env_touch(old);
	env_put(old);
	pthread_mutex_unlock(&in_use->lock);
	return r;
}

void catalog_clean(struct catalog *c)
{
	remove_dir(c->store, SIDE_NAME);
}

void catalog_discard(struct catalog *c)
{
	if (!c)
		return;
	remove_dir(c->store, SIDE_NAME);
	catalog_close(c);
}

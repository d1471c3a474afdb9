/* SPDX-License-Identifier: Apache-2.0
 * Making a store. The version file comes last: without it there is no store, and making one
 * goes on where it was interrupted. */
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/perms.h"
#include "store/store_private.h"

#define MODE_OWN   0700
#define MODE_GROUP 02770

/* A name that was not written down would take all that is below it along. Who may only
 * search the directory above cannot see to that. */
static int sync_parent(const char *path, struct err *err)
{
	auto_free char *copy = strdup(path);
	auto_fd int fd = -1;

	if (!copy)
		return err_nomem(err);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES
			       ? 0
			       : err_sys(err, errno, "cannot open directory '%s'", copy);
	return io_sync_dir(fd, copy, err);
}

/* Durably; there already is as good. */
static int make_directory(const char *path, mode_t mode, struct err *err)
{
	if (mkdir(path, mode) == 0)
		return sync_parent(path, err);
	return errno == EEXIST ? 0
			       : err_sys(err, errno, "cannot make directory '%s'", path);
}

static int make_parents(const char *path, struct err *err)
{
	auto_free char *copy = strdup(path);
	int r = copy ? 0 : err_nomem(err);

	for (char *p = copy ? copy + 1 : NULL; r == 0 && p && (p = strchr(p, '/')); p++) {
		*p = '\0';
		r = make_directory(copy, 0755, err);
		*p = '/';
	}
	return r;
}

/* What an interrupted init may have left, or every filesystem has. */
static bool is_expected(const char *name)
{
	static const char *const names[] = {".",
					    "..",
					    "lost+found",
					    "journal",
					    "catalog",
					    STORE_LOCK_FILE,
					    STORE_GC_LOCK_FILE,
					    STORE_PACKS_DIR,
					    STORE_TREES_DIR};
	static const char *const beginnings[] = {"journal.tmp-",
						 STORE_VERSION_FILE ".tmp-"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

static int check_entries(DIR *dir, const char *path, struct err *err)
{
	struct dirent *e;

	while ((errno = 0, e = readdir(dir)))
		if (!is_expected(e->d_name))
			return err_set(err, ERR_INVALID,
				       "'%s' is not empty and no store (it has '%s')",
				       path, e->d_name);
	return errno ? err_sys(err, errno, "cannot list '%s'", path) : 0;
}

static int check_empty(int dirfd, const char *path, struct err *err)
{
	auto_dir DIR *dir = NULL;
	int r = io_opendir(dirfd, ".", &dir, err);

	return r < 0 ? r : check_entries(dir, path, err);
}

static int set_access(int dirfd, const char *path, gid_t gid, struct err *err)
{
	bool group = gid != (gid_t)-1;

	if (group && fchown(dirfd, (uid_t)-1, gid) < 0)
		return err_sys(err, errno, "cannot give '%s' to the group", path);
	if (fchmod(dirfd, group ? MODE_GROUP : MODE_OWN) < 0)
		return err_sys(err, errno, "cannot set the permissions of '%s'", path);
	return 0;
}

static int make_parts(int dirfd, const char *path, struct err *err)
{
	struct journal *journal = NULL;
	struct catalog *catalog = NULL;
	auto_fd int gc_lock = -1;
	int r = perms_mkdir(dirfd, STORE_PACKS_DIR, err);

	if (r == 0)
		r = perms_mkdir(dirfd, STORE_TREES_DIR, err);
	if (r == 0)
		r = perms_create(dirfd, STORE_GC_LOCK_FILE, O_RDONLY, &gc_lock, NULL,
				 err);
	if (r == 0)
		r = journal_open(dirfd, true, true, &journal, err);
	if (r == 0)
		r = catalog_open(path, true, &catalog, err);
	journal_close(journal);
	catalog_close(catalog);
	return r;
}

/* Called with the lock; another process may have been faster. */
static int make_store(int dirfd, const char *path, gid_t gid, struct err *err)
{
	int r;

	if (faccessat(dirfd, STORE_VERSION_FILE, F_OK, 0) == 0)
		return 0;
	r = set_access(dirfd, path, gid, err);
	if (r == 0)
		r = make_parts(dirfd, path, err);
	return r < 0 ? r : store_gate_write_version(dirfd, err);
}

int store_init(const char *path, gid_t gid, struct err *err)
{
	auto_fd int dirfd = -1, lock_fd = -1;
	int r = make_parents(path, err);

	if (r == 0)
		r = make_directory(path, MODE_OWN, err);
	if (r == 0)
		r = io_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &dirfd, err);
	if (r < 0)
		return r;
	if (faccessat(dirfd, STORE_VERSION_FILE, F_OK, 0) == 0)
		return 0;
	r = check_empty(dirfd, path, err);
	if (r == 0)
		r = store_gate_filesystem(dirfd, path, err);
	if (r == 0)
		r = perms_create(dirfd, STORE_LOCK_FILE, O_RDONLY, &lock_fd, NULL, err);
	if (r == 0)
		r = io_lock(lock_fd, true, true, path, err);
	if (r == 0)
		r = make_store(dirfd, path, gid, err);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0
 * Leases as files.
 */
#include "tools/overlay_lease.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/base/io.h"

#define BOOT_ID     "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_MAX 64
#define LEASE_MAX   (2 * PATH_MAX)
/* A directory without a lease belongs to somebody who is about to write it, or to nobody. */
#define UNWRITTEN_SECONDS 3600
#define OPEN_DIRECTORIES  64

static int read_boot_id(char boot[BOOT_ID_MAX], struct err *err)
{
	auto_fd int fd = -1;
	size_t len;
	int rc;

	rc = io_open(AT_FDCWD, BOOT_ID, O_RDONLY, 0, &fd, err);
	if (!rc)
		rc = io_read(fd, boot, BOOT_ID_MAX - 1, &len, BOOT_ID, err);
	if (rc)
		return rc;
	boot[len] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
	return 0;
}

/* "KEY VALUE\n" at *TEXT; moves behind it. */
static bool take_line(const char **text, const char *key, const char **ret,
		      size_t *ret_len)
{
	size_t n = strlen(key), len;

	if (strncmp(*text, key, n) != 0 || (*text)[n] != ' ')
		return false;
	*ret = *text + n + 1;
	len = strcspn(*ret, "\n");
	if ((*ret)[len] != '\n')
		return false;
	*ret_len = len;
	*text = *ret + len + 1;
	return true;
}

bool overlay_lease_parse(const char *text, const char *boot, struct overlay_lease *ret)
{
	const char *value;
	size_t len;
	long mount;

	if (!take_line(&text, "boot", &value, &len))
		return false;
	ret->same_boot = strlen(boot) == len && memcmp(boot, value, len) == 0;
	if (!take_line(&text, "mount", &value, &len))
		return false;
	mount = strtol(value, NULL, 10);
	ret->mount = mount > 0 && mount <= INT_MAX ? (int)mount : 0;
	if (!take_line(&text, "chain", &value, &len) ||
	    digest_parse(value, len, &ret->chainid, NULL))
		return false;
	/* Any byte but NUL may be in a path, so it is all of the rest. */
	if (strncmp(text, "target ", 7) != 0 || text[7] != '/' ||
	    strlen(text + 7) >= sizeof(ret->target))
		return false;
	memcpy(ret->target, text + 7, strlen(text + 7) + 1);
	return true;
}

int overlay_lease_write(const struct overlay_lease *lease, struct err *err)
{
	char boot[BOOT_ID_MAX], chain[DIGEST_TEXT_SIZE];
	auto_buf struct buf text;
	auto_fd int dirfd = -1;
	int rc;

	buf_init(&text, LEASE_MAX);
	rc = read_boot_id(boot, err);
	if (!rc)
		rc = buf_printf(&text, err, "boot %s\nmount %d\nchain %s\ntarget %s",
				boot, lease->mount, digest_format(&lease->chainid, chain),
				lease->target);
	if (!rc)
		rc = io_open(AT_FDCWD, lease->directory, O_RDONLY | O_DIRECTORY, 0,
			     &dirfd, err);
	return rc ? rc
		  : io_replace_file(dirfd, "lease", text.data, text.len, 0600, false,
				    err);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

void overlay_lease_remove(const struct overlay_lease *lease)
{
	/* Depth first, no links followed, not into other filesystems. */
	(void)nftw(lease->directory, remove_entry, OPEN_DIRECTORIES,
		   FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static bool is_abandoned(const char *directory)
{
	struct stat st;

	return stat(directory, &st) == 0 && st.st_mtime + UNWRITTEN_SECONDS < time(NULL);
}

/* Reads one lease; *ret_known is false if there is none to be read. */
static int read_lease(const char *directory, const char *boot, struct overlay_lease *ret,
		      bool *ret_known, struct err *err)
{
	auto_fd int dirfd = -1;
	auto_buf struct buf text;
	int rc;

	buf_init(&text, LEASE_MAX);
	rc = io_open(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY, 0, &dirfd, err);
	if (!rc)
		rc = io_read_file(dirfd, "lease", &text, err);
	if (!rc)
		rc = buf_append_u8(&text, 0, err);
	*ret_known = !rc && overlay_lease_parse((char *)text.data, boot, ret);
	return rc == -ERR_NOMEM ? rc : 0;
}

typedef int directory_fn(void *arg, const char *directory, const char *boot,
			 struct err *err);

static int each_directory(const char *store, directory_fn *each, void *arg,
			  struct err *err)
{
	char path[PATH_MAX], boot[BOOT_ID_MAX];
	struct dirent *e;
	DIR *dir;
	int rc;

	if (snprintf(path, sizeof(path), "%s/overlays", store) >= (int)sizeof(path))
		return err_set(err, ERR_INVALID, "path of store '%s' is too long", store);
	rc = read_boot_id(boot, err);
	if (rc)
		return rc;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0
				       : err_sys(err, errno, "cannot read '%s'", path);
	while (!rc && (e = readdir(dir)) != NULL) {
		char sub[PATH_MAX];

		if (e->d_name[0] == '.' || snprintf(sub, sizeof(sub), "%s/%s", path,
						    e->d_name) >= (int)sizeof(sub))
			continue;
		rc = each(arg, sub, boot, err);
	}
	closedir(dir);
	return rc;
}

/* Its process has ended. */
static bool is_ownerless(const char *directory)
{
	auto_free char *path = NULL;
	auto_fd int fd = -1;

	if (asprintf(&path, "%s/lock", directory) < 0)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && io_lock(fd, true, false, path, NULL) == 0;
}

static int sweep_one(void *arg, const char *directory, const char *boot, struct err *err)
{
	struct overlay_lease lease = {0};
	bool known;
	int rc;

	(void)arg;
	rc = read_lease(directory, boot, &lease, &known, err);
	if (rc)
		return rc;
	if (known ? !lease.same_boot || is_ownerless(directory)
		  : is_abandoned(directory)) {
		snprintf(lease.directory, sizeof(lease.directory), "%s", directory);
		overlay_lease_remove(&lease);
	}
	return 0;
}

int overlay_lease_new(const char *store, struct overlay_lease *lease, struct err *err)
{
	char *path = lease->directory;
	size_t len;
	int rc;

	rc = each_directory(store, sweep_one, NULL, err);
	if (rc)
		return rc;
	if (snprintf(path, PATH_MAX, "%s/overlays", store) > PATH_MAX - 16)
		return err_set(err, ERR_INVALID, "path of store '%s' is too long", store);
	rc = io_mkdir(AT_FDCWD, path, 0700, err);
	if (rc)
		return rc;
	len = strlen(path);
	snprintf(path + len, PATH_MAX - len, "/XXXXXX");
	if (!mkdtemp(path))
		return err_sys(err, errno, "cannot make a directory in '%s/overlays'",
			       store);
	rc = overlay_lease_write(lease, err);
	if (rc)
		overlay_lease_remove(lease);
	return rc;
}

int overlay_lease_new_locked(const char *store, struct overlay_lease *lease,
			     int *ret_lock, struct err *err)
{
	auto_fd int dirfd = -1, lock = -1;
	int rc = overlay_lease_new(store, lease, err);

	if (rc)
		return rc;
	rc = io_open(AT_FDCWD, lease->directory, O_RDONLY | O_DIRECTORY, 0, &dirfd, err);
	/* Locked before it has its name: nobody sees it otherwise. */
	if (!rc)
		rc = io_open(dirfd, "lock.new", O_RDONLY | O_CREAT, 0600, &lock, err);
	if (!rc)
		rc = io_lock(lock, true, true, lease->directory, err);
	if (!rc)
		rc = io_rename(dirfd, "lock.new", "lock", err);
	if (rc) {
		overlay_lease_remove(lease);
		return rc;
	}
	*ret_lock = steal_fd(&lock);
	return 0;
}

struct each {
	overlay_lease_fn *each;
	void *arg;
};

static int give(void *arg, const char *directory, const char *boot, struct err *err)
{
	struct overlay_lease lease = {0};
	const struct each *e = arg;
	bool known;
	int rc;

	rc = read_lease(directory, boot, &lease, &known, err);
	if (rc || !known || is_ownerless(directory))
		return rc;
	snprintf(lease.directory, sizeof(lease.directory), "%s", directory);
	return e->each(e->arg, &lease, err);
}

int overlay_lease_each(const char *store, overlay_lease_fn *each, void *arg,
		       struct err *err)
{
	struct each e = {each, arg};
	int rc = each_directory(store, give, &e, err);

	return rc < 0 ? rc : 0;
}

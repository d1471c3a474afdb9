/* SPDX-License-Identifier: Apache-2.0
 * Times of last use as mtimes of empty files. */
#include "store/key_use.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/perms.h"
#include "store/store_private.h"

#define DIRECTORY "used"
#define FRESH     3600 /* seconds */
#define PATH_SIZE (sizeof(DIRECTORY) + DIGEST_HEX_SIZE)

static void path_of(const struct digest *key, char path[PATH_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(path, PATH_SIZE, "%s/%s", DIRECTORY, digest_hex(key, hex));
}

static void make(struct store *s, const struct digest *key)
{
	char hex[DIGEST_HEX_SIZE];
	auto_fd int dir = -1, fd = -1;

	if (perms_mkdir(s->dirfd, DIRECTORY, NULL) == 0 &&
	    io_open(s->dirfd, DIRECTORY, O_RDONLY | O_DIRECTORY, 0, &dir, NULL) == 0)
		(void)!perms_create(dir, digest_hex(key, hex), O_WRONLY | O_NOFOLLOW, &fd,
				    NULL, NULL);
}

void key_use_note(struct store *s, const struct digest *key)
{
	char path[PATH_SIZE];
	struct stat st;

	path_of(key, path);
	if (fstatat(s->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		make(s, key);
	else if (time(NULL) - st.st_mtim.tv_sec >= FRESH)
		(void)!utimensat(s->dirfd, path, NULL, AT_SYMLINK_NOFOLLOW);
}

int64_t key_use_last(struct store *s, const struct digest *key)
{
	char path[PATH_SIZE];
	struct stat st;

	path_of(key, path);
	return fstatat(s->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0
								     : st.st_mtim.tv_sec;
}

static int sweep_one(struct catalog_txn *t, int dirfd, const char *name, struct err *err)
{
	struct record_key there;
	struct digest key;
	int r;

	if (digest_parse_hex(name, strlen(name), &key, NULL) < 0)
		return 0;
	r = catalog_key_get(t, &key, &there, err);
	if (r == -ERR_NOTFOUND)
		unlinkat(dirfd, name, 0);
	return r == -ERR_NOTFOUND ? 0 : r;
}

int key_use_sweep(struct store *s, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct dirent *e;
	DIR *dir;
	int fd, r = catalog_begin(store_catalog(s), false, &t, err);

	if (r == 0)
		r = io_open(s->dirfd, DIRECTORY, O_RDONLY | O_DIRECTORY, 0, &fd, err);
	if (r < 0)
		return r == -ERR_NOTFOUND ? 0 : r;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_nomem(err);
	}
	while (r == 0 && (e = readdir(dir)))
		r = sweep_one(t, dirfd(dir), e->d_name, err);
	closedir(dir);
	return r;
}

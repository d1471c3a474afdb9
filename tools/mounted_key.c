/* SPDX-License-Identifier: Apache-2.0
 * cache/ and chains/ of a mount, compared by inode.
 */
#include "tools/mounted_key.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static int cannot(const char *path, struct err *err)
{
	return err_sys(err, errno, "cannot read '%s'", path);
}

static int key_inode(const char *mountpoint, const struct digest *key, ino_t *ret,
		     struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	auto_free char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/cache/sha256/%s", mountpoint, digest_hex(key, hex)) < 0)
		return err_nomem(err);
	if (stat(path, &st) == 0) {
		*ret = st.st_ino;
		return 0;
	}
	if (errno == ENOENT)
		return err_set(err, ERR_NOTFOUND, "no result");
	return cannot(path, err);
}

int mounted_key_chain(const char *mountpoint, const struct digest *key,
		      struct digest *ret, struct err *err)
{
	auto_free char *path = NULL;
	const struct dirent *e;
	bool found = false;
	ino_t wanted = 0;
	DIR *dir;
	int rc = key_inode(mountpoint, key, &wanted, err);

	if (rc)
		return rc;
	if (asprintf(&path, "%s/chains/sha256", mountpoint) < 0)
		return err_nomem(err);
	dir = opendir(path);
	if (!dir)
		return cannot(path, err);
	while (!found && (errno = 0, e = readdir(dir)))
		found = e->d_ino == wanted &&
			digest_parse_hex(e->d_name, strlen(e->d_name), ret, NULL) == 0;
	if (!found)
		rc = errno ? cannot(path, err)
			   : err_set(err, ERR_NOTFOUND, "no chain of it in '%s'", path);
	closedir(dir);
	return rc;
}

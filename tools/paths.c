/* SPDX-License-Identifier: Apache-2.0
 * Default places, by user.
 */
#include "tools/paths.h"

#include <libgen.h>
#include <limits.h>
#include <string.h>

#define ROOT_STORE      "/var/cache/layercache"
#define ROOT_MOUNTPOINT "/var/lib/layercache"

/* The value of a variable that must be an absolute path to count (XDG says so). */
static const char *absolute_from_env(const char *name)
{
	const char *v = getenv(name);

	return v && v[0] == '/' ? v : NULL;
}

static int join(const char *dir, const char *rest, char **ret, struct err *err)
{
	return asprintf(ret, "%s%s", dir, rest) < 0 ? err_nomem(err) : 0;
}

int paths_store(char **ret, struct err *err)
{
	const char *dir = getenv("LAYERCACHE_STORE");

	if (dir && *dir)
		return join(dir, "", ret, err);
	if (geteuid() == 0)
		return join(ROOT_STORE, "", ret, err);
	dir = absolute_from_env("XDG_DATA_HOME");
	if (dir)
		return join(dir, "/layercache", ret, err);
	dir = absolute_from_env("HOME");
	if (dir)
		return join(dir, "/.local/share/layercache", ret, err);
	return err_set(err, ERR_FAILED,
		       "no place for a store: HOME is not set; use --store");
}

int paths_mountpoint(char **ret, struct err *err)
{
	const char *dir;

	if (geteuid() == 0)
		return join(ROOT_MOUNTPOINT, "", ret, err);
	dir = absolute_from_env("XDG_RUNTIME_DIR");
	if (dir)
		return join(dir, "/layercache", ret, err);
	return err_set(err, ERR_FAILED,
		       "no default mountpoint: XDG_RUNTIME_DIR is not set; name one");
}

int paths_resolve(const char *path, char **ret, struct err *err)
{
	auto_free char *for_dir = strdup(path), *for_base = strdup(path), *parent = NULL;
	char *whole = realpath(path, NULL);
	const char *base;

	if (whole) {
		*ret = whole;
		return 0;
	}
	/* A mountpoint whose daemon is dead has a path but cannot be looked at. */
	if (errno != ENOENT && errno != ENOTCONN)
		return err_sys(err, errno, "cannot resolve '%s'", path);
	if (!for_dir || !for_base)
		return err_nomem(err);
	parent = realpath(dirname(for_dir), NULL);
	base = basename(for_base);
	if (!parent || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
		return err_set(err, ERR_NOTFOUND,
			       "cannot resolve '%s': no such directory", path);
	return asprintf(ret, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, base) < 0
		       ? err_nomem(err)
		       : 0;
}

int paths_check_mountpoint(const char *store, const char *mountpoint, struct err *err)
{
	auto_free char *hidden = NULL, *there = NULL;
	size_t len;
	int rc = paths_resolve(store, &hidden, NULL);

	if (rc) /* a store that is to be made hides nothing yet */
		return 0;
	rc = paths_resolve(mountpoint, &there, err);
	if (rc)
		return rc;
	len = strcmp(there, "/") == 0 ? 0 : strlen(there);
	if (strncmp(hidden, there, len) == 0 && (!hidden[len] || hidden[len] == '/'))
		return err_set(err, ERR_INVALID,
			       "a mount on '%s' would hide the store '%s'", mountpoint,
			       store);
	return 0;
}

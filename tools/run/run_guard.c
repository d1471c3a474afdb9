/* SPDX-License-Identifier: Apache-2.0
 * This program, started again from a read-only mount of itself. */
#include "tools/run/run_guard.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/io.h"

#define SELF          "/proc/self/exe"
#define ARGUMENTS_MAX (8u << 20)

static int leave_mounts(struct err *err)
{
	if (unshare(CLONE_NEWNS) != 0)
		return err_sys(err, errno,
			       "cannot make a mount namespace (build steps need root)");
	if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
		return err_sys(err, errno, "cannot make the mounts private");
	return 0;
}

static bool is_read_only(void)
{
	struct statvfs st;

	return statvfs(SELF, &st) == 0 && st.f_flag & ST_RDONLY;
}

/* The command line, as it was given: the texts are in BYTES. */
static int read_arguments(struct buf *bytes, char ***ret, struct err *err)
{
	size_t count = 0, n = 0;
	char **argv;
	int rc = io_read_file(AT_FDCWD, "/proc/self/cmdline", bytes, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < bytes->len; i++)
		count += !bytes->data[i];
	argv = calloc(count + 1, sizeof(*argv));
	if (!argv)
		return err_nomem(err);
	for (size_t at = 0; n < count; at += strlen(argv[n++]) + 1)
		argv[n] = (char *)bytes->data + at;
	*ret = argv;
	return 0;
}

static int start_again(struct err *err)
{
	auto_free char **argv = NULL;
	auto_buf struct buf bytes;
	char path[PATH_MAX];
	ssize_t len = readlink(SELF, path, sizeof(path) - 1);
	int rc;

	buf_init(&bytes, ARGUMENTS_MAX);
	if (len < 0)
		return err_sys(err, errno, "cannot read '%s'", SELF);
	path[len] = '\0';
	/* SELF would be resolved to the file below the mount. */
	if (mount(path, path, NULL, MS_BIND, NULL) != 0 ||
	    mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) != 0)
		return err_sys(err, errno, "cannot make '%s' read-only for the step",
			       path);
	rc = read_arguments(&bytes, &argv, err);
	if (rc)
		return rc;
	execv(path, argv);
	return err_sys(err, errno, "cannot start '%s' again", path);
}

int run_guard_enter(struct err *err)
{
	int rc = leave_mounts(err);

	return rc || is_read_only() ? rc : start_again(err);
}

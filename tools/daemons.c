/* SPDX-License-Identifier: Apache-2.0
 * Looks through /proc for daemons.
 */
#include "tools/daemons.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "store/base/auto.h"

/* Calls readlink on every open file of a process. */
static bool serves(int fds, DIR *dir, const char *store)
{
	bool fuse = false, files = false;
	size_t n = strlen(store);
	struct dirent *e;

	while ((e = readdir(dir)) != NULL && !(fuse && files)) {
		char path[PATH_MAX];
		ssize_t len = readlinkat(fds, e->d_name, path, sizeof(path) - 1);

		if (len < 0)
			continue;
		path[len] = '\0';
		fuse = fuse || strcmp(path, "/dev/fuse") == 0;
		files = files || (strncmp(path, store, n) == 0 && path[n] == '/');
	}
	return fuse && files;
}

static bool is_daemon_of(const char *pid, const char *store)
{
	char path[64];
	bool found;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	found = serves(dirfd(dir), dir, store);
	closedir(dir);
	return found;
}

void daemons_find(const char *store, struct daemons *ret)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;

	ret->count = 0;
	while (proc && ret->count < DAEMONS_MAX && (e = readdir(proc)) != NULL) {
		int fd;

		if (!isdigit((unsigned char)e->d_name[0]) ||
		    !is_daemon_of(e->d_name, store))
			continue;
		fd = (int)syscall(SYS_pidfd_open, (pid_t)atoi(e->d_name), 0);
		if (fd >= 0)
			ret->pidfds[ret->count++] = fd;
	}
	if (proc)
		closedir(proc);
}

void daemons_release(struct daemons *d)
{
	while (d->count)
		close(d->pidfds[--d->count]);
}

bool daemons_wait(const struct daemons *d, int milliseconds)
{
	struct pollfd polled[DAEMONS_MAX];

	if (!d->count)
		return true;
	for (unsigned i = 0; i < d->count; i++)
		polled[i] = (struct pollfd){.fd = d->pidfds[i], .events = POLLIN};
	return poll(polled, d->count, milliseconds) > 0;
}

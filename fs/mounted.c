/* SPDX-License-Identifier: Apache-2.0
 * Before and after mounting.
 */
#include "fs/mounted.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "fs/daemonise.h"
#include "fs/mounts.h"
#include "fs/ops.h"
#include "fs/session_log.h"
#include "store/base/io.h"

extern char **environ;

struct search {
	const char *mountpoint;
	bool ours; /* the topmost mount there */
};

static int find_each(void *arg, const struct mounts_entry *m, struct err *err)
{
	struct search *s = arg;

	(void)err;
	if (strcmp(m->mountpoint, s->mountpoint) == 0)
		s->ours = strcmp(m->fstype, MOUNTS_FSTYPE) == 0;
	return 0;
}

/* Without privilege only the set-uid helper can do it. */
static int detach_as_user(const char *mountpoint, struct err *err)
{
	static char helper[] = "fusermount3", unmount[] = "-u", lazy[] = "-z",
		    quiet[] = "-q";
	auto_free char *path = strdup(mountpoint);
	char *argv[] = {helper, unmount, lazy, quiet, path, NULL};
	int status, rc;
	pid_t pid;

	if (!path)
		return err_nomem(err);
	rc = posix_spawnp(&pid, helper, NULL, NULL, argv, environ);
	if (rc)
		return err_sys(err, rc, "cannot run '%s'", helper);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(err, ERR_FAILED, "cannot detach the dead mount on '%s'",
			       mountpoint);
	return 0;
}

int mounted_clear_dead(const char *mountpoint, struct err *err)
{
	struct search s = {.mountpoint = mountpoint};
	int rc;

	if (!mounts_is_dead(mountpoint))
		return 0;
	rc = mounts_each(find_each, &s, err);
	if (rc || !s.ours)
		return rc;
	if (geteuid() != 0)
		return detach_as_user(mountpoint, err);
	if (umount2(mountpoint, MNT_DETACH) < 0)
		return err_sys(err, errno, "cannot detach the dead mount on '%s'",
			       mountpoint);
	return 0;
}

struct mounted {
	pthread_t thread;
	char *mountpoint;
	int *report;
};

/* The kernel asks for no more than this at once, whatever the largest read is. Only root may
 * change it, and only speed depends on it. */
static void raise_readahead(dev_t dev)
{
	char path[64], value[16];
	auto_fd int fd = -1;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major(dev),
		 minor(dev));
	snprintf(value, sizeof(value), "%u", OPS_READ_MAX >> 10);
	if (io_open(AT_FDCWD, path, O_WRONLY, 0, &fd, NULL) == 0)
		(void)!io_write(fd, value, strlen(value), path, NULL);
}

static void *watch(void *arg)
{
	struct mounted *m = arg;
	struct err err = {0};
	struct stat st;
	int rc = 0;

	if (stat(m->mountpoint, &st) < 0)
		rc = session_log_error(&err, ERR_FAILED,
				       "the mount on '%s' does not answer",
				       m->mountpoint);
	else
		raise_readahead(st.st_dev);
	session_log_ready();
	daemonise_report(m->report, rc, &err);
	return NULL;
}

int mounted_watch(const char *mountpoint, int *report, struct mounted **ret,
		  struct err *err)
{
	struct mounted *m = calloc(1, sizeof(*m));
	sigset_t all, before;
	int rc;

	if (!m)
		return err_nomem(err);
	m->report = report;
	m->mountpoint = strdup(mountpoint);
	if (!m->mountpoint) {
		free(m);
		return err_nomem(err);
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&m->thread, NULL, watch, m);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		free(m->mountpoint);
		free(m);
		return err_sys(err, rc, "cannot start a thread");
	}
	*ret = m;
	return 0;
}

void mounted_join(struct mounted *m)
{
	if (!m)
		return;
	pthread_join(m->thread, NULL);
	free(m->mountpoint);
	free(m);
}

/* SPDX-License-Identifier: Apache-2.0
 * The overlay of a build step and the namespace it is mounted in. */
#include "tools/run/run_space.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "fs/mounts.h"
#include "store/base/io.h"
#include "tools/overlay_mount.h"

#define DAEMON_WAIT_MS 15000

/* ---- a mount of the store ---- */

static void serve(struct run_space *s, const char *store, pid_t parent)
{
	const char *const args[] = {"layercache", "--store", store, "mount",
				    "-f",         s->mnt,    NULL};

	/* It must not outlive us, however we end. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	setsid();
	execv("/proc/self/exe", (char *const *)(uintptr_t)args);
	_exit(127);
}

static int wait_for_mount(struct run_space *s, const struct stat *before, struct err *err)
{
	const struct timespec tick = {.tv_nsec = 1000000};
	struct stat st;

	for (int i = 0; i < DAEMON_WAIT_MS; i++) {
		if (waitpid(s->daemon, NULL, WNOHANG) == s->daemon) {
			s->daemon = 0;
			return err_set(err, ERR_FAILED,
				       "the store could not be mounted for the step");
		}
		if (lstat(s->mnt, &st) == 0 && st.st_dev != before->st_dev)
			return 0;
		nanosleep(&tick, NULL);
	}
	return err_set(err, ERR_FAILED, "the store's mount for the step does not answer");
}

static int start_daemon(struct run_space *s, const char *store, struct err *err)
{
	pid_t parent = getpid();
	struct stat before;
	int rc = io_mkdir(AT_FDCWD, s->mnt, 0700, err);

	if (rc)
		return rc;
	if (lstat(s->mnt, &before) != 0)
		return err_sys(err, errno, "cannot look at '%s'", s->mnt);
	s->daemon = fork();
	if (s->daemon < 0) {
		s->daemon = 0;
		return err_sys(err, errno, "cannot start a process");
	}
	if (s->daemon == 0)
		serve(s, store, parent);
	return wait_for_mount(s, &before, err);
}

static void stop_daemon(struct run_space *s)
{
	if (!s->daemon)
		return;
	(void)umount2(s->mnt, MNT_DETACH);
	(void)kill(s->daemon, SIGTERM);
	(void)waitpid(s->daemon, NULL, 0);
	s->daemon = 0;
}

/* ---- the overlay ---- */

static int make_paths(struct run_space *s, struct err *err)
{
	static const char *const names[] = {"root", "upper", "work"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[PATH_MAX];
		int rc;

		if (snprintf(path, sizeof(path), "%s/%s", s->lease.directory, names[i]) >=
		    (int)sizeof(path))
			return err_set(err, ERR_INVALID, "the store's path is too long");
		rc = io_mkdir(AT_FDCWD, path, 0755, err);
		if (rc)
			return rc;
	}
	snprintf(s->root, sizeof(s->root), "%.4000s/root", s->lease.directory);
	snprintf(s->upper, sizeof(s->upper), "%.4000s/upper", s->lease.directory);
	snprintf(s->mnt, sizeof(s->mnt), "%.4000s/mnt", s->lease.directory);
	return 0;
}

static int mount_chain(struct run_space *s, struct store *store,
		       const struct digest *chainid, struct err *err)
{
	auto_free char *live = NULL;
	char work[PATH_MAX];
	struct overlay_request r = {
		.store = store,
		.chainid = *chainid,
		.target = s->root,
		.directory = s->lease.directory,
		.upper = s->upper,
		.work = work,
		/* Nobody but the step sees it, and its capabilities are limited. */
		.suid = true,
	};
	enum overlay_way way;
	int rc = mounts_find(store_path(store), &live, err);

	snprintf(work, sizeof(work), "%.4000s/work", s->lease.directory);
	if (rc == -ERR_NOTFOUND)
		rc = start_daemon(s, store_path(store), err);
	if (rc)
		return rc;
	r.mountpoint = live ? live : s->mnt;
	rc = overlay_root_attributes(&r, err);
	return rc ? rc : overlay_mount(&r, &way, &s->lease.mount, NULL, err);
}

/* Without a parent the root is the directory of changes itself. */
static int mount_nothing(struct run_space *s, struct err *err)
{
	if (mount(s->upper, s->root, NULL, MS_BIND, NULL) != 0 ||
	    mount(NULL, s->root, NULL, MS_BIND | MS_REMOUNT | MS_NODEV, NULL) != 0)
		return err_sys(err, errno, "cannot mount the step's root");
	return 0;
}

int run_space_open(struct store *store, const struct digest *chainid,
		   struct run_space *ret, struct err *err)
{
	struct run_space *s = ret;
	int rc;

	*s = (struct run_space){.lock = -1, .rootfd = -1};
	if (chainid)
		s->lease.chainid = *chainid;
	snprintf(s->lease.target, sizeof(s->lease.target), "/");
	rc = overlay_lease_new_locked(store_path(store), &s->lease, &s->lock, err);
	if (!rc)
		rc = make_paths(s, err);
	if (!rc)
		rc = chainid ? mount_chain(s, store, chainid, err)
			     : mount_nothing(s, err);
	return rc ? rc
		  : io_open(AT_FDCWD, s->root, O_RDONLY | O_DIRECTORY, 0, &s->rootfd,
			    err);
}

int run_space_finish(struct run_space *s, struct err *err)
{
	if (s->rootfd >= 0)
		close(s->rootfd);
	s->rootfd = -1;
	if (umount2(s->root, 0) != 0)
		return err_sys(err, errno, "cannot unmount the step's root");
	return 0;
}

void run_space_release(struct run_space *s)
{
	if (s->rootfd >= 0)
		close(s->rootfd);
	s->rootfd = -1;
	if (*s->root)
		(void)umount2(s->root, MNT_DETACH);
	stop_daemon(s);
	if (*s->lease.directory)
		overlay_lease_remove(&s->lease);
	*s->lease.directory = *s->root = '\0';
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}

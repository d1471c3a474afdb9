/* SPDX-License-Identifier: Apache-2.0
 * What is mounted in the root of a build step, and the stubs it is mounted on. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "store/base/io.h"
#include "tools/run/run_sandbox_private.h"

#define SECRETS    "/run/secrets"
#define SECRET_MAX (1u << 20)

static const char *const directories[] = {"/proc", "/sys", "/dev"};
static const char *const files[] = {"/etc/resolv.conf", "/etc/hosts"};

/* ---- stubs ---- */

static struct timespec mtime_of(int fd)
{
	struct stat st = {0};

	(void)fstat(fd, &st);
	return st.st_mtim;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* The directory that PATH is in, which is there. */
static int open_parent(int rootfd, const char *path, int *ret_fd, const char **ret_name,
		       struct err *err)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];

	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	*ret_name = slash + 1;
	return run_root_open(rootfd, *parent ? parent : "/", O_RDONLY | O_DIRECTORY,
			     ret_fd, err);
}

static int make_stub(const struct run_sandbox *s, const char *path, bool dir,
		     struct run_stubs *stubs, struct err *err)
{
	struct run_stub *stub = &stubs->items[stubs->count];
	auto_fd int parent = -1, fd = -1;
	const char *name;
	int rc = open_parent(s->rootfd, path, &parent, &name, err);

	if (rc)
		return rc;
	if (stubs->count == RUN_STUBS_MAX)
		return err_set(err, ERR_LIMIT, "too many places to mount on");
	stub->before = mtime_of(parent);
	if (dir && mkdirat(parent, name, 0755) != 0)
		return err_sys(err, errno, "cannot make '%s' in the step's root", path);
	if (!dir)
		fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (!dir && fd < 0)
		return err_sys(err, errno, "cannot make '%s' in the step's root", path);
	stub->after = mtime_of(parent);
	stub->dir = dir;
	snprintf(stub->path, sizeof(stub->path), "%s", path);
	stubs->count++;
	return 0;
}

static bool is_there(const struct run_sandbox *s, const char *path)
{
	auto_fd int fd = -1;

	return run_root_open(s->rootfd, path, O_PATH, &fd, NULL) == 0;
}

/* All parts of PATH. */
static int need(const struct run_sandbox *s, const char *path, bool dir,
		struct run_stubs *stubs, struct err *err)
{
	char part[PATH_MAX];

	for (size_t at = 1; path[at]; at++) {
		bool last = !path[at + 1];
		int rc;

		if (path[at] != '/' && !last)
			continue;
		memcpy(part, path, at + last);
		part[at + last] = '\0';
		if (is_there(s, part))
			continue;
		rc = make_stub(s, part, !last || dir, stubs, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Where the link FD in /etc leads to: as in /etc/resolv.conf into /run, which nobody has
 * filled yet. One that cannot be followed is left alone. */
static void need_target(const struct run_sandbox *s, int fd, struct run_stubs *stubs)
{
	char target[2048], path[PATH_MAX];
	ssize_t len = readlinkat(fd, "", target, sizeof(target) - 1);

	if (len <= 0)
		return;
	target[len] = '\0';
	snprintf(path, sizeof(path), "%s%s", *target == '/' ? "" : "/etc/", target);
	len = need(s, path, false, stubs, NULL);
	(void)len;
}

static int need_file(const struct run_sandbox *s, const char *path,
		     struct run_stubs *stubs, struct err *err)
{
	auto_fd int fd = -1;

	if (is_there(s, path))
		return 0;
	if (run_root_open(s->rootfd, path, O_PATH | O_NOFOLLOW, &fd, NULL) != 0)
		return need(s, path, false, stubs, err);
	need_target(s, fd, stubs);
	return 0;
}

int run_mounts_prepare(const struct run_sandbox *s, struct run_stubs *stubs,
		       struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(directories) && !rc; i++)
		rc = need(s, directories[i], true, stubs, err);
	for (size_t i = 0; i < ARRAY_LEN(files) && !rc; i++)
		rc = need_file(s, files[i], stubs, err);
	if (!rc && s->secret_count)
		rc = need(s, SECRETS, true, stubs, err);
	return rc;
}

void run_mounts_clean(const struct run_sandbox *s, const struct run_stubs *stubs)
{
	for (size_t i = stubs->count; i-- > 0;) {
		const struct run_stub *stub = &stubs->items[i];
		auto_fd int parent = -1;
		const char *name;
		struct stat st;
		bool untouched;

		if (open_parent(s->rootfd, stub->path, &parent, &name, NULL))
			continue;
		untouched = same_time(mtime_of(parent), stub->after);
		if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    (!stub->dir && st.st_size != 0) ||
		    unlinkat(parent, name, stub->dir ? AT_REMOVEDIR : 0) != 0)
			continue;
		if (untouched) {
			const struct timespec times[2] = {stub->before, stub->before};

			(void)futimens(parent, times);
		}
	}
}

/* ---- mounts; in the child ---- */

/* A place in the root as a path that no link can change any more. */
static int place(const struct run_sandbox *s, const char *path, char ret[64],
		 struct err *err)
{
	int fd, rc = run_root_open(s->rootfd, path, O_PATH, &fd, err);

	if (!rc)
		snprintf(ret, 64, "/proc/self/fd/%d", fd); /* open until exec */
	return rc;
}

static int mount_at(const struct run_sandbox *s, const char *type, const char *path,
		    unsigned long flags, const char *options, struct err *err)
{
	char at[64];
	int rc = place(s, path, at, err);

	if (!rc && mount(type, at, type, flags, options) != 0)
		rc = err_sys(err, errno, "cannot mount %s on '%s' of the step's root",
			     type, path);
	return rc;
}

/* FROM of the host on PATH. */
static int bind_at(const struct run_sandbox *s, const char *from, const char *path,
		   unsigned long flags, struct err *err)
{
	char at[64];
	int rc = place(s, path, at, err);

	if (rc)
		return rc;
	if (mount(from, at, NULL, MS_BIND, NULL) != 0)
		return err_sys(err, errno, "cannot mount '%s' in the step's root", from);
	/* The place is now below the mount: it has to be found again. */
	rc = place(s, path, at, err);
	if (!rc && mount(NULL, at, NULL, MS_BIND | MS_REMOUNT | flags, NULL) != 0)
		rc = err_sys(err, errno, "cannot protect '%s' in the step's root", path);
	return rc;
}

/* The host's devices one by one: the mount itself allows none, so that those which the step
 * makes for itself (of the host's disks) cannot be opened. */
static int bind_devices(const struct run_sandbox *s, int dev, struct err *err)
{
	static const char *const names[] = {"/dev/null", "/dev/zero",   "/dev/full",
					    "/dev/tty",  "/dev/random", "/dev/urandom"};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(names) && !rc; i++) {
		auto_fd int fd = openat(dev, names[i] + 5,
					O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

		if (fd < 0)
			return err_sys(err, errno, "cannot make '%s'", names[i]);
		rc = bind_at(s, names[i], names[i], MS_NOSUID | MS_NOEXEC, err);
	}
	return rc;
}

static int make_devices(const struct run_sandbox *s, struct err *err)
{
	static const char *const links[][2] = {
		{"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"},
		{"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"},
		{"pts/ptmx", "ptmx"},          {"/proc/kcore", "core"}};
	auto_fd int dev = -1;
	int rc = run_root_open(s->rootfd, "/dev", O_RDONLY | O_DIRECTORY, &dev, err);

	if (!rc)
		rc = bind_devices(s, dev, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (symlinkat(links[i][0], dev, links[i][1]) != 0)
			return err_sys(err, errno, "cannot make '/dev/%s'", links[i][1]);
	if (mkdirat(dev, "pts", 0755) != 0 || mkdirat(dev, "shm", 01777) != 0)
		return err_sys(err, errno, "cannot make directories in '/dev'");
	return 0;
}

/* What shows or changes the host, as Docker hides it. */
static int protect_proc(const struct run_sandbox *s, struct err *err)
{
	static const char *const read_only[] = {"/proc/sys", "/proc/sysrq-trigger",
						"/proc/irq", "/proc/bus", "/proc/fs"};
	static const char *const hidden[] = {"/proc/kcore", "/proc/keys",
					     "/proc/timer_list", "/proc/sched_debug"};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(read_only) && !rc; i++) {
		char at[64];

		if (!is_there(s, read_only[i]))
			continue;
		rc = place(s, read_only[i], at, err);
		if (!rc)
			rc = bind_at(s, at, read_only[i],
				     MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, err);
	}
	for (size_t i = 0; i < ARRAY_LEN(hidden) && !rc; i++)
		if (is_there(s, hidden[i]))
			rc = bind_at(s, "/dev/null", hidden[i], MS_RDONLY | MS_NOSUID,
				     err);
	return rc;
}

static int hide_directories(const struct run_sandbox *s, struct err *err)
{
	static const char *const hidden[] = {"/proc/acpi", "/proc/scsi", "/sys/firmware"};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(hidden) && !rc; i++)
		if (is_there(s, hidden[i]))
			rc = mount_at(s, "tmpfs", hidden[i],
				      MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
				      "size=4k", err);
	return rc;
}

static int mount_kernel(const struct run_sandbox *s, struct err *err)
{
	const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int rc = mount_at(s, "proc", "/proc", safe, NULL, err);

	if (!rc)
		rc = protect_proc(s, err);
	/* With the host's network there is no sysfs of our own to be had. */
	if (!rc && s->network)
		rc = bind_at(s, "/sys", "/sys", safe | MS_RDONLY, err);
	else if (!rc)
		rc = mount_at(s, "sysfs", "/sys", safe | MS_RDONLY, NULL, err);
	if (!rc)
		rc = hide_directories(s, err);
	if (!rc)
		rc = mount_at(s, "tmpfs", "/dev", MS_NOSUID | MS_NODEV | MS_STRICTATIME,
			      "mode=755,size=64k", err);
	if (!rc)
		rc = make_devices(s, err);
	if (!rc)
		rc = mount_at(s, "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
			      "newinstance,ptmxmode=0666,mode=0620,gid=5", err);
	return rc ? rc
		  : mount_at(s, "tmpfs", "/dev/shm", safe, "mode=1777,size=64m", err);
}

static int mount_files(const struct run_sandbox *s, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		int rc;

		if (access(files[i], R_OK) != 0 || !is_there(s, files[i]))
			continue;
		rc = bind_at(s, files[i], files[i],
			     MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int put_secret(const struct run_sandbox *s, int dirfd,
		      const struct run_secret *secret, struct err *err)
{
	auto_buf struct buf bytes;
	auto_fd int fd = -1;
	int rc;

	buf_init(&bytes, SECRET_MAX);
	rc = io_read_file(AT_FDCWD, secret->file, &bytes, err);
	if (rc)
		return err_wrap(err, "secret '%s'", secret->id);
	fd = openat(dirfd, secret->id, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0400);
	if (fd < 0 || fchown(fd, s->user->uid, s->user->gid) != 0)
		return err_sys(err, errno, "cannot make the secret '%s'", secret->id);
	return io_write(fd, bytes.data, bytes.len, secret->id, err);
}

static int mount_secrets(const struct run_sandbox *s, struct err *err)
{
	auto_fd int dirfd = -1;
	char at[64];
	int rc;

	if (!s->secret_count)
		return 0;
	rc = mount_at(s, "tmpfs", SECRETS, MS_NOSUID | MS_NODEV | MS_NOEXEC,
		      "mode=755,size=16m", err);
	if (!rc)
		rc = run_root_open(s->rootfd, SECRETS, O_RDONLY | O_DIRECTORY, &dirfd,
				   err);
	for (size_t i = 0; i < s->secret_count && !rc; i++)
		rc = put_secret(s, dirfd, &s->secrets[i], err);
	if (!rc)
		rc = place(s, SECRETS, at, err);
	if (!rc &&
	    mount(NULL, at, NULL,
		  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL) != 0)
		rc = err_sys(err, errno, "cannot protect the secrets");
	return rc;
}

static int change_root(const struct run_sandbox *s, struct err *err)
{
	if (chdir(s->root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0)
		return err_sys(err, errno, "cannot change to the step's root");
	/* The old root lies on top of the new one now. */
	if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
		return err_sys(err, errno, "cannot leave the host's root");
	return 0;
}

int run_mounts_make(const struct run_sandbox *s, struct err *err)
{
	int rc = mount_kernel(s, err);

	if (!rc)
		rc = mount_files(s, err);
	if (!rc)
		rc = mount_secrets(s, err);
	return rc ? rc : change_root(s, err);
}

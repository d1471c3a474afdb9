/* SPDX-License-Identifier: Apache-2.0
 * Parses mountinfo (proc_pid_mountinfo(5)) and finds the mounts of a store.
 */
#include "fs/mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#define MOUNTINFO "/proc/self/mountinfo"
/* How long a daemon is given to answer. */
#define ANSWER_MS 1000

/* Undoes the kernel's \ooo escapes in place. */
static char *unescape(char *text)
{
	char *out = text;

	for (const char *p = text; *p;) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' &&
		    p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
			*out++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 |
					(p[3] - '0'));
			p += 4;
		} else {
			*out++ = *p++;
		}
	}
	*out = '\0';
	return text;
}

/* id parent major:minor root mountpoint options [tag...] - fstype source superoptions */
static bool parse_line(char *line, struct mounts_entry *m)
{
	char *save = NULL, *field[6], *rest;

	line[strcspn(line, "\n")] = '\0';
	rest = strstr(line, " - ");
	if (!rest)
		return false;
	*rest = '\0';
	rest += 3;
	for (unsigned i = 0; i < ARRAY_LEN(field); i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return false;
	}
	if (sscanf(field[0], "%d", &m->id) != 1 ||
	    sscanf(field[2], "%u:%u", &m->major, &m->minor) != 2)
		return false;
	m->root = unescape(field[3]);
	m->mountpoint = unescape(field[4]);

	/* The source may be empty, so these are cut at each single space. */
	char *type = strsep(&rest, " "), *source = strsep(&rest, " ");

	if (!source || !rest)
		return false;
	m->fstype = unescape(type);
	m->source = unescape(source);
	m->options = unescape(rest);
	return true;
}

int mounts_each_in(const char *path, mounts_each_fn *each, void *arg, struct err *err)
{
	auto_file FILE *f = fopen(path, "re");
	auto_free char *line = NULL;
	size_t size = 0;

	if (!f)
		return err_sys(err, errno, "cannot open '%s'", path);
	while (getline(&line, &size, f) >= 0) {
		struct mounts_entry m = {0};
		int rc;

		if (!parse_line(line, &m))
			continue;
		rc = each(arg, &m, err);
		if (rc)
			return rc < 0 ? rc : 0;
	}
	if (ferror(f))
		return err_sys(err, errno, "cannot read '%s'", path);
	return 0;
}

int mounts_each(mounts_each_fn *each, void *arg, struct err *err)
{
	return mounts_each_in(MOUNTINFO, each, arg, err);
}

struct search {
	const char *store;
	char *found;
};

/* The kernel may know a dead mount's attributes; statfs always asks the daemon. */
static bool ask_daemon(const char *mountpoint)
{
	struct statvfs fs;

	return statvfs(mountpoint, &fs) < 0 && errno == ENOTCONN;
}

/* Asks in a process that can be left behind: one that is stopped or stuck never answers, and
 * whoever waits for it may not even be killed. */
bool mounts_is_dead(const char *mountpoint)
{
	auto_fd int answer = -1, asked = -1;
	struct pollfd wait = {.events = POLLIN};
	char dead = false;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	answer = ends[0];
	asked = ends[1];
	pid = fork();
	if (pid == 0) {
		dead = ask_daemon(mountpoint);
		_exit(write(asked, &dead, 1) != 1);
	}
	if (pid < 0)
		return false;
	wait.fd = answer;
	if (poll(&wait, 1, ANSWER_MS) <= 0 || read(answer, &dead, 1) != 1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, WNOHANG);
		return false;
	}
	waitpid(pid, NULL, 0);
	return dead;
}

/* Whether the path leads to this very mount and its daemon is not gone. */
static bool is_live(const struct mounts_entry *m)
{
	struct statx st;

	/* What the kernel knows by itself is enough. */
	return statx(AT_FDCWD, m->mountpoint, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		     STATX_TYPE, &st) == 0 &&
	       st.stx_dev_major == m->major && st.stx_dev_minor == m->minor &&
	       !mounts_is_dead(m->mountpoint);
}

static int find_each(void *arg, const struct mounts_entry *m, struct err *err)
{
	struct search *s = arg;
	char *copy;

	if (strcmp(m->fstype, MOUNTS_FSTYPE) != 0 || strcmp(m->source, s->store) != 0 ||
	    strcmp(m->root, "/") != 0 || !is_live(m))
		return 0;
	copy = strdup(m->mountpoint);
	if (!copy)
		return err_nomem(err);
	free(s->found);
	s->found = copy;
	return 0;
}

int mounts_find(const char *store, char **ret_mountpoint, struct err *err)
{
	char resolved[PATH_MAX];
	struct search s = {.store = resolved};
	int rc;

	if (!realpath(store, resolved)) {
		if (errno == ENOENT || errno == ENOTDIR)
			return err_set(err, ERR_NOTFOUND, "no store at '%s'", store);
		return err_sys(err, errno, "cannot find '%s'", store);
	}
	rc = mounts_each(find_each, &s, err);
	if (rc < 0) {
		free(s.found);
		return rc;
	}
	if (!s.found)
		return err_set(err, ERR_NOTFOUND, "store '%s' is not mounted", store);
	*ret_mountpoint = s.found;
	return 0;
}

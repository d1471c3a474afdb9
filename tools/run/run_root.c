/* SPDX-License-Identifier: Apache-2.0
 * Paths and users inside the root of a build step. */
#include "tools/run/run_root.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int open_in_root(int rootfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd, tries = 0;

	do
		fd = (int)syscall(SYS_openat2, rootfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 100)));
	return fd;
}

int run_root_open(int rootfd, const char *path, int flags, int *ret_fd, struct err *err)
{
	int fd = open_in_root(rootfd, path, flags);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOTFOUND, "there is no '%s' in the step's root",
			       path);
	if (fd < 0)
		return err_sys(err, errno, "cannot open '%s' in the step's root", path);
	*ret_fd = fd;
	return 0;
}

/* One part more: NAME below the directory ABOVE, which PATH names. */
static int make_part(int above, const char *name, const char *path, struct err *err)
{
	if (mkdirat(above, name, 0755) != 0)
		return errno == EEXIST ? 0
				       : err_sys(err, errno,
						 "cannot make the directory '%s' in the "
						 "step's root",
						 path);
	if (fchownat(above, name, 0, 0, AT_SYMLINK_NOFOLLOW) != 0 ||
	    fchmodat(above, name, 0755, 0) != 0)
		return err_sys(err, errno, "cannot set owner and mode of '%s'", path);
	return 0;
}

int run_root_make_dir(int rootfd, const char *path, int *ret_fd, bool *ret_made,
		      struct err *err)
{
	auto_fd int above = fcntl(rootfd, F_DUPFD_CLOEXEC, 3);
	char part[PATH_MAX];
	bool made = false;
	size_t len = 0;

	if (strlen(path) >= sizeof(part))
		return err_set(err, ERR_INVALID, "the path '%.60s...' is too long", path);
	while (path[len]) {
		size_t start = len + strspn(path + len, "/"), end;
		char name[NAME_MAX + 1];
		int fd, rc;

		end = start + strcspn(path + start, "/");
		if (end == start)
			break;
		if (end - start > NAME_MAX)
			return err_set(err, ERR_INVALID, "a part of '%s' is too long",
				       path);
		memcpy(part, path, end);
		part[end] = '\0';
		memcpy(name, path + start, end - start);
		name[end - start] = '\0';
		fd = open_in_root(rootfd, part, O_PATH | O_DIRECTORY);
		made = fd < 0 && errno == ENOENT;
		if (made) {
			rc = make_part(above, name, part, err);
			if (rc)
				return rc;
			fd = open_in_root(rootfd, part, O_PATH | O_DIRECTORY);
		}
		if (fd < 0)
			return err_sys(
				err, errno,
				"cannot open the directory '%s' in the step's root",
				part);
		close(above);
		above = fd;
		len = end;
	}
	if (ret_made)
		*ret_made = made;
	*ret_fd = open_in_root(above, ".", O_RDONLY | O_DIRECTORY);
	if (*ret_fd < 0)
		return err_sys(err, errno, "cannot open '%s' in the step's root", path);
	return 0;
}

/* ---- users ---- */

static FILE *open_table(int rootfd, const char *path)
{
	auto_fd int fd = open_in_root(rootfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "re");

	if (f)
		(void)steal_fd(&fd);
	return f;
}

static bool is_number(const char *text, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *ret < UINT_MAX;
}

/* By name, or by number for the home and the group. *ret_name: of whom it is. */
static bool find_user(int rootfd, const char *name, struct run_user *ret,
		      char ret_name[256])
{
	auto_file FILE *f = open_table(rootfd, "/etc/passwd");
	unsigned long number;
	bool numeric = is_number(name, &number);
	const struct passwd *p;

	while (f && (p = fgetpwent(f))) {
		if (numeric ? p->pw_uid != number : strcmp(p->pw_name, name) != 0)
			continue;
		ret->uid = p->pw_uid;
		ret->gid = p->pw_gid;
		snprintf(ret->home, sizeof(ret->home), "%s",
			 *p->pw_dir ? p->pw_dir : "/");
		snprintf(ret_name, 256, "%s", p->pw_name);
		return true;
	}
	if (numeric)
		ret->uid = (uid_t)number;
	return numeric;
}

static bool find_group(int rootfd, const char *name, gid_t *ret)
{
	auto_file FILE *f = open_table(rootfd, "/etc/group");
	unsigned long number;
	const struct group *g;

	if (is_number(name, &number)) {
		*ret = (gid_t)number;
		return true;
	}
	while (f && (g = fgetgrent(f)))
		if (strcmp(g->gr_name, name) == 0) {
			*ret = g->gr_gid;
			return true;
		}
	return false;
}

static void find_memberships(int rootfd, const char *user, struct run_user *ret)
{
	auto_file FILE *f = open_table(rootfd, "/etc/group");
	const struct group *g;

	while (f && ret->group_count < RUN_GROUPS_MAX && (g = fgetgrent(f)))
		for (char **m = g->gr_mem; *m; m++)
			if (strcmp(*m, user) == 0) {
				ret->groups[ret->group_count++] = g->gr_gid;
				break;
			}
}

int run_root_user(int rootfd, const char *text, struct run_user *ret, struct err *err)
{
	struct run_user u = {.home = "/"};
	auto_free char *copy = strdup(*text ? text : "0");
	char name[256] = "";
	char *group;

	if (!copy)
		return err_nomem(err);
	group = strchr(copy, ':');
	if (group)
		*group++ = '\0';
	if (!find_user(rootfd, *copy ? copy : "0", &u, name))
		return err_set(err, ERR_INVALID,
			       "there is no user '%s' in the step's /etc/passwd", copy);
	if (u.uid == 0 && strcmp(u.home, "/") == 0)
		snprintf(u.home, sizeof(u.home), "/root");
	if (group && !find_group(rootfd, group, &u.gid))
		return err_set(err, ERR_INVALID,
			       "there is no group '%s' in the step's /etc/group", group);
	/* A group that is given is the only one. */
	if (!group && *name)
		find_memberships(rootfd, name, &u);
	*ret = u;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * `layercache unmount`: ends a mount of the store, or an overlay made by `overlay`.
 */
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "fs/mounts.h"
#include "tools/commands.h"
#include "tools/daemons.h"
#include "tools/output.h"
#include "tools/overlay_lease.h"
#include "tools/overlay_mount.h"
#include "tools/paths.h"

#define DAEMON_WAIT_MS 10000

struct unmount_options {
	bool lazy;
};

static const struct option_spec options[] = {
	OPTION_FLAG('l', "lazy", struct unmount_options, lazy,
		    "also while it is used: it vanishes now and ends with its last user"),
	OPTION_END,
};

/* The topmost mount on a path. */
struct target {
	char *path;
	int id; /* 0: nothing is mounted there */
	char source[PATH_MAX];
	bool overlay, daemon; /* one of `overlay`, one with a daemon of its own */
};

static int find_each(void *arg, const struct mounts_entry *m, struct err *err)
{
	struct target *t = arg;
	const char *source = m->source;

	(void)err;
	if (strcmp(m->mountpoint, t->path) != 0)
		return 0;
	t->id = m->id;
	t->overlay = strcmp(m->fstype, "overlay") == 0 &&
		     strncmp(source, OVERLAY_SOURCE, strlen(OVERLAY_SOURCE)) == 0;
	t->daemon = strcmp(m->fstype, MOUNTS_FSTYPE) == 0 && strcmp(m->root, "/") == 0;
	if (t->overlay)
		source += strlen(OVERLAY_SOURCE);
	snprintf(t->source, sizeof(t->source), "%s", source);
	return 0;
}

/* ---- what stands on a mount ---- */

struct users {
	const char *mountpoint;
	struct buf list;
	unsigned count;
};

/* Whether PATH stands in an overlay's options as a layer or the start of one. */
static bool is_layer_below(const char *layers, const char *path)
{
	size_t n = strlen(path);

	for (const char *p = strstr(layers, path); p; p = strstr(p + 1, path)) {
		bool begins = p > layers && (p[-1] == '=' || p[-1] == ':');

		if (begins && (p[n] == '/' || p[n] == ':' || p[n] == ',' || !p[n]))
			return true;
	}
	return false;
}

static int user_each(void *arg, const struct mounts_entry *m, struct err *err)
{
	struct users *u = arg;
	int rc;

	if (strcmp(m->fstype, "overlay") != 0 ||
	    !is_layer_below(m->options, u->mountpoint))
		return 0;
	rc = buf_printf(&u->list, err, "%s'", u->count++ ? ", " : "");
	if (!rc)
		rc = output_quote(&u->list, m->mountpoint, err);
	return rc ? rc : buf_append_u8(&u->list, '\'', err);
}

static int refuse_used(const char *mountpoint, struct err *err)
{
	struct users u = {.mountpoint = mountpoint};
	int rc;

	buf_init(&u.list, 1u << 20);
	rc = mounts_each(user_each, &u, err);
	if (rc >= 0 && u.count)
		rc = err_set(err, ERR_BUSY,
			     "cannot unmount '%s': overlays on top of it: %.*s",
			     mountpoint, (int)u.list.len, (char *)u.list.data);
	buf_release(&u.list);
	return rc < 0 ? rc : 0;
}

/* ---- unmounting ---- */

/* A user's own mount is ended by the setuid helper of libfuse. */
static int run_fusermount(char *path, bool lazy, struct err *err)
{
	char program[] = "fusermount3", unmount[] = "-u", quiet[] = "-q", z[] = "-z";
	char end[] = "--";
	char *argv[] = {program, unmount, quiet, lazy ? z : quiet, end, path, NULL};
	int status, rc;
	pid_t pid;

	rc = posix_spawnp(&pid, program, NULL, NULL, argv, environ);
	if (rc)
		return err_sys(err, rc, "cannot run '%s'", program);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, errno, "cannot wait for '%s'", program);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(err, ERR_FAILED,
			       "cannot unmount '%s': in use or not yours", path);
	return 0;
}

static int detach(char *path, bool fuse, bool lazy, struct err *err)
{
	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno == EPERM && fuse)
		return run_fusermount(path, lazy, err);
	return err_sys(err, errno, "cannot unmount '%s'", path);
}

static int unmount_store(const struct command_call *call, const struct target *t,
			 bool lazy, struct err *err)
{
	struct daemons daemons;
	int rc = 0;

	if (!lazy)
		rc = refuse_used(t->path, err);
	if (rc)
		return rc;
	daemons_find(t->source, &daemons);
	rc = detach(t->path, true, lazy, err);
	if (!rc && !lazy && !daemons_wait(&daemons, DAEMON_WAIT_MS))
		output_notice(call->quiet, "the daemon of '%s' is still running",
			      t->path);
	daemons_release(&daemons);
	return rc;
}

/* ---- overlays ---- */

struct ending {
	const char *target;
	int mount; /* 0: any that is gone */
	unsigned removed;
};

static int end_lease(void *arg, const struct overlay_lease *lease, struct err *err)
{
	struct ending *e = arg;

	(void)err;
	if (strcmp(lease->target, e->target) != 0 ||
	    (e->mount && lease->same_boot && lease->mount != e->mount))
		return 0;
	overlay_lease_remove(lease);
	e->removed++;
	return 0;
}

static int unmount_overlay(const struct command_call *call, const struct target *t,
			   bool lazy, struct err *err)
{
	struct ending e = {.target = t->path, .mount = t->id};
	int rc = detach(t->path, false, lazy, err);

	/* Who still uses a lazily unmounted one keeps its upper directory. */
	if (rc || lazy)
		return rc;
	return overlay_lease_each(*t->source ? t->source : call->store, end_lease, &e,
				  err);
}

/* Nothing is mounted there: an overlay that umount(8) has ended left its directory. */
static int clean_up(const struct command_call *call, const char *path, struct err *err)
{
	struct ending e = {.target = path};
	int rc = overlay_lease_each(call->store, end_lease, &e, err);

	if (!rc && !e.removed)
		return err_set(err, ERR_NOTFOUND, "nothing is mounted on '%s'", path);
	return rc;
}

static int find_path(const struct command_call *call, char **ret, struct err *err)
{
	int rc;

	if (call->count)
		return paths_resolve(call->args[0], ret, err);
	rc = mounts_find(call->store, ret, err);
	return rc == -ERR_NOTFOUND ? paths_mountpoint(ret, err) : rc;
}

static int run(struct command_call *call, struct err *err)
{
	const struct unmount_options *o = call->values;
	auto_free char *path = NULL;
	struct target t = {0};
	int rc;

	rc = find_path(call, &path, err);
	if (rc)
		return rc;
	t.path = path;
	rc = mounts_each(find_each, &t, err);
	if (rc < 0)
		return rc;
	if (!t.id)
		return clean_up(call, path, err);
	if (t.daemon)
		return unmount_store(call, &t, o->lazy, err);
	if (t.overlay)
		return unmount_overlay(call, &t, o->lazy, err);
	return err_set(err, ERR_INVALID, "'%s' is not a mount of layercache", path);
}

const struct command cmd_unmount = {
	.name = "unmount",
	.summary = "end a mount of the store or an overlay",
	.arguments = "[MOUNTPOINT]",
	.details =
		"Without MOUNTPOINT the mount of this store. Waits until its daemon is gone.\n"
		"Refuses while overlays stand on the mount, unless --lazy. Of an overlay the\n"
		"store's own upper directory is removed, --upper's is kept.",
	.options = options,
	.values_size = sizeof(struct unmount_options),
	.max_args = 1,
	.complete = COMPLETE_DIRECTORY,
	.run = run,
};

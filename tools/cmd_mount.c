/* SPDX-License-Identifier: Apache-2.0
 * `layercache mount`: the store as a filesystem.
 */
#include <fcntl.h>
#include <string.h>

#include "fs/mount.h"
#include "fs/mounts.h"
#include "store/base/io.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/paths.h"

#define OPTIONS_MAX (64u << 10)

struct mount_values {
	struct option_list options;
	bool foreground;
};

static const struct option_spec options[] = {
	OPTION_FLAG('f', "foreground", struct mount_values, foreground,
		    "do not become a daemon; log to stderr"),
	OPTION_LIST('o', "options", "OPTIONS", struct mount_values, options,
		    "mount options, separated by commas"),
	OPTION_END,
};

static int join_options(const struct option_list *list, struct buf *out, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < list->count && !rc; i++)
		rc = buf_printf(out, err, "%s%s", i ? "," : "", list->items[i]);
	return rc ? rc : buf_append_u8(out, 0, err);
}

/* The default mountpoint is made; one that was named must be there. */
static int default_mountpoint(char **ret, struct err *err)
{
	auto_free char *path = NULL;
	int rc;

	rc = paths_mountpoint(&path, err);
	if (!rc)
		rc = io_mkdir(AT_FDCWD, path, 0755, err);
	/* A dead mount is in the way of mkdir; the mount clears it away. */
	if (rc == -ERR_SYSTEM && err->sys == ENOTCONN)
		rc = 0;
	if (!rc)
		*ret = steal_ptr(&path);
	return rc;
}

static int refuse_second(const char *store, const char *mountpoint, struct err *err)
{
	auto_free char *wanted = NULL, *live = NULL;
	int rc;

	rc = paths_resolve(mountpoint, &wanted, err);
	if (rc)
		return rc;
	rc = mounts_find(store, &live, err);
	if (rc == -ERR_NOTFOUND)
		return 0;
	if (!rc && strcmp(live, wanted) == 0)
		return err_set(err, ERR_FAILED, "store '%s' is already mounted on '%s'",
			       store, live);
	return rc;
}

static int run(struct command_call *call, struct err *err)
{
	const struct mount_values *v = call->values;
	struct mount_options mount = {.store = call->store, .foreground = v->foreground};
	auto_free char *path = NULL, *rest = NULL;
	auto_store struct store *store = NULL;
	auto_buf struct buf text;
	int rc;

	buf_init(&text, OPTIONS_MAX);
	rc = join_options(&v->options, &text, err);
	if (!rc)
		rc = mount_options_parse(&mount, (char *)text.data, &rest, err);
	if (!rc && !call->count)
		rc = default_mountpoint(&path, err);
	if (rc)
		return rc;
	mount.mountpoint = call->count ? call->args[0] : path;
	rc = refuse_second(call->store, mount.mountpoint, err);
	if (!rc)
		rc = paths_check_mountpoint(call->store, mount.mountpoint, err);
	if (!rc && call->alternate) /* the daemon finds it in the store */
		rc = command_open_store(call, STORE_WRITE | STORE_CREATE, &store, err);
	store_close(steal_ptr(&store));
	if (!rc)
		rc = mount_run(&mount, err);
	return rc;
}

const struct command cmd_mount = {
	.name = "mount",
	.summary = "mount the store",
	.arguments = "[MOUNTPOINT]",
	.details =
		"Returns when the mount answers; a daemon serves it until 'unmount'. Default\n"
		"MOUNTPOINT: /var/lib/layercache for root (made if missing), else\n"
		"$XDG_RUNTIME_DIR/layercache. A missing store is made. Options:\n"
		"  opaque=user    overlay marks as user.overlay.*, for user namespaces\n"
		"  share=objects  objects/ readable by all (it passes by file modes)\n"
		"  private        a mount of root only for root\n"
		"  cache=MIB      decoded data kept in memory (64)\n"
		"  trees=MIB      bound of the store's tree files (1024)\n"
		"  suid, dev      instead of nosuid, nodev; others go to FUSE\n"
		"The same: mount -t fuse.layercache STORE MOUNTPOINT -o OPTIONS, and fstab.",
	.options = options,
	.values_size = sizeof(struct mount_values),
	.max_args = 1,
	.complete = COMPLETE_DIRECTORY,
	.run = run,
};

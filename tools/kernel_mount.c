/* SPDX-License-Identifier: Apache-2.0
 * The kernel's mount API, wrapped.
 */
#include "tools/kernel_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "tools/loop_device.h"

/* fsconfig takes no longer strings. */
#define VALUE_MAX 255

/* The kernel's words about a context, "e overlay: no changes allowed": the last error. */
static void read_log(int context, char *text, size_t size)
{
	char line[256];
	ssize_t n;

	text[0] = '\0';
	while ((n = read(context, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (n > 2 && line[0] == 'e')
			snprintf(text, size, " (%.*s)", (int)size - 4, line + 2);
	}
}

static int refused(int context, const char *what, struct err *err)
{
	int saved = errno;
	char log[160];

	read_log(context, log, sizeof(log));
	return err_sys(err, saved, "cannot mount %s%s", what, log);
}

static int context_open(const char *type, int *ret, struct err *err)
{
	int fd = fsopen(type, FSOPEN_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "cannot mount a filesystem of type %s", type);
	*ret = fd;
	return 0;
}

static int set_string(int context, const char *key, const char *value, struct err *err)
{
	if (fsconfig(context, FSCONFIG_SET_STRING, key, value, 0) != 0)
		return refused(context, key, err);
	return 0;
}

static int set_fd(int context, const char *key, int fd, struct err *err)
{
	if (fsconfig(context, FSCONFIG_SET_FD, key, NULL, fd) != 0)
		return refused(context, key, err);
	return 0;
}

static int create(int context, const char *what, unsigned attributes, int *ret,
		  struct err *err)
{
	int fd;

	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
		return refused(context, what, err);
	fd = fsmount(context, FSMOUNT_CLOEXEC, attributes);
	if (fd < 0)
		return refused(context, what, err);
	*ret = fd;
	return 0;
}

/* ---- EROFS ---- */

static int erofs_from(const char *source, const char *what, int *ret, struct err *err)
{
	auto_fd int context = -1;
	int rc;

	rc = context_open("erofs", &context, err);
	if (!rc)
		rc = set_string(context, "source", source, err);
	if (!rc && fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) != 0)
		rc = refused(context, what, err);
	if (!rc)
		rc = create(context, what,
			    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, ret,
			    err);
	return rc;
}

int kernel_mount_erofs(int file, const char *what, int *ret_mount, struct err *err)
{
	char source[64];
	auto_fd int loop = -1;
	int rc;

	snprintf(source, sizeof(source), "/proc/self/fd/%d", file);
	rc = erofs_from(source, what, ret_mount, err);
	if (rc != -ERR_SYSTEM || err->sys != ENOTBLK)
		return rc;
	rc = loop_device_new(file, what, &loop, source, sizeof(source), err);
	return rc ? rc : erofs_from(source, what, ret_mount, err);
}

/* ---- overlay ---- */

int kernel_mount_escape(struct buf *out, const char *path, struct err *err)
{
	int rc = 0;

	for (; *path && !rc; path++) {
		if (*path == '\\')
			rc = buf_append_u8(out, '\\', err);
		if (!rc)
			rc = buf_append_u8(out, (uint8_t)*path, err);
	}
	return rc;
}

/* The path by name, so that the mount table tells it; too long a one by descriptor. */
static int set_directory(int context, const char *key, const char *path, bool escape,
			 struct err *err)
{
	auto_buf struct buf value;
	auto_fd int fd = -1;
	int rc;

	buf_init(&value, 2 * PATH_MAX + 1);
	if (escape)
		rc = kernel_mount_escape(&value, path, err);
	else
		rc = buf_append(&value, path, strlen(path), err);
	if (!rc)
		rc = buf_append_u8(&value, 0, err);
	if (rc)
		return rc;
	if (value.len <= VALUE_MAX)
		return set_string(context, key, (char *)value.data, err);
	rc = io_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &fd, err);
	return rc ? rc : set_fd(context, key, fd, err);
}

static int set_lower(int context, const struct kernel_mount_layer *layer, struct err *err)
{
	auto_fd int fd = -1;
	int rc;

	if (layer->fd < 0)
		return set_directory(context, "lowerdir+", layer->path, false, err);
	/* Not every kernel takes the O_PATH descriptor of a mount. */
	rc = io_open(layer->fd, ".", O_RDONLY | O_DIRECTORY, 0, &fd, err);
	return rc ? rc : set_fd(context, "lowerdir+", fd, err);
}

/* Kernels before 6.8 want all lowers in one value. */
static int set_lowers_joined(int context, const struct kernel_mount_overlay *o,
			     struct err *err)
{
	auto_buf struct buf value;
	int rc = 0;

	buf_init(&value, VALUE_MAX + 1);
	for (size_t i = 0; i < o->lower_count && !rc; i++) {
		if (i)
			rc = buf_append_u8(&value, ':', err);
		for (const char *p = o->lower[i].path; *p && !rc; p++) {
			if (*p == ':' || *p == '\\')
				rc = buf_append_u8(&value, '\\', err);
			if (!rc)
				rc = buf_append_u8(&value, (uint8_t)*p, err);
		}
	}
	if (!rc)
		rc = buf_append_u8(&value, 0, err);
	return rc ? rc : set_string(context, "lowerdir", (char *)value.data, err);
}

static int set_layers(int context, const struct kernel_mount_overlay *o, bool joined,
		      struct err *err)
{
	int rc = 0;

	if (joined)
		rc = set_lowers_joined(context, o, err);
	for (size_t i = 0; i < o->lower_count && !joined && !rc; i++)
		rc = set_lower(context, &o->lower[i], err);
	for (size_t i = 0; i < o->data_count && !rc; i++)
		rc = set_directory(context, "datadir+", o->data[i], false, err);
	if (!rc && o->upper)
		rc = set_directory(context, "upperdir", o->upper, true, err);
	if (!rc && o->upper)
		rc = set_directory(context, "workdir", o->work, true, err);
	return rc;
}

/* Contents of the trees are found by redirect, without a copy of data on chmod and chown. */
static int set_modes(int context, const struct kernel_mount_overlay *o, struct err *err)
{
	int rc = 0;

	if (o->data_count) {
		rc = set_string(context, "redirect_dir", "on", err);
		if (!rc)
			rc = set_string(context, "metacopy", "on", err);
	}
	if (!rc && o->userxattr &&
	    fsconfig(context, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) != 0)
		rc = refused(context, "userxattr", err);
	return rc;
}

static int overlay(const struct kernel_mount_overlay *o, bool joined, int *ret_mount,
		   struct err *err)
{
	unsigned attributes =
		(o->suid ? 0 : MOUNT_ATTR_NOSUID) | (o->dev ? 0 : MOUNT_ATTR_NODEV) |
		(o->noexec ? MOUNT_ATTR_NOEXEC : 0) | (o->upper ? 0 : MOUNT_ATTR_RDONLY);
	auto_fd int context = -1;
	int rc;

	rc = context_open("overlay", &context, err);
	if (!rc)
		rc = set_string(context, "source", o->source, err);
	if (!rc)
		rc = set_modes(context, o, err);
	if (!rc)
		rc = set_layers(context, o, joined, err);
	return rc ? rc : create(context, "overlay", attributes, ret_mount, err);
}

int kernel_mount_overlay(const struct kernel_mount_overlay *o, int *ret_mount,
			 struct err *err)
{
	bool by_path = true;
	int rc = overlay(o, false, ret_mount, err);

	for (size_t i = 0; i < o->lower_count; i++)
		by_path = by_path && o->lower[i].fd < 0;
	if (rc == -ERR_SYSTEM && err->sys == EINVAL && by_path && !o->data_count)
		rc = overlay(o, true, ret_mount, err);
	return rc;
}

int kernel_mount_attach(int mount, const char *target, struct err *err)
{
	if (move_mount(mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0)
		return err_sys(err, errno, "cannot mount on '%s'", target);
	return 0;
}

int kernel_mount_id(int fd, int *ret, struct err *err)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) != 0)
		return err_sys(err, errno, "cannot tell the id of a mount");
	*ret = st.stx_mask & STATX_MNT_ID ? (int)st.stx_mnt_id : 0;
	return 0;
}

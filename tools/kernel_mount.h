/* SPDX-License-Identifier: Apache-2.0
 * Mounting without mount(8): fsopen, fsconfig, fsmount, move_mount (Linux 5.2 and later).
 * What the kernel itself says about a refused mount goes into the error.
 *
 * A mount made here is attached nowhere until kernel_mount_attach: closing its descriptor
 * throws it away, so a failure half-way leaves nothing mounted. Thread-safe.
 */
#ifndef TOOLS_KERNEL_MOUNT_H
#define TOOLS_KERNEL_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/buf.h"
#include "store/base/err.h"

/* An EROFS image, read-only, nosuid and nodev: straight from the file where the kernel can
 * (6.12 and later), else over a loop device that goes away with the mount. FILE is open for
 * reading; WHAT names it in errors; ERR must not be NULL. */
int kernel_mount_erofs(int file, const char *what, int *ret_mount,
		       struct err *err) MUST_CHECK;

/* A layer of an overlay: a path, or what a descriptor is (then PATH only names it). */
struct kernel_mount_layer {
	const char *path;
	int fd; /* -1: none */
};

struct kernel_mount_overlay {
	const char *source;                     /* shown in the mount table */
	const struct kernel_mount_layer *lower; /* topmost first */
	size_t lower_count;
	const char *const *data; /* data-only lowers, first one wins */
	size_t data_count;
	const char *upper, *work; /* both NULL: read-only */
	bool userxattr;           /* user.overlay.*, for user namespaces */
	bool suid, dev, noexec;   /* else nosuid, nodev, exec */
};

/* ERR_SYSTEM with err->sys for what the kernel refuses; ERR must not be NULL. */
int kernel_mount_overlay(const struct kernel_mount_overlay *o, int *ret_mount,
			 struct err *err) MUST_CHECK;

/* Puts the mount on TARGET. */
int kernel_mount_attach(int mount, const char *target, struct err *err) MUST_CHECK;

/* Its number in /proc/self/mountinfo; 0 from kernels that do not tell (before 5.8). */
int kernel_mount_id(int fd, int *ret, struct err *err) MUST_CHECK;

/* Appends a path as overlayfs wants it in `upperdir` and `workdir`: a backslash before each
 * backslash (commas and colons mean nothing there). No NUL is appended. */
int kernel_mount_escape(struct buf *out, const char *path, struct err *err) MUST_CHECK;

#endif

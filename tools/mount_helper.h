/* SPDX-License-Identifier: Apache-2.0
 * The program under its other name: `mount -t fuse.layercache STORE DIR`, fstab and systemd
 * run `mount.fuse.layercache STORE DIR [-sfnv] [-o OPTIONS] [-t TYPE]` (mount(8), "external
 * helpers").
 */
#ifndef TOOLS_MOUNT_HELPER_H
#define TOOLS_MOUNT_HELPER_H

#include <stdbool.h>

#include "store/base/err.h"

/* Whether NAME, without directories, is one of the helper's names. */
bool mount_helper_is(const char *name);

/* Mounts; returns when the mount answers. */
int mount_helper_run(int argc, char **argv, struct err *err) MUST_CHECK;

#endif

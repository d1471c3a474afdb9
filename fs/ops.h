/* SPDX-License-Identifier: Apache-2.0
 * The FUSE operations: requests in, replies out. The session's userdata is a struct fs.
 */
#ifndef FS_OPS_H
#define FS_OPS_H

#include <fuse_lowlevel.h>

/* The largest read that is asked for (the kernel's own limit is 256 pages). */
#define OPS_READ_MAX (1u << 20)

extern const struct fuse_lowlevel_ops ops_table;

#endif

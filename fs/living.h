/* SPDX-License-Identifier: Apache-2.0
 * Living files: content that changes while the mount lives, on a connection without open.
 *
 * Each version of such a file is a node of its own, made once, with its exact size, and
 * kept while the kernel holds it; a name leads to the newest version. At most LIVING_MAX
 * are kept: whoever holds an older one gets ERR_STALE. Version numbers are taken from the
 * clock, so that a handle from before a restart never leads to other content.
 *
 * Thread-safe.
 */
#ifndef FS_LIVING_H
#define FS_LIVING_H

#include <stdint.h>
#include <time.h>

#include "store/base/buf.h"

#define LIVING_MAX      256
#define LIVING_FILE_MAX (4u << 20)

struct living;

struct living_info {
	uint64_t id; /* nodeid */
	uint64_t size;
	struct timespec mtime;
};

/* RENDER appends the content of a version. */
typedef int living_render_fn(void *arg, struct buf *out, struct err *err);

int living_new(living_render_fn *render, void *arg, struct living **ret,
	       struct err *err) MUST_CHECK;
void living_free(struct living *l); /* NULL is ignored */

/* The version that the file's name leads to. A version serves for a second, so that a
 * program that looks twice (stat, then open) sees one file. HOLD: the kernel will hold it
 * once more. */
int living_newest(struct living *l, bool hold, struct living_info *ret,
		  struct err *err) MUST_CHECK;

/* By node id. ERR_STALE. */
int living_get(struct living *l, uint64_t id, bool hold, struct living_info *ret,
	       struct err *err) MUST_CHECK;
int living_read(struct living *l, uint64_t id, uint64_t off, void *data, size_t len,
		size_t *ret_len, struct err *err) MUST_CHECK;
void living_forget(struct living *l, uint64_t id, uint64_t count);

#endif

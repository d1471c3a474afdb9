/* SPDX-License-Identifier: Apache-2.0
 * What the daemon counts: requests by kind, errors, bytes, and per tree the nodes that the
 * kernel holds (lookups less forgets), which is all that a stateless daemon knows of use.
 *
 * All functions are thread-safe and cheap.
 */
#ifndef FS_COUNTERS_H
#define FS_COUNTERS_H

#include <stdint.h>

#include "store/base/buf.h"

enum counters_request {
	COUNTERS_LOOKUP,
	COUNTERS_GETATTR,
	COUNTERS_READLINK,
	COUNTERS_OPEN,
	COUNTERS_READ,
	COUNTERS_READDIR,
	COUNTERS_GETXATTR,
	COUNTERS_LISTXATTR,
	COUNTERS_FORGET,
	COUNTERS_STATFS,
	COUNTERS_REQUESTS,
};

struct counters;

int counters_new(struct counters **ret, struct err *err) MUST_CHECK;
void counters_free(struct counters *c); /* NULL is ignored */

void counters_request(struct counters *c, enum counters_request request);
void counters_error(struct counters *c); /* an answer of EIO */
void counters_read(struct counters *c, uint64_t bytes);
/* Content that the kernel was given before it asked. */
void counters_given(struct counters *c, uint64_t bytes);

/* The kernel holds COUNT more nodes of the tree, or fewer. */
void counters_hold(struct counters *c, uint32_t tree, int64_t count);

/* Nodes of the tree that the kernel holds. */
int64_t counters_held(struct counters *c, uint32_t tree);

/* Appends them in Prometheus' text form. */
int counters_format(struct counters *c, struct buf *out, struct err *err) MUST_CHECK;

#endif

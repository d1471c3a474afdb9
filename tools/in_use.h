/* SPDX-License-Identifier: Apache-2.0
 * What is mounted or leased on this host: chains and layers that gc must keep.
 */
#ifndef TOOLS_IN_USE_H
#define TOOLS_IN_USE_H

#include "store/base/buf.h"
#include "store/digest.h"

struct in_use {
	const char *by;    /* "lease" or "mount" */
	const char *where; /* mountpoint */
	struct digest id;  /* of a chain or layer */
};

/* Each chain or layer of the store at this path that an overlay's lease names, or that is a
 * lower directory in the mount table. May give one twice; EACH returns > 0 to stop. */
typedef int in_use_fn(void *arg, const struct in_use *use, struct err *err);
int in_use_each(const char *store, in_use_fn *each, void *arg,
		struct err *err) MUST_CHECK;

/* Appends all of their digests. */
int in_use_list(const char *store, struct buf *digests, struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * What the base images of a Dockerfile say, from the store; of one that is not there the
 * environment is guessed from the image that was built on it.
 */
#ifndef TOOLS_BUILDKIT_EXPLAIN_BASE_H
#define TOOLS_BUILDKIT_EXPLAIN_BASE_H

#include "store/catalog.h"
#include "store/object.h"
#include "tools/buildkit/build_plan.h"

struct explain_base {
	struct catalog_txn *txn;
	struct objects *objects;
	const char *platform;
	const struct record_image
		*image; /* that has the cache inline; without chain: none */
	const struct dockerfile *dockerfile;
};

/* A build_plan_base_fn. */
int explain_base(void *arg, struct build_plan_base *base, struct buf *env, char **ret_cwd,
		 char **ret_user, struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * What a registry's DELETE of a manifest means for the store: names go; by digest also the
 * image or artifact itself, if no other name or key needs it. The rest is gc's.
 */
#ifndef TOOLS_SERVE_REMOVAL_H
#define TOOLS_SERVE_REMOVAL_H

#include "store/store.h"

struct removal {
	const char *repository;
	const char *tag;      /* "": by digest */
	struct digest digest; /* of a manifest or index */
};

/* ERR_NOTFOUND: there is nothing of the kind. */
int removal_run(struct store *s, const struct removal *removal,
		struct err *err) MUST_CHECK;

#endif

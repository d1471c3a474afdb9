/* SPDX-License-Identifier: Apache-2.0
 * What is about a manifest: signatures and the like whose `subject` it is.
 */
#ifndef TOOLS_REFERRERS_H
#define TOOLS_REFERRERS_H

#include <jansson.h>

#include "store/object.h"

/* An index of all that is about SUBJECT, of one type only unless ARTIFACT_TYPE is NULL. The
 * caller owns *ret. */
int referrers_index(struct store *store, struct objects *objects,
		    const struct digest *subject, const char *artifact_type, json_t **ret,
		    struct err *err) MUST_CHECK;

#endif

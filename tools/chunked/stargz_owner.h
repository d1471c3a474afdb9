/* SPDX-License-Identifier: Apache-2.0
 * Names of owners in a table of contents of eStargz: it has a name only where the owner's
 * last one was another.
 */
#ifndef TOOLS_CHUNKED_STARGZ_OWNER_H
#define TOOLS_CHUNKED_STARGZ_OWNER_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

#define STARGZ_OWNER_MAX  256u /* owners with a name */
#define STARGZ_OWNER_NAME 32u  /* bytes of a name; no header has more */

/* A zeroed struct knows nobody. */
struct stargz_owner {
	struct {
		uint64_t id;
		char name[STARGZ_OWNER_NAME + 1];
	} known[STARGZ_OWNER_MAX];
	size_t count;
};

/* The name of ID, for whom the table says NAME or "". Valid until the next call. ERR_LIMIT:
 * there are too many, ERR_INVALID: the name is too long. */
int stargz_owner_name(struct stargz_owner *o, uint64_t id, const char *name,
		      const char **ret, struct err *err) MUST_CHECK;

#endif

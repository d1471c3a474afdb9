/* SPDX-License-Identifier: Apache-2.0
 * A set of digests, only to count: it keeps 64 bits of each, so two digests that share these
 * count as one. Never use it to decide whether content is there. About 16 bytes per digest.
 */
#ifndef STORE_DIGEST_SET_H
#define STORE_DIGEST_SET_H

#include "store/digest.h"

struct digest_set {
	uint64_t *slots; /* 0: free */
	size_t size;     /* a power of two, or 0 */
	size_t count;
};

/* A zeroed struct is an empty set. */
void digest_set_release(struct digest_set *s);

/* *ret_new: it was not in the set. */
int digest_set_add(struct digest_set *s, const struct digest *d, bool *ret_new,
		   struct err *err) MUST_CHECK;

#endif

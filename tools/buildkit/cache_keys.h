/* SPDX-License-Identifier: Apache-2.0
 * Cache digests for the records of a build cache. A record's digest does not say what its
 * inputs were (the same command on two base images has one digest), so its key is
 *
 *	SHA-256 of "layercache buildkit key 1\n" | digest | u32 inputs
 *	           | per input: selector | key of the input
 *
 * digests as 32 bytes, zero for no selector, the number little-endian. Each way to choose among
 * the records that will do for an input gives a key, CACHE_KEYS_MAX of them at most: those of
 * the lowest selectors and keys, so that they do not depend on the document's order.
 */
#ifndef TOOLS_BUILDKIT_CACHE_KEYS_H
#define TOOLS_BUILDKIT_CACHE_KEYS_H

#include "tools/buildkit/cacheconfig.h"

#define CACHE_KEYS_MAX   4
#define CACHE_KEYS_SCOPE "buildkit cache" /* of the records of keys made from these */

struct cache_keys {
	struct digest (*keys)[CACHE_KEYS_MAX]; /* per record */
	struct digest (
		*parents)[CACHE_KEYS_MAX]; /* the key of input 0 in it; zero: none */
	uint8_t *counts;                   /* at least 1 */
};

int cache_keys_make(const struct cacheconfig *c, struct cache_keys *ret,
		    struct err *err) MUST_CHECK;
void cache_keys_release(struct cache_keys *k);
#define auto_cache_keys __attribute__((cleanup(cache_keys_release)))

#endif

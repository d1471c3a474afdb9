/* SPDX-License-Identifier: Apache-2.0
 * The build cache inside of an image's config: member `moby.buildkit.cache.v0`, the records as
 * base64 of JSON. Pure functions.
 */
#ifndef TOOLS_BUILDKIT_CACHE_INLINE_H
#define TOOLS_BUILDKIT_CACHE_INLINE_H

#include "store/base/buf.h"

/* Appends the decoded records of a config of LEN bytes. ERR_NOTFOUND: it has none. ERR_INVALID:
 * no config, or no base64. */
int cache_inline_get(const void *config, size_t len, struct buf *ret,
		     struct err *err) MUST_CHECK;

/* Appends the config with these records in place of what it had; all else stays. */
int cache_inline_set(const void *config, size_t len, const void *records,
		     size_t records_len, struct buf *ret, struct err *err) MUST_CHECK;

#endif

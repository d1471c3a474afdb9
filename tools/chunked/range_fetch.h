/* SPDX-License-Identifier: Apache-2.0
 * Reads parts of a blob from front to end, while threads get what comes next over connections
 * of their own. A few MiB wait in memory at most.
 */
#ifndef TOOLS_CHUNKED_RANGE_FETCH_H
#define TOOLS_CHUNKED_RANGE_FETCH_H

#include "tools/chunked/range_plan.h"
#include "tools/oci/source.h"

struct range_fetch;

/* SOURCE has open_range. Borrows all. */
int range_fetch_new(struct source *source, const struct descriptor *d,
		    const struct range_plan *plan, struct range_fetch **ret,
		    struct err *err) MUST_CHECK;

/* Breaks off what is under way. NULL is ignored. */
void range_fetch_free(struct range_fetch *f);

AUTO_DEFINE(range_fetch, struct range_fetch, range_fetch_free)
#define auto_range_fetch AUTO(range_fetch)

/* The bytes AT .. AT + LEN, which the plan has; every call asks for later ones than the call
 * before. */
int range_fetch_read(struct range_fetch *f, uint64_t at, void *data, size_t len,
		     struct err *err) MUST_CHECK;

#endif

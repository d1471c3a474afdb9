/* SPDX-License-Identifier: Apache-2.0
 * Which bytes of a blob to ask for. Parts with a small gap between them are asked for
 * together, because a request costs more than a few bytes; the gaps never become a large part
 * of the whole. Pure.
 */
#ifndef TOOLS_CHUNKED_RANGE_PLAN_H
#define TOOLS_CHUNKED_RANGE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

#define RANGE_PLAN_MAX (4u << 20) /* parts that do not touch each other */

struct range {
	uint64_t from, until;
};

struct range_plan {
	struct range *items; /* rising, apart from each other */
	size_t count, cap;
	uint64_t wanted; /* bytes that were asked for */
};

/* A zeroed struct is an empty plan. FROM is not before the end of the last part. ERR_LIMIT. */
int range_plan_add(struct range_plan *p, uint64_t from, uint64_t until,
		   struct err *err) MUST_CHECK;

/* All parts are there: joins those that are near each other. */
void range_plan_join(struct range_plan *p);

/* Bytes of all parts. */
uint64_t range_plan_bytes(const struct range_plan *p);

void range_plan_release(struct range_plan *p);

#endif

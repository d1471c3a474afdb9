/* SPDX-License-Identifier: Apache-2.0
 * Which bytes of a blob to ask for. */
#include "tools/chunked/range_plan.h"

#include <stdlib.h>

#define GAP_MAX (64u << 10)
#define GAP_MIN (1u << 10) /* about what a request and its answer take */
#define FREE    (32u << 10)
#define PART    16u /* gaps may be this part of what is wanted, and FREE */

int range_plan_add(struct range_plan *p, uint64_t from, uint64_t until, struct err *err)
{
	p->wanted += until - from;
	if (p->count && p->items[p->count - 1].until == from) {
		p->items[p->count - 1].until = until;
		return 0;
	}
	if (p->count == RANGE_PLAN_MAX)
		return err_set(err, ERR_LIMIT, "it is in too many parts");
	if (p->count == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 64;
		struct range *items = reallocarray(p->items, cap, sizeof(*items));

		if (!items)
			return err_nomem(err);
		p->items = items;
		p->cap = cap;
	}
	p->items[p->count++] = (struct range){from, until};
	return 0;
}

/* Bytes that are asked for in vain if gaps up to GAP are. */
static uint64_t waste(const struct range_plan *p, uint64_t gap)
{
	uint64_t sum = 0;

	for (size_t i = 1; i < p->count; i++) {
		uint64_t is = p->items[i].from - p->items[i - 1].until;

		if (is <= gap)
			sum += is;
	}
	return sum;
}

void range_plan_join(struct range_plan *p)
{
	uint64_t gap = GAP_MAX;
	size_t last = 0;

	while (gap > GAP_MIN && waste(p, gap) > p->wanted / PART + FREE)
		gap /= 2;
	for (size_t i = 1; i < p->count; i++) {
		if (p->items[i].from - p->items[last].until <= gap)
			p->items[last].until = p->items[i].until;
		else
			p->items[++last] = p->items[i];
	}
	if (p->count)
		p->count = last + 1;
}

uint64_t range_plan_bytes(const struct range_plan *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->count; i++)
		sum += p->items[i].until - p->items[i].from;
	return sum;
}

void range_plan_release(struct range_plan *p)
{
	free(p->items);
	*p = (struct range_plan){0};
}

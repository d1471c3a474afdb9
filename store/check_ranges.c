/* SPDX-License-Identifier: Apache-2.0
 * Parts of packs, as a sorted array. */
#include "store/check_private.h"

void check_ranges_release(struct check_ranges *r)
{
	free(r->items);
	*r = (struct check_ranges){0};
}

static int compare(const void *x, const void *y)
{
	const struct check_range *a = x, *b = y;

	if (a->pack != b->pack)
		return a->pack < b->pack ? -1 : 1;
	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return 0;
}

void check_ranges_settle(struct check_ranges *r)
{
	size_t kept = 0;

	if (r->count)
		qsort(r->items, r->count, sizeof(r->items[0]), compare);
	for (size_t i = 0; i < r->count; i++) {
		const struct check_range *next = &r->items[i];
		struct check_range *last = kept ? &r->items[kept - 1] : NULL;

		if (!last || last->pack != next->pack || last->to < next->from)
			r->items[kept++] = *next;
		else if (last->to < next->to)
			last->to = next->to;
	}
	r->count = kept;
}

void check_ranges_remove(struct check_ranges *r, uint32_t pack)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].pack != pack)
			r->items[kept++] = r->items[i];
	r->count = kept;
}

/* A store that is committed to a thousand times in turn has few ranges once these are
 * joined, so that is tried before the array grows. */
static int make_room(struct check_ranges *r, struct err *err)
{
	size_t capacity = r->capacity ? 2 * r->capacity : 64;
	struct check_range *items;

	if (r->count < r->capacity)
		return 0;
	check_ranges_settle(r);
	if (r->count < r->capacity / 2)
		return 0;
	items = reallocarray(r->items, capacity, sizeof(*items));
	if (!items)
		return err_nomem(err);
	r->items = items;
	r->capacity = capacity;
	return 0;
}

int check_ranges_add(struct check_ranges *r, uint32_t pack, uint64_t from, uint64_t to,
		     struct err *err)
{
	int rc;

	if (from >= to)
		return 0;
	rc = make_room(r, err);
	if (rc == 0)
		r->items[r->count++] = (struct check_range){pack, from, to};
	return rc;
}

/* The number of ranges that begin at or before the place. */
static size_t count_up_to(const struct check_ranges *r, uint32_t pack, uint64_t off)
{
	const struct check_range place = {.pack = pack, .from = off};
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(&r->items[mid], &place) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool check_ranges_have(const struct check_ranges *r, uint32_t pack, uint64_t off)
{
	size_t n = count_up_to(r, pack, off);

	return n && r->items[n - 1].pack == pack && off < r->items[n - 1].to;
}

uint64_t check_ranges_end(const struct check_ranges *r, uint32_t pack)
{
	size_t n = count_up_to(r, pack, UINT64_MAX);

	return n && r->items[n - 1].pack == pack ? r->items[n - 1].to : 0;
}

static bool before(const struct check_range *a, const struct check_range *b)
{
	return a->pack < b->pack || (a->pack == b->pack && a->to <= b->from);
}

int check_ranges_subtract(const struct check_ranges *a, const struct check_ranges *b,
			  struct check_ranges *ret, struct err *err)
{
	size_t k = 0;
	int rc = 0;

	for (size_t i = 0; i < a->count && rc == 0; i++) {
		const struct check_range *x = &a->items[i];
		uint64_t from = x->from;

		while (k < b->count && before(&b->items[k], x))
			k++;
		for (size_t m = k; m < b->count && rc == 0; m++) {
			const struct check_range *hole = &b->items[m];

			if (before(x, hole))
				break;
			if (hole->from > from)
				rc = check_ranges_add(ret, x->pack, from, hole->from,
						      err);
			from = hole->to > from ? hole->to : from;
		}
		if (rc == 0 && from < x->to)
			rc = check_ranges_add(ret, x->pack, from, x->to, err);
	}
	check_ranges_settle(ret);
	return rc;
}

/* ---- from the journal ---- */

static int add_range(void *arg, const struct record_item *item, struct err *err)
{
	if (item->type == RECORD_PACK_GONE)
		check_ranges_remove(arg, item->pack_gone.pack);
	if (item->type != RECORD_PACK)
		return 0;
	return check_ranges_add(arg, item->pack.pack, item->pack.from, item->pack.to,
				err);
}

static int add_ranges(void *arg, uint64_t seq, const uint8_t *items, size_t len,
		      uint64_t end, struct err *err)
{
	(void)seq;
	(void)end;
	return record_decode(items, len, add_range, arg, err);
}

int check_ranges_committed(struct journal *j, struct check_ranges *ret, struct err *err)
{
	uint64_t end, seq;
	int r = journal_replay(j, journal_start(), 0, add_ranges, ret, &end, &seq, err);

	check_ranges_settle(ret);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0
 * BuildKit's cache document as a graph in memory. */
#include "tools/buildkit/cacheconfig.h"

#include <string.h>
#include <time.h>

void cacheconfig_release(struct cacheconfig *c)
{
	free(c->layers);
	free(c->records);
	free(c->links);
	free(c->results);
	free(c->chains);
	*c = (struct cacheconfig){0};
}

/* ---- building ---- */

/* *ret: ITEMS with room for one more of SIZE bytes. Grows by doubling, at powers of two. */
static int make_room(void *items, uint32_t count, size_t size, uint32_t max,
		     const char *what, void **ret, struct err *err)
{
	void *more = items;

	if (count >= max)
		return err_set(err, ERR_LIMIT, "a build cache of more than %u %s", max,
			       what);
	if (!(count & (count - 1)))
		more = reallocarray(items, count ? (size_t)count * 2 : 1, size);
	if (!more)
		return err_nomem(err);
	*ret = more;
	return 0;
}

#define GROW(items, count, max, what, err) \
	({ \
		void *more_ = NULL; \
		int rc_ = make_room(items, count, sizeof(*(items)), max, what, &more_, \
				    err); \
		if (!rc_) \
			(items) = more_; \
		rc_; \
	})

int cacheconfig_add_layer(struct cacheconfig *c, const struct digest *blob,
			  uint32_t parent, struct err *err)
{
	int rc = GROW(c->layers, c->layer_count, CACHECONFIG_LAYERS_MAX, "layers", err);

	if (!rc)
		c->layers[c->layer_count++] = (struct cacheconfig_layer){*blob, parent};
	return rc;
}

int cacheconfig_add_record(struct cacheconfig *c, const struct digest *digest,
			   struct err *err)
{
	int rc = GROW(c->records, c->record_count, CACHECONFIG_RECORDS_MAX, "records",
		      err);

	if (!rc)
		c->records[c->record_count++] = (struct cacheconfig_record){
			.digest = *digest,
			.link_first = c->link_count,
			.result_first = c->result_count,
		};
	return rc;
}

int cacheconfig_add_link(struct cacheconfig *c, uint32_t input, uint32_t record,
			 const struct digest *selector, struct err *err)
{
	struct cacheconfig_record *r = &c->records[c->record_count - 1];
	int rc = GROW(c->links, c->link_count, CACHECONFIG_LINKS_MAX, "links", err);

	if (!rc && input >= CACHECONFIG_INPUTS_MAX)
		rc = err_set(err, ERR_LIMIT, "a record of more than %d inputs",
			     CACHECONFIG_INPUTS_MAX);
	if (rc)
		return rc;
	c->links[c->link_count++] = (struct cacheconfig_link){input, record, *selector};
	r->link_count++;
	r->inputs = input + 1;
	return 0;
}

static int put_result(struct cacheconfig *c, const struct cacheconfig_result *r,
		      struct err *err)
{
	int rc = GROW(c->results, c->result_count, CACHECONFIG_LINKS_MAX, "results", err);

	if (!rc)
		c->results[c->result_count++] = *r;
	return rc;
}

int cacheconfig_add_result(struct cacheconfig *c, const struct cacheconfig_result *r,
			   const uint32_t *layers, uint32_t count, struct err *err)
{
	struct cacheconfig_result result = *r;
	int rc;

	result.first = c->chain_count;
	result.count = count;
	if (count > CACHECONFIG_CHAIN_MAX)
		return err_set(err, ERR_LIMIT, "a result of more than %d layers",
			       CACHECONFIG_CHAIN_MAX);
	for (uint32_t i = 0; i < count; i++) {
		rc = GROW(c->chains, c->chain_count, CACHECONFIG_LINKS_MAX,
			  "layers in results", err);
		if (rc)
			return rc;
		c->chains[c->chain_count++] = layers[i];
	}
	rc = put_result(c, &result, err);
	if (!rc)
		c->records[c->record_count - 1].result_count++;
	return rc;
}

int cacheconfig_set_result(struct cacheconfig *c, uint32_t record,
			   const struct cacheconfig_result *r, struct err *err)
{
	struct cacheconfig_record *to = &c->records[record];
	int rc = put_result(c, r, err);

	if (rc)
		return rc;
	to->result_first = c->result_count - 1;
	to->result_count = 1;
	return 0;
}

/* ---- looking ---- */

uint32_t cacheconfig_chain(const struct cacheconfig *c,
			   const struct cacheconfig_result *r, uint32_t *ret)
{
	uint32_t count = 0;

	if (r->layer == CACHECONFIG_NONE) {
		memcpy(ret, c->chains + r->first, r->count * sizeof(*ret));
		return r->count;
	}
	for (uint32_t at = r->layer;
	     at != CACHECONFIG_NONE && count < CACHECONFIG_CHAIN_MAX;
	     at = c->layers[at].parent)
		ret[count++] = at;
	for (uint32_t i = 0; i < count / 2; i++) {
		uint32_t swap = ret[i];

		ret[i] = ret[count - 1 - i];
		ret[count - 1 - i] = swap;
	}
	return count;
}

/* Who waits for whom: the records that name another, side by side per record named. */
struct waiting {
	uint32_t *first; /* per record, and one more: where its users begin */
	uint32_t *users;
	uint32_t *missing; /* per record: links not yet done */
};

static void list_users(const struct cacheconfig *c, struct waiting *w)
{
	for (uint32_t i = 0; i < c->link_count; i++)
		w->first[c->links[i].record + 1]++;
	for (uint32_t i = 0; i < c->record_count; i++)
		w->first[i + 1] += w->first[i];
	for (uint32_t r = 0; r < c->record_count; r++) {
		const struct cacheconfig_record *record = &c->records[r];

		w->missing[r] = record->link_count;
		for (uint32_t i = 0; i < record->link_count; i++)
			w->users[w->first[c->links[record->link_first + i].record]++] = r;
	}
	/* Each was moved to the end of its part, which is where the next one begins. */
	for (uint32_t i = c->record_count; i > 0; i--)
		w->first[i] = w->first[i - 1];
	w->first[0] = 0;
}

static uint32_t take_ready(const struct cacheconfig *c, struct waiting *w,
			   uint32_t *order)
{
	uint32_t count = 0;

	for (uint32_t r = 0; r < c->record_count; r++)
		if (w->missing[r] == 0)
			order[count++] = r;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t u = w->first[order[i]]; u < w->first[order[i] + 1]; u++)
			if (--w->missing[w->users[u]] == 0)
				order[count++] = w->users[u];
	return count;
}

int cacheconfig_order(const struct cacheconfig *c, uint32_t **ret, struct err *err)
{
	size_t n = (size_t)c->record_count + 2;
	auto_free uint32_t *order = calloc(n, sizeof(*order));
	auto_free uint32_t *first = calloc(n, sizeof(*first));
	auto_free uint32_t *missing = calloc(n, sizeof(*missing));
	auto_free uint32_t *users = calloc((size_t)c->link_count + 1, sizeof(*users));
	struct waiting w = {first, users, missing};

	if (!order || !first || !missing || !users)
		return err_nomem(err);
	list_users(c, &w);
	if (take_ready(c, &w, order) != c->record_count)
		return err_set(err, ERR_INVALID, "records are their own inputs");
	*ret = steal_ptr(&order);
	return 0;
}

/* ---- times ---- */

static bool digits(const char **p, int n, int *ret)
{
	*ret = 0;
	for (; n > 0; n--, ++*p) {
		if (**p < '0' || **p > '9')
			return false;
		*ret = *ret * 10 + (**p - '0');
	}
	return true;
}

static bool literal(const char **p, char c)
{
	if (**p != c)
		return false;
	++*p;
	return true;
}

/* ".123456", at most nine digits; none is fine. */
static bool fraction(const char **p, int64_t *ret)
{
	int64_t unit = 100000000;

	*ret = 0;
	if (!literal(p, '.'))
		return true;
	if (**p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; ++*p, unit /= 10) {
		if (unit == 0)
			return false;
		*ret += unit * (**p - '0');
	}
	return true;
}

static bool zone(const char **p, int *ret_seconds)
{
	int sign = **p == '-' ? -1 : 1, hours, minutes;

	*ret_seconds = 0;
	if (literal(p, 'Z'))
		return true;
	if (**p != '+' && **p != '-')
		return false;
	++*p;
	if (!digits(p, 2, &hours) || !literal(p, ':') || !digits(p, 2, &minutes))
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return hours < 24 && minutes < 60;
}

static bool in_range(const struct tm *tm)
{
	return tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 &&
	       tm->tm_mday <= 31 && tm->tm_hour < 24 && tm->tm_min < 60 &&
	       tm->tm_sec <= 60;
}

/* Go writes times of any year; those that nanoseconds cannot count are all equally old. */
static int64_t to_ns(int64_t seconds, int64_t ns)
{
	int64_t total;

	if (__builtin_mul_overflow(seconds, 1000000000, &total) ||
	    __builtin_add_overflow(total, ns, &total))
		return seconds < 0 ? INT64_MIN : INT64_MAX;
	return total;
}

static bool date(const char **p, struct tm *ret)
{
	if (!digits(p, 4, &ret->tm_year) || !literal(p, '-') ||
	    !digits(p, 2, &ret->tm_mon) || !literal(p, '-') ||
	    !digits(p, 2, &ret->tm_mday))
		return false;
	ret->tm_mon--;
	ret->tm_year -= 1900;
	return true;
}

static bool clock_time(const char **p, struct tm *ret)
{
	return digits(p, 2, &ret->tm_hour) && literal(p, ':') &&
	       digits(p, 2, &ret->tm_min) && literal(p, ':') &&
	       digits(p, 2, &ret->tm_sec);
}

int cacheconfig_time(const char *text, struct cacheconfig_result *ret, struct err *err)
{
	const char *p = text;
	struct tm tm = {0};
	int64_t ns = 0;
	int east = 0;
	bool good = strlen(text) < sizeof(ret->created) && date(&p, &tm) &&
		    literal(&p, 'T') && clock_time(&p, &tm) && fraction(&p, &ns) &&
		    zone(&p, &east);

	if (!good || *p || !in_range(&tm))
		return err_set(err, ERR_INVALID, "'%.64s' is no time", text);
	ret->created_ns = to_ns(timegm(&tm) - east, ns);
	memcpy(ret->created, text, strlen(text) + 1);
	return 0;
}

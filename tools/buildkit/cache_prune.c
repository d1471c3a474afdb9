/* SPDX-License-Identifier: Apache-2.0
 * A build cache made smaller. */
#include "tools/buildkit/cache_prune.h"

#include <string.h>

#include "tools/buildkit/cache_union.h"

struct pruning {
	const struct cache *cache;
	const struct cacheconfig_result **results; /* per record; NULL: none */
	uint32_t *users; /* per record: those kept that have it as an input */
	uint32_t *bytes; /* per record: as it is written */
	uint32_t *queue; /* the records with results, the oldest first */
	uint32_t queued;
	bool *keep;
	size_t total; /* of the bytes of what is kept */
};

static void pruning_release(struct pruning *p)
{
	free(p->results);
	free(p->users);
	free(p->bytes);
	free(p->queue);
	free(p->keep);
}

static int measure(struct pruning *p, struct err *err)
{
	auto_buf struct buf text;
	int rc = 0;

	buf_init(&text, 16u << 20);
	for (uint32_t i = 0; i < p->cache->doc.record_count && !rc; i++) {
		buf_clear(&text);
		rc = cacheconfig_format_record(&p->cache->doc, i, &text, err);
		p->bytes[i] = (uint32_t)text.len + 1;
		p->total += p->bytes[i];
	}
	return rc;
}

static int by_age(const void *x, const void *y, void *arg)
{
	const struct pruning *p = arg;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	int64_t at = p->results[a]->created_ns, bt = p->results[b]->created_ns;

	if (at != bt)
		return at < bt ? -1 : 1;
	return a < b ? 1 : -1;
}

static int start(struct pruning *p, const struct cache *c, struct err *err)
{
	size_t n = (size_t)c->doc.record_count + 1;
	struct digest chain;

	*p = (struct pruning){
		.cache = c,
		.results = calloc(n, sizeof(*p->results)),
		.users = calloc(n, sizeof(*p->users)),
		.bytes = calloc(n, sizeof(*p->bytes)),
		.queue = calloc(n, sizeof(*p->queue)),
		.keep = calloc(n, sizeof(*p->keep)),
	};
	if (!p->results || !p->users || !p->bytes || !p->queue || !p->keep)
		return err_nomem(err);
	for (uint32_t i = 0; i < c->doc.record_count; i++) {
		p->keep[i] = true;
		p->results[i] = cache_result(c, i, &chain);
		if (p->results[i])
			p->queue[p->queued++] = i;
	}
	for (uint32_t i = 0; i < c->doc.link_count; i++)
		p->users[c->doc.links[i].record]++;
	qsort_r(p->queue, p->queued, sizeof(*p->queue), by_age, p);
	return measure(p, err);
}

/* Drops a record that nothing rests on, and what is of no use without it. */
static void drop(struct pruning *p, uint32_t record, uint32_t *stack)
{
	uint32_t open = 0;

	p->keep[record] = false;
	stack[open++] = record;
	while (open > 0) {
		uint32_t i = stack[--open];
		const struct cacheconfig_record *r = &p->cache->doc.records[i];

		p->total -= p->bytes[i];
		for (uint32_t k = 0; k < r->link_count; k++) {
			uint32_t below = p->cache->doc.links[r->link_first + k].record;

			if (--p->users[below] || p->results[below] || !p->keep[below])
				continue;
			p->keep[below] = false;
			stack[open++] = below;
		}
	}
}

static void drop_useless(struct pruning *p, uint32_t *stack)
{
	for (uint32_t i = 0; i < p->cache->doc.record_count; i++)
		if (p->keep[i] && !p->results[i] && !p->users[i])
			drop(p, i, stack);
}

/* Drops the oldest results that nothing rests on. A pass may free others for the next. */
static void drop_old(struct pruning *p, size_t max, int64_t oldest_ns, uint32_t *stack)
{
	bool dropped = true;

	while (dropped) {
		dropped = false;
		for (uint32_t q = 0; q < p->queued; q++) {
			uint32_t i = p->queue[q];

			if (p->total <= max && p->results[i]->created_ns >= oldest_ns)
				return;
			if (!p->keep[i] || p->users[i])
				continue;
			drop(p, i, stack);
			dropped = true;
			if (p->total > max)
				break; /* what it rested on may be older than the next */
		}
	}
}

/* What is kept as a cache of its own, with its documents. */
static int build(const struct pruning *p, struct cache *ret, struct err *err)
{
	struct cache_union u;
	int rc;

	cache_union_init(&u);
	rc = cache_union_add(&u, p->cache, p->keep, err);
	if (!rc)
		rc = cache_union_finish(&u, ret, err);
	cache_union_release(&u);
	if (!rc)
		rc = cache_make(ret, CACHE_FORM_MANIFEST, err);
	return rc;
}

static int prune(struct pruning *p, size_t max_bytes, int64_t oldest_ns,
		 struct cache *ret, struct err *err)
{
	auto_free uint32_t *stack =
		calloc((size_t)p->cache->doc.record_count + 1, sizeof(*stack));
	size_t max = max_bytes;
	int rc;

	if (!stack)
		return err_nomem(err);
	drop_useless(p, stack);
	for (;;) {
		size_t largest;

		drop_old(p, max, oldest_ns, stack);
		rc = build(p, ret, err);
		if (rc)
			return rc;
		largest = ret->config.len > ret->manifest.len ? ret->config.len
							      : ret->manifest.len;
		if (largest <= max_bytes &&
		    (ret->doc.result_count || !p->queued || oldest_ns != INT64_MIN))
			return 0;
		cache_release(ret);
		if (largest <= max_bytes || p->total == 0)
			return err_set(err, ERR_LIMIT, "no result fits into %zu bytes",
				       max_bytes);
		/* Records are not all there is in it: as many bytes less as it is too large. */
		max = p->total > largest - max_bytes ? p->total - (largest - max_bytes)
						     : 0;
	}
}

int cache_prune(const struct cache *c, size_t max_bytes, int64_t oldest_ns,
		struct cache *ret, struct err *err)
{
	struct pruning p;
	struct cache pruned = {0};
	int rc = start(&p, c, err);

	if (!rc)
		rc = prune(&p, max_bytes, oldest_ns, &pruned, err);
	pruning_release(&p);
	if (rc)
		cache_release(&pruned);
	else
		*ret = pruned;
	return rc;
}

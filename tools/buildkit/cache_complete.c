/* SPDX-License-Identifier: Apache-2.0
 * Results for steps that have none though their layers are there. */
#include "tools/buildkit/cache_complete.h"

#include <string.h>

#include "tools/buildkit/step_digest.h"
#include "tools/oci/document.h"

#define PATH_MAX_STEPS (CACHECONFIG_CHAIN_MAX * 2)

/* From a record with a result down to its base. */
struct path {
	uint32_t steps[PATH_MAX_STEPS]; /* the record itself first */
	uint32_t count;
	uint32_t root_first, root_count; /* links to what is at the end; 0: scratch */
	uint32_t layers[CACHECONFIG_CHAIN_MAX];
	uint32_t layer_count, base;    /* of these, the base image's */
	uint32_t tops[PATH_MAX_STEPS]; /* per step: how many layers its result has */
};

struct completing {
	struct cache *cache;
	json_t *config; /* NULL: none */
	struct digest root_selector;
	struct path path;
	struct cache_completed done;
};

/* ---- the way down ---- */

static const struct cacheconfig_link *first_link(const struct completing *c, uint32_t i)
{
	const struct cacheconfig_record *r = &c->cache->doc.records[i];

	return r->link_count ? &c->cache->doc.links[r->link_first] : NULL;
}

/* How many links input 0 of a record has. */
static uint32_t first_input(const struct completing *c, uint32_t i)
{
	const struct cacheconfig_record *r = &c->cache->doc.records[i];
	uint32_t n = 0;

	while (n < r->link_count && c->cache->doc.links[r->link_first + n].input == 0)
		n++;
	return n;
}

/* Whether input 0 is what the step was run on, and not the files it copies onto scratch. Of a
 * root filesystem the whole is used: no selector or that of "/", and the same in all. */
static bool is_rootfs(const struct completing *c, const struct cacheconfig_link *links,
		      uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if ((!digest_is_zero(&links[i].selector) &&
		     !digest_equal(&links[i].selector, &c->root_selector)) ||
		    !digest_equal(&links[i].selector, &links[0].selector))
			return false;
	return count > 0;
}

/* The step below: one of the records that will do must have inputs itself, else it is a base. */
static uint32_t step_below(const struct completing *c, uint32_t record)
{
	const struct cacheconfig_link *links = first_link(c, record);

	for (uint32_t i = 0; i < first_input(c, record); i++)
		if (c->cache->doc.records[links[i].record].link_count)
			return links[i].record;
	return CACHECONFIG_NONE;
}

/* False: the way is longer than any build's. */
static bool go_down(struct completing *c, uint32_t record)
{
	struct path *p = &c->path;

	p->count = p->root_count = 0;
	while (record != CACHECONFIG_NONE) {
		const struct cacheconfig_record *r = &c->cache->doc.records[record];

		if (p->count == PATH_MAX_STEPS)
			return false;
		p->steps[p->count++] = record;
		if (!is_rootfs(c, first_link(c, record), first_input(c, record)))
			return true;
		p->root_first = r->link_first;
		p->root_count = first_input(c, record);
		record = step_below(c, record);
		if (record != CACHECONFIG_NONE)
			p->root_count = 0;
	}
	return true;
}

/* ---- the base ---- */

static bool is_root(const struct completing *c, const struct digest *record)
{
	const struct path *p = &c->path;

	for (uint32_t i = 0; i < p->root_count; i++) {
		const struct cacheconfig_link *l =
			&c->cache->doc.links[p->root_first + i];

		if (digest_equal(&c->cache->doc.records[l->record].digest, record))
			return true;
	}
	return false;
}

/* How many layers the base image has. False: it is not known by its layers; perhaps the lowest
 * step copies files onto scratch. */
static bool find_base(struct completing *c)
{
	struct path *p = &c->path;
	struct digest chain = {0}, record;

	p->base = 0;
	for (uint32_t i = 0; i < p->layer_count && p->root_count; i++) {
		struct digest below = chain;

		digest_chain(i ? &below : NULL, &c->cache->layers[p->layers[i]].diffid,
			     &chain);
		step_digest_base(&chain, &record);
		if (!is_root(c, &record))
			continue;
		p->base = i + 1;
		return true;
	}
	return !p->root_count;
}

/* ---- which step made which layer ---- */

static bool makes_record(const char *created_by)
{
	static const char *const words[] = {"RUN ", "COPY ", "ADD ", "WORKDIR "};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strncmp(created_by, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

/* Goes through the history from the base on; the steps must be all that it tells. */
static bool align_by_history(struct completing *c)
{
	const json_t *history = json_object_get(c->config, "history");
	struct path *p = &c->path;
	uint32_t layers = 0, left = p->count;
	size_t i = 0;

	for (; i < json_array_size(history) && layers < p->base; i++)
		layers += !json_is_true(
			json_object_get(json_array_get(history, i), "empty_layer"));
	for (; i < json_array_size(history); i++) {
		const json_t *step = json_array_get(history, i);
		const char *by = json_string_value(json_object_get(step, "created_by"));
		bool empty = json_is_true(json_object_get(step, "empty_layer"));

		layers += !empty;
		if (!by || !makes_record(by)) {
			if (!empty)
				return false;
			continue;
		}
		if (left == 0 || layers == 0)
			return false;
		p->tops[--left] = layers;
	}
	return left == 0 && layers == p->layer_count;
}

/* Counting is enough above a base that is known. */
static bool align(struct completing *c)
{
	struct path *p = &c->path;

	if (!find_base(c) || p->count != p->layer_count - p->base)
		return c->config && align_by_history(c);
	for (uint32_t i = 0; i < p->count; i++)
		p->tops[i] = p->layer_count - i;
	return true;
}

static bool lacks_any(const struct completing *c)
{
	struct digest chain;

	for (uint32_t i = 0; i < c->path.count; i++)
		if (!cache_result(c->cache, c->path.steps[i], &chain))
			return true;
	return false;
}

/* What is known already must be the same. */
static bool agrees(const struct completing *c)
{
	const struct path *p = &c->path;
	struct digest chain;

	for (uint32_t i = 0; i < p->count; i++) {
		const struct cacheconfig_result *r =
			cache_result(c->cache, p->steps[i], &chain);
		uint32_t top = p->layers[p->tops[i] - 1];

		if (r && !digest_equal(&chain, &c->cache->layers[top].chainid))
			return false;
	}
	return true;
}

static int give(struct completing *c, const struct cacheconfig_result *from,
		struct err *err)
{
	const struct path *p = &c->path;
	struct cacheconfig_result r = *from;
	struct digest chain;
	int rc = 0;

	for (uint32_t i = 0; i < p->count && !rc; i++) {
		if (cache_result(c->cache, p->steps[i], &chain))
			continue;
		r.layer = p->layers[p->tops[i] - 1];
		rc = cacheconfig_set_result(&c->cache->doc, p->steps[i], &r, err);
		c->done.given += rc == 0;
	}
	return rc;
}

static int complete_below(struct completing *c, uint32_t record, struct err *err)
{
	const struct cacheconfig_result *found;
	struct cacheconfig_result r;
	struct digest chain;

	found = cache_result(c->cache, record, &chain);
	if (!found || found->layer == CACHECONFIG_NONE)
		return 0;
	r = *found; /* giving others may move it */
	c->path.layer_count = cacheconfig_chain(&c->cache->doc, &r, c->path.layers);
	if (!go_down(c, record) || !lacks_any(c) || !align(c) || !agrees(c))
		return 0;
	return give(c, &r, err);
}

static uint32_t count_lacking(const struct cache *c)
{
	struct digest chain;
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->doc.record_count; i++)
		n += c->doc.records[i].link_count && !cache_result(c, i, &chain);
	return n;
}

int cache_complete(struct cache *cache, const void *config, size_t len,
		   struct cache_completed *ret, struct err *err)
{
	auto_document json_t *json = NULL;
	struct completing c = {.cache = cache};
	auto_free uint32_t *order = NULL;
	int rc = 0;

	if (config)
		rc = document_parse(config, len, &json, err);
	if (!rc)
		rc = cacheconfig_order(&cache->doc, &order, err);
	c.config = json;
	digest_of("/", 1, &c.root_selector);
	/* The highest first: what it gives need not be looked for again. */
	for (uint32_t i = cache->doc.record_count; i-- > 0 && !rc;)
		rc = complete_below(&c, order[i], err);
	if (rc)
		return rc;
	c.done.lacking = count_lacking(cache);
	*ret = c.done;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Several build caches as one. */
#include "tools/buildkit/cache_union.h"

#include <string.h>

/* What is there already, by what makes it what it is. */
struct there {
	struct digest id;
	uint32_t number;
};

/* One cache while it is added. */
struct adding {
	struct cache_union *to;
	const struct cache *from;
	uint32_t *records; /* of FROM, their numbers in TO; CACHECONFIG_NONE: left out */
	struct buf bytes;
};

void cache_union_init(struct cache_union *u)
{
	*u = (struct cache_union){0};
	digest_map_init(&u->records, sizeof(struct there));
	digest_map_init(&u->layers, sizeof(struct there));
}

void cache_union_release(struct cache_union *u)
{
	cache_release(&u->cache);
	digest_map_release(&u->records);
	digest_map_release(&u->layers);
}

/* The number that ID has; *ret_new: it gets NUMBER now. */
static int number_of(struct digest_map *m, const struct digest *id, uint32_t number,
		     uint32_t *ret, bool *ret_new, struct err *err)
{
	int64_t at = digest_map_find(m, id);
	uint32_t entry;
	int rc;

	*ret_new = at < 0;
	if (at >= 0) {
		*ret = ((struct there *)digest_map_entry(m, (uint32_t)at))->number;
		return 0;
	}
	rc = digest_map_add(m, id, &entry, err);
	if (!rc)
		((struct there *)digest_map_entry(m, entry))->number = number;
	*ret = number;
	return rc;
}

/* ---- layers ---- */

static int append_layer(struct cache *to, const struct cache_layer *layer,
			uint32_t parent, struct err *err)
{
	uint32_t count = to->doc.layer_count;
	struct cache_layer *layers =
		reallocarray(to->layers, (size_t)count + 1, sizeof(*layers));

	if (!layers)
		return err_nomem(err);
	to->layers = layers;
	layers[count] = *layer;
	return cacheconfig_add_layer(&to->doc, &layer->desc.digest, parent, err);
}

/* A layer is the same on the same one: by its DiffID, however it is compressed. */
static int add_layer(struct cache_union *u, const struct cache_layer *layer,
		     uint32_t parent, uint32_t *ret, struct err *err)
{
	uint8_t bytes[DIGEST_SIZE + 4];
	struct digest id;
	bool new;
	int rc;

	memcpy(bytes, layer->diffid.bytes, DIGEST_SIZE);
	memcpy(bytes + DIGEST_SIZE, &parent, sizeof(parent));
	digest_of(bytes, sizeof(bytes), &id);
	rc = number_of(&u->layers, &id, u->cache.doc.layer_count, ret, &new, err);
	return rc || !new ? rc : append_layer(&u->cache, layer, parent, err);
}

/* ---- records ---- */

static int compare_links(const void *x, const void *y)
{
	const struct cacheconfig_link *a = x, *b = y;

	if (a->input != b->input)
		return a->input < b->input ? -1 : 1;
	if (a->record != b->record)
		return a->record < b->record ? -1 : 1;
	return digest_cmp(&a->selector, &b->selector);
}

/* The links of a record as they are in the union, sorted, each once. 0 of them: an input has
 * none left. */
static bool map_links(struct adding *a, const struct cacheconfig_record *r,
		      struct cacheconfig_link *links, uint32_t *ret_count)
{
	uint32_t count = 0, out = 0, inputs = 0;

	for (uint32_t i = 0; i < r->link_count; i++) {
		struct cacheconfig_link link = a->from->doc.links[r->link_first + i];

		link.record = a->records[link.record];
		if (link.record != CACHECONFIG_NONE)
			links[count++] = link;
	}
	qsort(links, count, sizeof(*links), compare_links);
	for (uint32_t i = 0; i < count; i++) {
		if (i && compare_links(&links[i], &links[out - 1]) == 0)
			continue;
		inputs += out == 0 || links[out - 1].input != links[i].input;
		links[out++] = links[i];
	}
	*ret_count = out;
	return inputs == r->inputs;
}

static int identify(struct adding *a, const struct digest *digest,
		    const struct cacheconfig_link *links, uint32_t count,
		    struct digest *ret, struct err *err)
{
	int rc;

	buf_clear(&a->bytes);
	rc = buf_append(&a->bytes, digest->bytes, DIGEST_SIZE, err);
	for (uint32_t i = 0; i < count && !rc; i++) {
		rc = buf_append_le32(&a->bytes, links[i].input, err);
		if (!rc)
			rc = buf_append_le32(&a->bytes, links[i].record, err);
		if (!rc)
			rc = buf_append(&a->bytes, links[i].selector.bytes, DIGEST_SIZE,
					err);
	}
	digest_of(a->bytes.data, a->bytes.len, ret);
	return rc;
}

static int take_result(struct adding *a, uint32_t from, uint32_t to, struct err *err)
{
	struct cacheconfig *doc = &a->to->cache.doc;
	uint32_t layers[CACHECONFIG_CHAIN_MAX], count, at = CACHECONFIG_NONE;
	struct cacheconfig_result result;
	const struct cacheconfig_result *r;
	struct digest chain;
	int rc = 0;

	r = cache_result(a->from, from, &chain);
	if (!r ||
	    (doc->records[to].result_count &&
	     doc->results[doc->records[to].result_first].created_ns >= r->created_ns))
		return 0;
	count = cacheconfig_chain(&a->from->doc, r, layers);
	for (uint32_t i = 0; i < count && !rc; i++)
		rc = add_layer(a->to, &a->from->layers[layers[i]], at, &at, err);
	result = *r;
	result.layer = at;
	result.first = result.count = 0;
	return rc ? rc : cacheconfig_set_result(doc, to, &result, err);
}

static int add_record(struct adding *a, uint32_t i, struct err *err)
{
	const struct cacheconfig_record *r = &a->from->doc.records[i];
	struct cacheconfig *doc = &a->to->cache.doc;
	auto_free struct cacheconfig_link *links =
		calloc((size_t)r->link_count + 1, sizeof(*links));
	struct digest id;
	uint32_t count = 0;
	bool new;
	int rc;

	if (!links)
		return err_nomem(err);
	if (!map_links(a, r, links, &count))
		return 0;
	rc = identify(a, &r->digest, links, count, &id, err);
	if (!rc)
		rc = number_of(&a->to->records, &id, doc->record_count, &a->records[i],
			       &new, err);
	if (!rc && new)
		rc = cacheconfig_add_record(doc, &r->digest, err);
	for (uint32_t k = 0; k < count && !rc && new; k++)
		rc = cacheconfig_add_link(doc, links[k].input, links[k].record,
					  &links[k].selector, err);
	return rc ? rc : take_result(a, i, a->records[i], err);
}

int cache_union_add(struct cache_union *u, const struct cache *c, const bool *keep,
		    struct err *err)
{
	uint32_t n = c->doc.record_count;
	auto_free uint32_t *order = NULL;
	auto_free uint32_t *records = calloc((size_t)n + 1, sizeof(*records));
	struct adding a = {.to = u, .from = c, .records = records};
	int rc;

	if (!records)
		return err_nomem(err);
	for (uint32_t i = 0; i < n; i++)
		records[i] = CACHECONFIG_NONE;
	buf_init(&a.bytes, 16u << 20);
	rc = cacheconfig_order(&c->doc, &order, err);
	for (uint32_t i = 0; i < n && !rc; i++)
		if (!keep || keep[order[i]])
			rc = add_record(&a, order[i], err);
	buf_release(&a.bytes);
	return rc;
}

int cache_union_finish(struct cache_union *u, struct cache *ret, struct err *err)
{
	int rc = cache_resolve(&u->cache, err);

	if (rc)
		return rc;
	*ret = u->cache;
	u->cache = (struct cache){0};
	return 0;
}

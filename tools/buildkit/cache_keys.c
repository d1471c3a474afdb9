/* SPDX-License-Identifier: Apache-2.0
 * Cache digests for the records of a build cache. */
#include "tools/buildkit/cache_keys.h"

#include <string.h>

#define MAGIC "layercache buildkit key 1\n"

void cache_keys_release(struct cache_keys *k)
{
	free(k->keys);
	free(k->parents);
	free(k->counts);
	*k = (struct cache_keys){0};
}

/* What will do for one input, the lowest first. */
struct option {
	struct digest selector, key;
};

struct options {
	struct option items[CACHE_KEYS_MAX];
	uint8_t count;
	uint8_t chosen;
};

static int compare(const struct option *a, const struct option *b)
{
	int c = digest_cmp(&a->selector, &b->selector);

	return c ? c : digest_cmp(&a->key, &b->key);
}

static void add_option(struct options *o, const struct option *option)
{
	unsigned at = o->count;

	while (at > 0 && compare(option, &o->items[at - 1]) < 0)
		at--;
	if (at == CACHE_KEYS_MAX || (at > 0 && compare(option, &o->items[at - 1]) == 0))
		return;
	if (o->count < CACHE_KEYS_MAX)
		o->count++;
	memmove(&o->items[at + 1], &o->items[at],
		(o->count - at - 1u) * sizeof(o->items[0]));
	o->items[at] = *option;
}

/* Per input of a record what will do for it. */
static void list_options(const struct cacheconfig *c, const struct cache_keys *k,
			 const struct cacheconfig_record *r, struct options *inputs)
{
	memset(inputs, 0, r->inputs * sizeof(*inputs));
	for (uint32_t i = 0; i < r->link_count; i++) {
		const struct cacheconfig_link *link = &c->links[r->link_first + i];
		struct option option = {.selector = link->selector};

		for (unsigned n = 0; n < k->counts[link->record]; n++) {
			option.key = k->keys[link->record][n];
			add_option(&inputs[link->input], &option);
		}
	}
}

static int hash(const struct cacheconfig_record *r, const struct options *inputs,
		struct buf *bytes, struct digest *ret, struct err *err)
{
	int rc;

	buf_clear(bytes);
	rc = buf_append(bytes, MAGIC, strlen(MAGIC), err);
	if (!rc)
		rc = buf_append(bytes, r->digest.bytes, DIGEST_SIZE, err);
	if (!rc)
		rc = buf_append_le32(bytes, r->inputs, err);
	for (uint32_t i = 0; i < r->inputs && !rc; i++) {
		const struct option *o = &inputs[i].items[inputs[i].chosen];

		rc = buf_append(bytes, o->selector.bytes, DIGEST_SIZE, err);
		if (!rc)
			rc = buf_append(bytes, o->key.bytes, DIGEST_SIZE, err);
	}
	digest_of(bytes->data, bytes->len, ret);
	return rc;
}

/* The next way to choose: the first input changes fastest. False: that was the last. */
static bool advance(const struct cacheconfig_record *r, struct options *inputs)
{
	for (uint32_t i = 0; i < r->inputs; i++) {
		if (++inputs[i].chosen < inputs[i].count)
			return true;
		inputs[i].chosen = 0;
	}
	return false;
}

static int make_keys(const struct cacheconfig *c, struct cache_keys *k, uint32_t record,
		     struct options *inputs, struct buf *bytes, struct err *err)
{
	const struct cacheconfig_record *r = &c->records[record];
	uint8_t n = 0;
	int rc;

	list_options(c, k, r, inputs);
	do {
		if (r->inputs)
			k->parents[record][n] = inputs[0].items[inputs[0].chosen].key;
		rc = hash(r, inputs, bytes, &k->keys[record][n], err);
		n++;
	} while (!rc && n < CACHE_KEYS_MAX && advance(r, inputs));
	k->counts[record] = n;
	return rc;
}

int cache_keys_make(const struct cacheconfig *c, struct cache_keys *ret, struct err *err)
{
	size_t n = (size_t)c->record_count + 1;
	auto_cache_keys struct cache_keys k = {
		.keys = calloc(n, sizeof(*k.keys)),
		.parents = calloc(n, sizeof(*k.parents)),
		.counts = calloc(n, sizeof(*k.counts)),
	};
	auto_free struct options *inputs =
		calloc(CACHECONFIG_INPUTS_MAX, sizeof(*inputs));
	auto_free uint32_t *order = NULL;
	auto_buf struct buf bytes;
	int rc;

	buf_init(&bytes, 1u << 20);
	if (!k.keys || !k.parents || !k.counts || !inputs)
		return err_nomem(err);
	rc = cacheconfig_order(c, &order, err);
	for (uint32_t i = 0; i < c->record_count && !rc; i++)
		rc = make_keys(c, &k, order[i], inputs, &bytes, err);
	if (rc)
		return rc;
	*ret = k;
	k = (struct cache_keys){0};
	return 0;
}

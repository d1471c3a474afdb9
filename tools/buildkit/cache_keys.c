/* SPDX-License-Identifier: Apache-2.0
 * Cache digests for the records of a build cache. */
#include "tools/buildkit/cache_keys.h"

#include <assert.h>
#include <string.h>

#define MAGIC "layercache buildkit key 1\n"

void cache_keys_release(struct cache_keys *k)
{
	free(k->keys);
	free(k->parents);
	free(k->counts);
	*k = (struct cache_keys){0};
}

/* One way to choose: for every input the number of an alternative, counting the keys of each
 * record that will do. */
struct choice {
	uint8_t alternatives[CACHECONFIG_INPUTS_MAX];
};

/* Alternative N of the input whose links begin at LINK; *ret_end: where they end. NULL: there
 * are not so many. */
static const struct digest *pick(const struct cacheconfig *c, const struct cache_keys *k,
				 uint32_t link, uint32_t end, unsigned n,
				 const struct digest **ret_selector)
{
	for (uint32_t i = link; i < end; i++) {
		uint32_t record = c->links[i].record;

		if (n < k->counts[record]) {
			*ret_selector = &c->links[i].selector;
			return &k->keys[record][n];
		}
		n -= k->counts[record];
	}
	return NULL;
}

/* Where the links of the input that LINK belongs to end. */
static uint32_t input_end(const struct cacheconfig *c,
			  const struct cacheconfig_record *record, uint32_t link)
{
	uint32_t end = link;

	while (end < record->link_first + record->link_count &&
	       c->links[end].input == c->links[link].input)
		end++;
	return end;
}

static int hash(const struct cacheconfig *c, const struct cache_keys *k, uint32_t record,
		const struct choice *choice, struct buf *bytes, struct digest *ret,
		struct digest *ret_parent, struct err *err)
{
	const struct cacheconfig_record *r = &c->records[record];
	uint32_t link = r->link_first;
	int rc;

	buf_clear(bytes);
	rc = buf_append(bytes, MAGIC, strlen(MAGIC), err);
	if (!rc)
		rc = buf_append(bytes, r->digest.bytes, DIGEST_SIZE, err);
	if (!rc)
		rc = buf_append_le32(bytes, r->inputs, err);
	for (uint32_t i = 0; i < r->inputs && !rc; i++) {
		uint32_t end = input_end(c, r, link);
		const struct digest *selector = NULL;
		const struct digest *key =
			pick(c, k, link, end, choice->alternatives[i], &selector);

		assert(key && selector);
		if (i == 0)
			*ret_parent = *key;
		rc = buf_append(bytes, selector->bytes, DIGEST_SIZE, err);
		if (!rc)
			rc = buf_append(bytes, key->bytes, DIGEST_SIZE, err);
		link = end;
	}
	digest_of(bytes->data, bytes->len, ret);
	return rc;
}

/* The next way to choose: the first input changes fastest. False: that was the last. */
static bool advance(const struct cacheconfig *c, const struct cache_keys *k,
		    const struct cacheconfig_record *r, struct choice *choice)
{
	uint32_t link = r->link_first;

	for (uint32_t i = 0; i < r->inputs; i++) {
		uint32_t end = input_end(c, r, link);
		const struct digest *selector;

		if (pick(c, k, link, end, choice->alternatives[i] + 1u, &selector)) {
			choice->alternatives[i]++;
			return true;
		}
		choice->alternatives[i] = 0;
		link = end;
	}
	return false;
}

static int make_keys(const struct cacheconfig *c, struct cache_keys *k, uint32_t record,
		     struct buf *bytes, struct err *err)
{
	struct choice choice;
	uint8_t n = 0;
	int rc;

	memset(&choice, 0, c->records[record].inputs);
	do {
		rc = hash(c, k, record, &choice, bytes, &k->keys[record][n],
			  &k->parents[record][n], err);
		n++;
	} while (!rc && n < CACHE_KEYS_MAX &&
		 advance(c, k, &c->records[record], &choice));
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
	auto_free uint32_t *order = NULL;
	auto_buf struct buf bytes;
	int rc;

	buf_init(&bytes, 1u << 20);
	if (!k.keys || !k.parents || !k.counts)
		return err_nomem(err);
	rc = cacheconfig_order(c, &order, err);
	for (uint32_t i = 0; i < c->record_count && !rc; i++)
		rc = make_keys(c, &k, order[i], &bytes, err);
	if (rc)
		return rc;
	*ret = k;
	k = (struct cache_keys){0};
	return 0;
}

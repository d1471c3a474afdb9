/* SPDX-License-Identifier: Apache-2.0
 * A build cache into a session. */
#include "tools/buildkit/cache_import.h"

#include <string.h>

#include "store/digest_map.h"
#include "tools/buildkit/cache_keys.h"
#include "tools/chain_check.h"
#include "tools/image_record.h"

int cache_import_diffids(struct cache *c, struct catalog_txn *t, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	for (uint32_t i = 0; i < c->doc.layer_count; i++) {
		struct cache_layer *layer = &c->layers[i];
		struct record_blob blob;
		int rc;

		if (layer->desc.kind != DESCRIPTOR_LAYER ||
		    !digest_is_zero(&layer->diffid))
			continue;
		rc = catalog_blob_get(t, &layer->desc.digest, &blob, err);
		if (rc == -ERR_NOTFOUND)
			return err_set(err, ERR_INVALID,
				       "layer '%s' does not say its DiffID",
				       digest_format(&layer->desc.digest, text));
		if (rc)
			return rc;
		layer->diffid = blob.diffid;
	}
	return cache_resolve(c, err);
}

bool cache_import_wants(const struct cache *c, uint32_t i)
{
	return c->layers[i].desc.kind == DESCRIPTOR_LAYER &&
	       !digest_is_zero(&c->layers[i].diffid);
}

/* ---- results ---- */

/* A record whose result is known. */
struct found {
	uint32_t record;
	const struct cacheconfig_result *result;
	struct digest chainid;
};

struct adding {
	struct session *session;
	const struct cache *cache;
	struct found *found;
	uint32_t count;
	struct digest_map chains; /* added */
};

static void list_found(struct adding *a)
{
	for (uint32_t i = 0; i < a->cache->doc.record_count; i++) {
		struct found *f = &a->found[a->count];

		f->record = i;
		f->result = cache_result(a->cache, i, &f->chainid);
		a->count += f->result != NULL;
	}
}

/* The newest first: in a session the first to give a key its chain wins. */
static int compare(const void *x, const void *y)
{
	const struct found *a = x, *b = y;

	if (a->result->created_ns != b->result->created_ns)
		return a->result->created_ns < b->result->created_ns ? 1 : -1;
	return a->record < b->record ? -1 : a->record > b->record;
}

static int add_chain(struct adding *a, const struct found *f, struct err *err)
{
	struct digest diffids[CACHECONFIG_CHAIN_MAX];
	uint32_t count, at;
	int rc;

	if (digest_map_find(&a->chains, &f->chainid) >= 0)
		return 0;
	count = cache_diffids(a->cache, f->result, diffids);
	rc = chain_check(a->session, diffids, count, err);
	if (!rc)
		rc = image_record_chain(a->session, diffids, count, err);
	return rc ? rc : digest_map_add(&a->chains, &f->chainid, &at, err);
}

static int add_keys(struct adding *a, const struct found *f, const struct cache_keys *k,
		    struct err *err)
{
	struct record_item item = {.type = RECORD_KEY};
	int rc = 0;

	item.key.chainid = f->chainid;
	snprintf(item.key.scope, sizeof(item.key.scope), "%s", CACHE_KEYS_SCOPE);
	for (unsigned i = 0; i < k->counts[f->record] && !rc; i++) {
		item.key.key = k->keys[f->record][i];
		item.key.parent = k->parents[f->record][i];
		rc = session_add(a->session, &item, err);
	}
	return rc;
}

int cache_import_results(struct session *s, const struct cache *c, struct err *err)
{
	auto_cache_keys struct cache_keys keys = {0};
	auto_free struct found *found =
		calloc((size_t)c->doc.record_count + 1, sizeof(*found));
	struct adding a = {.session = s, .cache = c, .found = found};
	int rc;

	if (!found)
		return err_nomem(err);
	/* Another build of the same steps has other layers: the last one that came counts. */
	session_replace_keys(s);
	digest_map_init(&a.chains, sizeof(struct digest));
	list_found(&a);
	qsort(found, a.count, sizeof(*found), compare);
	rc = cache_keys_make(&c->doc, &keys, err);
	for (uint32_t i = 0; i < a.count && !rc; i++) {
		rc = add_chain(&a, &found[i], err);
		if (!rc)
			rc = add_keys(&a, &found[i], &keys, err);
	}
	digest_map_release(&a.chains);
	return rc;
}

int cache_import_add(struct session *s, const struct cache *c, struct err *err)
{
	struct record_item item = {.type = RECORD_IMAGE, .image = c->record};
	struct digest digest;
	int rc = session_put_document(s, c->manifest.data, c->manifest.len, &digest, err);

	if (!rc)
		rc = session_put_document(s, c->config.data, c->config.len, &digest, err);
	if (!rc)
		rc = session_add(s, &item, err);
	return rc ? rc : cache_import_results(s, c, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * What named build caches need. */
#include "tools/buildkit/cache_roots.h"

#include <string.h>
#include <time.h>

#include "store/digest_map.h"
#include "store/session.h"
#include "tools/buildkit/cache.h"
#include "tools/buildkit/cache_keys.h"

#define CACHE_BYTES (16u << 20)
#define ROOTS_MAX   (64u << 20)
#define NAMES_MAX   (512u << 20)

void cache_roots_release(struct cache_roots *r)
{
	buf_release(&r->chains);
	buf_release(&r->names);
	buf_release(&r->stale);
}

struct listing {
	struct catalog_txn *txn;
	struct objects *objects;
	struct cache_roots *roots;
	struct digest_map keys; /* of all caches that have a name */
	int64_t cutoff;
	const char *name; /* that is being looked at */
	bool unread;      /* some cache's keys are not known */
};

static int keep_results(struct listing *l, const struct cache *c, struct err *err)
{
	struct digest chain;
	int rc = 0;

	for (uint32_t i = 0; i < c->doc.record_count && !rc; i++) {
		if (!cache_result(c, i, &chain))
			continue;
		rc = buf_append(&l->roots->chains, &chain, sizeof(chain), err);
		if (!rc)
			rc = buf_append(&l->roots->names, l->name, strlen(l->name) + 1,
					err);
	}
	return rc;
}

static int keep_keys(struct listing *l, const struct cache *c, struct err *err)
{
	auto_cache_keys struct cache_keys keys = {0};
	uint32_t at;
	int rc = cache_keys_make(&c->doc, &keys, err);

	for (uint32_t i = 0; i < c->doc.record_count && !rc; i++)
		for (unsigned k = 0; k < keys.counts[i] && !rc; k++)
			if (digest_map_find(&l->keys, &keys.keys[i][k]) < 0)
				rc = digest_map_add(&l->keys, &keys.keys[i][k], &at, err);
	return rc;
}

/* An image's own chain keeps what it has inline. */
static int on_image(struct listing *l, const struct record_image *image, struct err *err)
{
	struct err why = {0};
	struct cache cache;
	int rc = cache_from_store(l->objects, image, &cache, &why);

	if (rc && rc != -ERR_NOTFOUND)
		l->unread = true;
	if (rc)
		return rc == -ERR_NOMEM ? err_copy(err, &why) : 0;
	if (digest_is_zero(&image->chainid))
		rc = keep_results(l, &cache, err);
	if (!rc)
		rc = keep_keys(l, &cache, err);
	cache_release(&cache);
	return rc;
}

static int on_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	struct listing *l = arg;
	int rc = 0;

	l->name = ref->name;
	for (uint32_t i = 0; i < ref->count && !rc; i++) {
		struct record_image image;

		rc = catalog_image_get(l->txn, &ref->targets[i].manifest, &image, err);
		if (!rc)
			rc = on_image(l, &image, err);
		else if (rc == -ERR_NOTFOUND)
			rc = 0;
	}
	return rc;
}

/* A step of ours that a user gave the same scope has a document under its key. */
static int on_key(void *arg, const struct record_key *key, struct err *err)
{
	struct listing *l = arg;
	uint64_t size;

	if (strcmp(key->scope, CACHE_KEYS_SCOPE) != 0 || key->created >= l->cutoff ||
	    digest_map_find(&l->keys, &key->key) >= 0 ||
	    objects_size(l->objects, &key->key, &size, NULL) == 0)
		return 0;
	return buf_append(&l->roots->stale, &key->key, sizeof(key->key), err);
}

int cache_roots_list(struct store *s, int64_t grace, struct cache_roots *ret,
		     struct err *err)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	auto_objects struct objects *objects = NULL;
	struct listing l = {.roots = ret, .cutoff = time(NULL) - grace};
	int rc = objects_new(s, CACHE_BYTES, &objects, err);

	buf_init(&ret->chains, ROOTS_MAX);
	buf_init(&ret->names, NAMES_MAX);
	buf_init(&ret->stale, ROOTS_MAX);
	if (!rc)
		rc = catalog_begin(store_catalog(s), false, &txn, err);
	if (rc)
		return rc;
	l.txn = txn;
	l.objects = objects;
	if (grace <= 0)
		l.cutoff = INT64_MAX;
	digest_map_init(&l.keys, sizeof(struct digest));
	rc = catalog_ref_each(txn, NULL, on_ref, &l, err);
	if (!rc && !l.unread)
		rc = catalog_key_each(txn, NULL, on_key, &l, err);
	digest_map_release(&l.keys);
	return rc;
}

int cache_roots_drop(struct store *s, const struct cache_roots *r, struct err *err)
{
	auto_session struct session *session = NULL;
	int rc = 0;

	if (r->stale.len == 0)
		return 0;
	rc = session_begin(s, NULL, &session, err);
	for (size_t at = 0; at < r->stale.len && !rc; at += sizeof(struct digest)) {
		struct record_item item = {.type = RECORD_UNKEY};

		memcpy(&item.unkey.key, r->stale.data + at, sizeof(struct digest));
		rc = session_add(session, &item, err);
	}
	return rc ? rc : session_commit(steal_ptr(&session), err);
}

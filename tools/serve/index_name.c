/* SPDX-License-Identifier: Apache-2.0
 * Names for indexes of which only some images are here. */
#include "tools/serve/index_name.h"

#include <string.h>
#include <time.h>

#include "store/session.h"
#include "tools/oci/manifest.h"

struct naming {
	const char *name;
	const struct manifest *index;
	struct digest digest;
	struct record_ref_target targets[RECORD_REF_TARGETS_MAX];
	uint32_t count;
};

static void add_target(struct naming *n, const struct record_image *image)
{
	struct record_ref_target *target = &n->targets[n->count];

	for (uint32_t i = 0; i < n->count; i++)
		if (digest_equal(&n->targets[i].manifest, &image->manifest))
			return;
	*target = (struct record_ref_target){.manifest = image->manifest};
	memcpy(target->platform, image->platform, sizeof(target->platform));
	n->count++;
}

static int find_images(struct naming *n, struct catalog_txn *t, struct err *err)
{
	for (size_t i = 0; i < n->index->count && n->count < RECORD_REF_TARGETS_MAX;
	     i++) {
		struct record_image image;
		int rc = catalog_image_get(t, &n->index->items[i].digest, &image, err);

		if (!rc)
			add_target(n, &image);
		else if (rc != -ERR_NOTFOUND)
			return rc;
	}
	return 0;
}

static int has_images(struct store *store, struct naming *n, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = find_images(n, t, err);
	if (rc)
		return rc;
	return n->count ? 0 : err_set(err, ERR_NOTFOUND, "none of its images is here");
}

static void put_best_first(struct naming *n)
{
	struct platform host, one;
	unsigned best = 0;
	uint32_t at = 0;

	platform_host(&host);
	for (uint32_t i = 0; i < n->count; i++) {
		unsigned match = platform_parse(n->targets[i].platform, &one, NULL)
					 ? 0
					 : platform_match(&host, &one);

		if (match > best) {
			best = match;
			at = i;
		}
	}
	if (at) {
		struct record_ref_target first = n->targets[at];

		memmove(n->targets + 1, n->targets, at * sizeof(first));
		n->targets[0] = first;
	}
}

static bool is_same(const struct naming *n, const struct record_ref *ref)
{
	if (!digest_equal(&ref->index, &n->digest) || ref->count != n->count)
		return false;
	for (uint32_t i = 0; i < n->count; i++)
		if (!digest_equal(&ref->targets[i].manifest, &n->targets[i].manifest))
			return false;
	return true;
}

/* Under the store's lock: no gc takes away what is being named. */
static int fill(struct commit *c, void *arg, struct err *err)
{
	struct catalog_txn *t = store_commit_txn(c);
	struct record_item item = {.type = RECORD_REF};
	auto_free void *memory = NULL;
	struct naming *n = arg;
	struct record_ref old;
	int rc;

	n->count = 0;
	rc = find_images(n, t, err);
	if (rc || n->count == 0)
		return rc;
	put_best_first(n);
	rc = catalog_ref_get(t, n->name, &old, &memory, err);
	if (rc && rc != -ERR_NOTFOUND)
		return rc;
	if (!rc && is_same(n, &old))
		return 0;
	item.ref =
		(struct record_ref){n->name, n->digest, n->count, n->targets, time(NULL)};
	return store_commit_add(c, &item, err);
}

static int put_index(struct store *store, const void *bytes, size_t len,
		     struct session **ret, struct digest *ret_digest, struct err *err)
{
	auto_session struct session *s = NULL;
	int rc = session_begin(store, NULL, &s, err);

	if (!rc)
		rc = session_put_document(s, bytes, len, ret_digest, err);
	if (!rc)
		*ret = steal_ptr(&s);
	return rc;
}

int index_name_set(struct store *store, const char *name, const void *bytes, size_t len,
		   struct err *err)
{
	auto_session struct session *s = NULL;
	auto_manifest struct manifest m = {0};
	struct naming n = {.name = name, .index = &m};
	int rc = manifest_parse(bytes, len, NULL, &m, err);

	if (!rc)
		rc = has_images(store, &n, err);
	if (!rc)
		rc = put_index(store, bytes, len, &s, &n.digest, err);
	if (!rc)
		rc = session_commit(steal_ptr(&s), err);
	/* The second session holds the bytes until they have a name. */
	if (!rc)
		rc = put_index(store, bytes, len, &s, &n.digest, err);
	if (!rc)
		rc = store_commit(store, fill, &n, NULL, 0, err);
	return rc ? rc : session_commit(steal_ptr(&s), err);
}

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

static int find_images(struct store *store, struct naming *n, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	const struct manifest *m = n->index;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	for (size_t i = 0; i < m->count && n->count < RECORD_REF_TARGETS_MAX && !rc;
	     i++) {
		struct record_image image;

		rc = catalog_image_get(t, &m->items[i].digest, &image, err);
		if (!rc)
			add_target(n, &image);
		else if (rc == -ERR_NOTFOUND)
			rc = 0;
	}
	return rc;
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

static int add_name(struct session *s, struct naming *n, const void *bytes, size_t len,
		    struct err *err)
{
	struct record_item item = {.type = RECORD_REF};
	int rc = session_put_document(s, bytes, len, &n->digest, err);

	put_best_first(n);
	item.ref =
		(struct record_ref){n->name, n->digest, n->count, n->targets, time(NULL)};
	return rc ? rc : session_add(s, &item, err);
}

/* No gc that ran meanwhile has taken away what was named. */
static int check_images(struct store *store, const struct naming *n, struct err *err)
{
	struct naming again = {.index = n->index};
	int rc = find_images(store, &again, err);

	if (!rc && again.count < n->count)
		rc = err_set(err, ERR_BUSY, "gc has just removed an image of '%s'",
			     n->name);
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
		rc = find_images(store, &n, err);
	if (!rc && n.count == 0)
		rc = err_set(err, ERR_NOTFOUND, "none of its images is here");
	if (!rc)
		rc = session_begin(store, NULL, &s, err);
	if (!rc)
		rc = add_name(s, &n, bytes, len, err);
	if (!rc)
		rc = session_commit(steal_ptr(&s), err);
	return rc ? rc : check_images(store, &n, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * What a snapshot lies on.
 */
#include "tools/snapshot_parent.h"

#include "tools/subject.h"

#define OBJECTS_CACHE (16u << 20)

static int find(struct store *store, const char *text, const char *platform,
		struct snapshot_parent *p, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_free struct record_chain *chain = NULL;
	struct subject x;
	int rc;

	rc = catalog_begin(store_catalog(store), false, &t, err);
	if (!rc)
		rc = subject_find(t, text, platform, 0, &x, err);
	if (!rc)
		rc = subject_chain(t, &x, &p->chainid, err);
	if (!rc)
		rc = subject_chain_layers(t, &p->chainid, &chain, &p->count, err);
	if (rc)
		return rc;
	rc = subject_image(t, &x, &p->image, err);
	if (rc && rc != -ERR_NOTFOUND)
		return rc;
	p->is_image = !rc;
	p->diffids = calloc(p->count, sizeof(*p->diffids));
	if (!p->diffids)
		return err_nomem(err);
	for (size_t i = 0; i < p->count; i++)
		p->diffids[i] = chain[i].diffid;
	return 0;
}

int snapshot_parent_open(struct store *store, const char *text, const char *platform,
			 struct snapshot_parent *p, struct err *err)
{
	int rc = find(store, text, platform, p, err);

	if (!rc)
		rc = forest_new(store, 0, &p->forest, err);
	if (!rc)
		rc = forest_get_chain(p->forest, &p->chainid, &p->tree, err);
	return rc ? rc : objects_new(store, OBJECTS_CACHE, &p->objects, err);
}

void snapshot_parent_release(struct snapshot_parent *p)
{
	objects_free(p->objects);
	if (p->forest)
		forest_put(p->forest, p->tree);
	forest_free(p->forest);
	free(p->diffids);
	*p = (struct snapshot_parent){0};
}

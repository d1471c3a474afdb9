/* SPDX-License-Identifier: Apache-2.0
 * Whether a chain's layers fit together. */
#include "tools/chain_check.h"

#include "store/forest.h"
#include "store/layer.h"

static int is_known(struct session *s, const struct digest *diffids, size_t count,
		    bool *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct digest chain = {0};
	struct record_chain record;
	int rc = catalog_begin(store_catalog(session_store(s)), false, &t, err);

	for (size_t i = 0; i < count; i++) {
		struct digest parent = chain;

		digest_chain(&parent, &diffids[i], &chain);
	}
	if (!rc)
		rc = catalog_chain_get(t, &chain, &record, err);
	*ret = rc == 0;
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

/* How many layers, from the bottom, have to be merged to resolve every link. */
static int count_needed(struct session *s, const struct digest *diffids, size_t count,
			size_t *ret, struct err *err)
{
	*ret = 0;
	for (size_t i = 0; i < count; i++) {
		struct record_layer layer;
		int rc = session_layer_get(s, &diffids[i], &layer, err);

		if (rc)
			return rc;
		if (layer.flags & LAYER_UNRESOLVED_LINKS)
			*ret = i + 1;
	}
	return 0;
}

static int load(struct session *s, const struct digest *diffid, struct buf *bytes,
		struct tree *tree, struct err *err)
{
	struct record_layer layer;
	int rc = session_layer_get(s, diffid, &layer, err);

	if (!rc)
		rc = layer_rebuild_tree(session_store(s), &layer, bytes, err);
	return rc ? rc : tree_open(tree, bytes->data, bytes->len, err);
}

static int merge(struct session *s, const struct digest *diffids, size_t count,
		 struct err *err)
{
	auto_free struct buf *bytes = calloc(count, sizeof(*bytes));
	auto_free struct tree *trees = calloc(count, sizeof(*trees));
	auto_free const struct tree **order = calloc(count, sizeof(const struct tree *));
	struct buf merged;
	int rc = 0;

	if (!bytes || !trees || !order)
		return err_nomem(err);
	for (size_t i = 0; i < count && !rc; i++) {
		buf_init(&bytes[i], LAYER_TREE_MAX);
		order[i] = &trees[i];
		rc = load(s, &diffids[i], &bytes[i], &trees[i], err);
	}
	buf_init(&merged, LAYER_TREE_MAX);
	if (!rc)
		rc = forest_merge(order, count, &merged, err);
	buf_release(&merged);
	for (size_t i = 0; i < count; i++)
		buf_release(&bytes[i]);
	return rc;
}

int chain_check(struct session *s, const struct digest *diffids, size_t count,
		struct err *err)
{
	size_t needed = 0;
	bool known;
	int rc = is_known(s, diffids, count, &known, err);

	if (!rc && !known)
		rc = count_needed(s, diffids, count, &needed, err);
	if (rc || needed == 0)
		return rc;
	rc = session_flush(s, err);
	return rc ? rc : merge(s, diffids, needed, err);
}

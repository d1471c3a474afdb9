/* SPDX-License-Identifier: Apache-2.0
 * Trees in catalog and journal: which number, which bytes. */
#include "store/forest_private.h"
#include "store/tree_write.h"

int forest_number_get(struct store *s, uint32_t number, struct catalog_tree *ret,
		      struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct catalog_tree tree;
	int r = catalog_begin(store_catalog(s), false, &t, err);

	if (r == 0)
		r = catalog_tree_get(t, number, &tree, err);
	if (r < 0)
		return r;
	if (tree.stale)
		return err_set(err, ERR_STALE, "tree %u has been replaced", number);
	*ret = tree;
	return 0;
}

int forest_number_find(struct store *s, enum tree_owner owner, const struct digest *id,
		       uint32_t *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_layer layer;
	struct record_chain chain;
	int r = catalog_begin(store_catalog(s), false, &t, err);

	if (r < 0)
		return r;
	if (owner == TREE_OF_LAYER)
		r = catalog_layer_get(t, id, &layer, err);
	else
		r = catalog_chain_get(t, id, &chain, err);
	if (r < 0)
		return r;
	*ret = owner == TREE_OF_LAYER ? layer.number : chain.number;
	return 0;
}

/* ---- the first build, and a build with other bytes ---- */

struct settling {
	uint32_t number;
	struct digest sha256;
	struct catalog_tree tree; /* the result */
};

static int fill(struct commit *c, void *arg, struct err *err)
{
	struct settling *g = arg;
	struct record_item item = {
		.type = RECORD_TREE,
		.tree = {.number = g->number,
			 .version = TREE_WRITER_VERSION,
			 .sha256 = g->sha256},
	};
	struct catalog_tree now;
	int r = catalog_tree_get(store_commit_txn(c), g->number, &now, err);

	if (r < 0)
		return r;
	if (now.stale)
		return err_set(err, ERR_STALE, "tree %u has been replaced", g->number);
	g->tree = now;
	if (now.version && digest_equal(&now.sha256, &g->sha256))
		return 0; /* another process was quicker */
	if (now.version > TREE_WRITER_VERSION)
		return err_set(err, ERR_BUSY,
			       "tree %u was made by a newer version of layercache",
			       g->number);
	if (now.version) {
		item.tree.superseded = g->number;
		item.tree.number = store_commit_number(c);
	}
	g->tree.number = item.tree.number;
	g->tree.version = item.tree.version;
	g->tree.sha256 = g->sha256;
	return store_commit_add(c, &item, err);
}

int forest_number_settle(struct store *s, const struct catalog_tree *tree,
			 const struct digest *sha256, struct catalog_tree *ret,
			 struct err *err)
{
	struct settling g = {.number = tree->number, .sha256 = *sha256};
	int r = store_commit(s, fill, &g, NULL, 0, err);

	if (r < 0)
		return r;
	*ret = g.tree;
	return 0;
}

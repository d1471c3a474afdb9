/* SPDX-License-Identifier: Apache-2.0
 * Layers: limits, lookup, the tar again. */
#include "store/layer.h"

void layer_limits_default(struct layer_limits *limits)
{
	tar_limits_default(&limits->tar);
	limits->ratio = 2000;
	limits->ratio_from = 4ull << 30;
}

void layer_release(struct layer *l)
{
	if (l)
		buf_release(&l->tree);
}

int layer_open(struct store *s, struct objects *o, const struct digest *diffid,
	       struct stream **ret, struct record_layer *ret_record, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_layer record;
	int r = catalog_begin(store_catalog(s), false, &t, err);

	if (r == 0)
		r = catalog_layer_get(t, diffid, &record, err);
	catalog_abort(
		steal_ptr(&t)); /* before the pack is read: transactions are short */
	if (r == 0)
		r = recipe_open(s, o, &record.recipe, ret, err);
	if (r == 0 && ret_record)
		*ret_record = record;
	return r;
}

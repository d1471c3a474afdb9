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

static int get_record(struct store *s, const struct digest *diffid,
		      struct record_layer *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(s), false, &t, err);

	return r < 0 ? r : catalog_layer_get(t, diffid, ret, err);
}

/* Between the look at where the recipe is and its first byte gc may have moved it. */
static int open_at(struct store *s, struct objects *o, const struct digest *diffid,
		   uint64_t at, struct stream **ret, struct record_layer *ret_record,
		   struct err *err)
{
	struct record_layer record, again;
	int r = get_record(s, diffid, &record, err);

	if (r < 0)
		return r;
	r = recipe_open_at(s, o, &record.recipe, at, ret, err);
	if (r == -ERR_NOTFOUND && catalog_refresh(store_catalog(s), NULL) == 0 &&
	    get_record(s, diffid, &again, NULL) == 0 &&
	    again.recipe.pack != record.recipe.pack) {
		record = again;
		r = recipe_open_at(s, o, &record.recipe, at, ret, err);
	}
	if (r == 0 && ret_record)
		*ret_record = record;
	return r;
}

int layer_open(struct store *s, struct objects *o, const struct digest *diffid,
	       struct stream **ret, struct record_layer *ret_record, struct err *err)
{
	return open_at(s, o, diffid, 0, ret, ret_record, err);
}

int layer_open_at(struct store *s, struct objects *o, const struct digest *diffid,
		  uint64_t at, struct stream **ret, struct err *err)
{
	return open_at(s, o, diffid, at, ret, NULL, err);
}

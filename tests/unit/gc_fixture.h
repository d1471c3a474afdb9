/* SPDX-License-Identifier: Apache-2.0
 * What the tests of gc share: collecting, and taking names and keys from images. */
#ifndef TESTS_UNIT_GC_FIXTURE_H
#define TESTS_UNIT_GC_FIXTURE_H

#include "tests/unit/check_fixture.h"

#include "store/gc.h"

static inline struct gc_result collect_with(struct gc_options o)
{
	struct gc_result result;

	assert_ok(gc_run(scratch_store, &o, &result, err));
	return result;
}

static inline struct gc_result collect(void)
{
	return collect_with((struct gc_options){0});
}

/* The fixture gives each image a key as well: the SHA-256 of its name. */
static inline int fill_unref(struct commit *c, void *arg, struct err *err)
{
	const struct record_item item = {.type = RECORD_UNREF, .unref.name = arg};

	return store_commit_add(c, &item, err);
}

static inline int fill_unkey(struct commit *c, void *arg, struct err *err)
{
	struct record_item item = {.type = RECORD_UNKEY};

	digest_of(arg, strlen(arg), &item.unkey.key);
	return store_commit_add(c, &item, err);
}

static inline void unname_only(const char *name)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", name);
	assert_ok(store_commit(scratch_store, fill_unref, copy, NULL, 0, err));
}

static inline void unkey(const char *name)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", name);
	assert_ok(store_commit(scratch_store, fill_unkey, copy, NULL, 0, err));
}

static inline void unname(const char *name)
{
	unname_only(name);
	unkey(name);
}

static inline bool has_layer(const struct digest *diffid)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_layer layer;

	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	return catalog_layer_get(t, diffid, &layer, NULL) == 0;
}

#endif

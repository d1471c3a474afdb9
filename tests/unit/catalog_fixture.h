/* SPDX-License-Identifier: Apache-2.0
 * A catalog in the scratch directory, and digests by number, for test_catalog*.c. */
#ifndef TESTS_UNIT_CATALOG_FIXTURE_H
#define TESTS_UNIT_CATALOG_FIXTURE_H

#include "store/catalog.h"
#include "tests/unit/scratch.h"

static struct catalog *catalog;
static struct err err;

#define ok(call) \
	do { \
		if ((call) < 0) \
			fail_msg("%s: %s", #call, err.msg); \
	} while (0)

static inline int setup(void **state)
{
	(void)state;
	scratch_make();
	return catalog_open(scratch_dir, true, &catalog, &err);
}

static inline int teardown(void **state)
{
	(void)state;
	catalog_close(catalog);
	catalog = NULL;
	scratch_remove();
	return 0;
}

static inline struct catalog_txn *begin(bool write)
{
	struct catalog_txn *t = NULL;

	ok(catalog_begin(catalog, write, &t, &err));
	return t;
}

static inline struct digest numbered(uint32_t n)
{
	struct digest d;

	digest_of(&n, sizeof(n), &d);
	return d;
}

#endif

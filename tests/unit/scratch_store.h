/* SPDX-License-Identifier: Apache-2.0
 * A store in a scratch directory, made and removed for each test.
 */
#ifndef TESTS_UNIT_SCRATCH_STORE_H
#define TESTS_UNIT_SCRATCH_STORE_H

#include "store/object.h"
#include "store/session.h"
#include "tests/unit/scratch.h"

static struct store *scratch_store;
static struct objects *scratch_objects;

/* Fails the test with the error's text. */
#define assert_ok(call) \
	do { \
		struct err err_ = {0}; \
		struct err *err = &err_; \
		if ((call) < 0) \
			fail_msg("%s: %s", #call, err->msg); \
	} while (0)

static inline int scratch_store_setup(void **state)
{
	struct err err = {0};

	(void)state;
	scratch_make();
	if (store_open(scratch_path("store"), STORE_CREATE | STORE_WRITE, &scratch_store,
		       &err) < 0 ||
	    objects_new(scratch_store, 8 << 20, &scratch_objects, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	return 0;
}

static inline int scratch_store_teardown(void **state)
{
	(void)state;
	objects_free(scratch_objects);
	store_close(scratch_store);
	scratch_remove();
	return 0;
}

#endif

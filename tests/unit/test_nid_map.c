/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the map of inodes with several names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store/nid_map.h"

static void an_empty_map_has_nothing(void **state)
{
	struct nid_map m = {0};

	(void)state;
	assert_int_equal(nid_map_get(&m, 0), UINT32_MAX);
	nid_map_release(&m);
}

static void what_was_set_is_found_also_after_growing(void **state)
{
	struct nid_map m = {0};

	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(nid_map_set(&m, i * 7ull, i, NULL), 0);
	assert_int_equal(nid_map_set(&m, 0, 99, NULL), 0);
	assert_int_equal(nid_map_set(&m, UINT64_MAX - 1, 98, NULL), 0);
	assert_int_equal(nid_map_get(&m, 0), 99);
	assert_int_equal(nid_map_get(&m, UINT64_MAX - 1), 98);
	for (uint32_t i = 1; i < 10000; i++) {
		assert_int_equal(nid_map_get(&m, i * 7ull), i);
		assert_int_equal(nid_map_get(&m, i * 7ull + 1), UINT32_MAX);
	}
	nid_map_release(&m);
	assert_int_equal(nid_map_get(&m, 7), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_has_nothing),
		cmocka_unit_test(what_was_set_is_found_also_after_growing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

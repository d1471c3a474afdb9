/* SPDX-License-Identifier: Apache-2.0
 * fs/nodeid: packing and unpacking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/nodeid.h"

static void the_root_is_the_root_of_fuse(void **state)
{
	(void)state;
	assert_int_equal(NODEID_ROOT, 1);
	assert_int_equal(nodeid_class(1), NODEID_FIXED);
}

static void a_tree_node_keeps_number_and_nid(void **state)
{
	uint64_t id = nodeid_tree(NODEID_TREE_MAX, NODEID_NID_MAX);

	(void)state;
	assert_int_equal(nodeid_class(id), NODEID_TREE);
	assert_int_equal(nodeid_tree_number(id), NODEID_TREE_MAX);
	assert_int_equal(nodeid_tree_nid(id), NODEID_NID_MAX);
	id = nodeid_tree(0, 36);
	assert_int_equal(nodeid_class(id), NODEID_TREE);
	assert_int_equal(nodeid_tree_number(id), 0);
	assert_int_equal(nodeid_tree_nid(id), 36);
}

static void two_trees_share_no_node(void **state)
{
	(void)state;
	assert_true(nodeid_tree(1, 36) != nodeid_tree(2, 36));
	assert_true(nodeid_tree(1, 0) != nodeid_tree(0, 1));
}

static void an_object_node_has_sixty_bits_of_its_digest(void **state)
{
	struct digest d = {{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 1, 2, 3, 4}};
	uint64_t id = nodeid_object(&d);

	(void)state;
	assert_int_equal(nodeid_class(id), NODEID_OBJECT);
	assert_true(nodeid_object_prefix(id) == UINT64_C(0x0123456789abcde0));
	assert_int_equal(nodeid_object_generation(&d), 0x01020304);
}

static void bits_are_taken_from_the_front(void **state)
{
	struct digest d = {{0xff, 0x80}};

	(void)state;
	assert_int_equal(nodeid_digest_bits(&d, 8), 0xff);
	assert_int_equal(nodeid_digest_bits(&d, 9), 0x1ff);
	assert_int_equal(nodeid_digest_bits(&d, 10), 0x3fe);
}

static void the_class_is_never_lost(void **state)
{
	(void)state;
	for (unsigned class = 0; class < NODEID_CLASSES; class ++) {
		uint64_t id = nodeid_make((enum nodeid_class) class, UINT64_MAX);

		assert_int_equal(nodeid_class(id), class);
		assert_true(nodeid_rest(id) == NODEID_REST_MASK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_is_the_root_of_fuse),
		cmocka_unit_test(a_tree_node_keeps_number_and_nid),
		cmocka_unit_test(two_trees_share_no_node),
		cmocka_unit_test(an_object_node_has_sixty_bits_of_its_digest),
		cmocka_unit_test(bits_are_taken_from_the_front),
		cmocka_unit_test(the_class_is_never_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

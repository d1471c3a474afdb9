/* SPDX-License-Identifier: Apache-2.0
 * store/digest_map: finding, growing, order of entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/digest_map.h"

struct named {
	struct digest digest;
	uint32_t value;
};

static struct digest digest_number(uint32_t n)
{
	struct digest d;

	digest_of(&n, sizeof(n), &d);
	return d;
}

static void an_empty_map_has_nothing(void **state)
{
	struct digest d = digest_number(1);
	struct digest_map m;

	(void)state;
	digest_map_init(&m, sizeof(struct named));
	assert_int_equal(digest_map_find(&m, &d), -1);
	digest_map_release(&m);
}

static void entries_are_found_while_the_map_grows(void **state)
{
	struct digest_map m;
	struct err err;

	(void)state;
	digest_map_init(&m, sizeof(struct named));
	for (uint32_t i = 0; i < 20000; i++) {
		struct digest d = digest_number(i);
		struct named *n;
		uint32_t number;

		assert_int_equal(digest_map_find(&m, &d), -1);
		assert_int_equal(digest_map_add(&m, &d, &number, &err), 0);
		assert_int_equal(number, i);
		n = digest_map_entry(&m, number);
		assert_int_equal(n->value, 0);
		n->value = i * 3;
	}
	for (uint32_t i = 0; i < 20000; i++) {
		struct digest d = digest_number(i);
		const struct named *n;

		assert_int_equal(digest_map_find(&m, &d), i);
		n = digest_map_entry(&m, i);
		assert_true(digest_equal(&n->digest, &d));
		assert_int_equal(n->value, i * 3);
	}
	for (uint32_t i = 20000; i < 40000; i++) {
		struct digest d = digest_number(i);

		assert_int_equal(digest_map_find(&m, &d), -1);
	}
	digest_map_release(&m);
}

static void digests_that_differ_in_their_last_bytes_only_are_told_apart(void **state)
{
	struct digest_map m;
	struct digest d = {{0}};
	struct err err;
	uint32_t number;

	(void)state;
	digest_map_init(&m, sizeof(struct digest));
	for (unsigned i = 0; i < 256; i++) {
		d.bytes[31] = (uint8_t)i;
		assert_int_equal(digest_map_add(&m, &d, &number, &err), 0);
	}
	for (unsigned i = 0; i < 256; i++) {
		d.bytes[31] = (uint8_t)i;
		assert_int_equal(digest_map_find(&m, &d), i);
	}
	digest_map_release(&m);
}

static void a_released_map_can_be_used_again(void **state)
{
	struct digest d = digest_number(7);
	struct digest_map m;
	struct err err;
	uint32_t number;

	(void)state;
	digest_map_init(&m, sizeof(struct named));
	assert_int_equal(digest_map_add(&m, &d, &number, &err), 0);
	digest_map_release(&m);
	assert_int_equal(digest_map_find(&m, &d), -1);
	assert_int_equal(digest_map_add(&m, &d, &number, &err), 0);
	assert_int_equal(number, 0);
	digest_map_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_has_nothing),
		cmocka_unit_test(entries_are_found_while_the_map_grows),
		cmocka_unit_test(
			digests_that_differ_in_their_last_bytes_only_are_told_apart),
		cmocka_unit_test(a_released_map_can_be_used_again),
	};

	return cmocka_run_group_tests_name("digest_map", tests, NULL, NULL);
}

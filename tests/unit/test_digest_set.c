/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the counting set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store/digest_set.h"

static bool add(struct digest_set *s, const struct digest *d)
{
	bool is_new;

	assert_int_equal(digest_set_add(s, d, &is_new, NULL), 0);
	return is_new;
}

static void every_digest_is_new_once(void **state)
{
	struct digest_set s = {0};
	struct digest d;

	(void)state;
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 20000; i++) {
			digest_of(&i, sizeof(i), &d);
			assert_int_equal(add(&s, &d), round == 0);
		}
	assert_int_equal(s.count, 20000);
	digest_set_release(&s);
}

static void the_zero_digest_counts_too(void **state)
{
	const struct digest zero = {{0}};
	struct digest_set s = {0};

	(void)state;
	assert_true(add(&s, &zero));
	assert_false(add(&s, &zero));
	digest_set_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_digest_is_new_once),
		cmocka_unit_test(the_zero_digest_counts_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of memory that is freed all at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "store/tree_arena.h"

static void what_was_handed_out_stays_as_it_is(void **state)
{
	const char *texts[5000];
	struct tree_arena a;
	char text[16];

	(void)state;
	tree_arena_init(&a);
	for (int i = 0; i < 5000; i++) {
		int len = snprintf(text, sizeof(text), "text %d", i);

		texts[i] = tree_arena_string(&a, text, (size_t)len);
		assert_non_null(texts[i]);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		assert_string_equal(texts[i], text);
	}
	assert_non_null(tree_arena_bytes(&a, NULL, 0));
	assert_string_equal(tree_arena_string(&a, NULL, 0), "");
	tree_arena_release(&a);
	tree_arena_release(&a);
}

static void sizes_and_alignments_are_kept(void **state)
{
	struct tree_arena a;

	(void)state;
	tree_arena_init(&a);
	for (size_t len = 1; len < 3 << 20; len = len * 3 + 1)
		for (size_t align = 1; align <= 16; align *= 2) {
			uint8_t *p = tree_arena_alloc(&a, len, align);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % align, 0);
			memset(p, 0xff, len);
		}
	assert_null(tree_arena_alloc(&a, SIZE_MAX - 4, 8));
	tree_arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_handed_out_stays_as_it_is),
		cmocka_unit_test(sizes_and_alignments_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

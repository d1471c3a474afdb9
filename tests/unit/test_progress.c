/* SPDX-License-Identifier: Apache-2.0
 * tools/progress: the text of the bar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tools/progress.h"

#define SECOND 1000000000ull
#define MIB    (1ull << 20)

static const char *bar(uint64_t done, uint64_t total, uint64_t now, unsigned width)
{
	static char text[200];

	progress_format("import", done, total, now, width, text, sizeof(text));
	return text;
}

static void half_way_shows_rate_and_time_left(void **state)
{
	(void)state;
	assert_string_equal(
		bar(50 * MIB, 100 * MIB, 5 * SECOND, 120),
		"import [############............]  50% 50.0 MiB, 10.0 MiB/s, "
		"0:05 left");
}

static void hours_are_told(void **state)
{
	(void)state;
	assert_non_null(strstr(bar(MIB, 3601 * MIB, SECOND, 120), "1:00:00 left"));
}

static void an_unknown_total_shows_no_share(void **state)
{
	(void)state;
	assert_string_equal(bar(MIB, 0, SECOND, 120), "import 1.0 MiB, 1.0 MiB/s");
}

static void the_first_moment_promises_nothing(void **state)
{
	(void)state;
	assert_non_null(strstr(bar(0, MIB, 0, 120), "  0% 0 B, 0 B/s, -:-- left"));
	assert_non_null(strstr(bar(MIB, 2 * MIB, SECOND / 10, 120), "-:-- left"));
}

static void more_than_all_is_all(void **state)
{
	(void)state;
	assert_non_null(strstr(bar(3 * MIB, MIB, SECOND, 120), "100% 3.0 MiB"));
	assert_non_null(strstr(bar(3 * MIB, MIB, SECOND, 120), "-:-- left"));
}

static void the_width_is_kept(void **state)
{
	(void)state;
	for (unsigned width = 0; width < 100; width++)
		assert_true(strlen(bar(MIB, 2 * MIB, SECOND, width)) <= width);
}

static void no_bar_takes_all_calls(void **state)
{
	struct progress *p = progress_begin(1, "x", true);

	(void)state;
	assert_null(p);
	progress_expect(p, 1);
	progress_add(p, 1);
	progress_label(p, "y");
	progress_end(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_way_shows_rate_and_time_left),
		cmocka_unit_test(hours_are_told),
		cmocka_unit_test(an_unknown_total_shows_no_share),
		cmocka_unit_test(the_first_moment_promises_nothing),
		cmocka_unit_test(more_than_all_is_all),
		cmocka_unit_test(the_width_is_kept),
		cmocka_unit_test(no_bar_takes_all_calls),
	};

	return cmocka_run_group_tests_name("tools/progress", tests, NULL, NULL);
}

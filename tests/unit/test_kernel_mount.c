/* SPDX-License-Identifier: Apache-2.0
 * tools/kernel_mount: paths as overlayfs wants them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/kernel_mount.h"

static void escaped(const char *path, const char *want)
{
	auto_buf struct buf out;

	buf_init(&out, 256);
	assert_int_equal(kernel_mount_escape(&out, path, NULL), 0);
	assert_int_equal(buf_append_u8(&out, 0, NULL), 0);
	assert_string_equal((char *)out.data, want);
}

static void only_backslashes_are_escaped(void **state)
{
	(void)state;
	escaped("/a/b", "/a/b");
	escaped("/a,b:c d", "/a,b:c d");
	escaped("/a\\b", "/a\\\\b");
	escaped("\\", "\\\\");
	escaped("", "");
}

static void a_path_over_the_bound_is_refused(void **state)
{
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, 3);
	assert_int_equal(kernel_mount_escape(&out, "/a\\", NULL), -ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_backslashes_are_escaped),
		cmocka_unit_test(a_path_over_the_bound_is_refused),
	};

	return cmocka_run_group_tests_name("tools/kernel_mount", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of reading a host file's xattrs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/xattr.h>

#include "store/xattr_list.h"
#include "tests/unit/scratch.h"

static bool supported;
static int fd = -1;

static int setup(void **state)
{
	(void)state;
	scratch_make();
	scratch_file("f", "", 0);
	fd = open(scratch_path("f"), O_RDONLY);
	/* Not every filesystem that /tmp can be on has user xattrs; there the lists below
	 * are empty, and that is what is expected. */
	supported = fsetxattr(fd, "user.b", "2", 1, 0) == 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(fd);
	scratch_remove();
	return 0;
}

static void xattrs_come_sorted_by_name(void **state)
{
	struct xattr_list l;

	(void)state;
	xattr_list_init(&l);
	if (supported) {
		assert_int_equal(fsetxattr(fd, "user.c", "", 0, 0), 0);
		assert_int_equal(fsetxattr(fd, "user.a", "x\0y", 3, 0), 0);
	}
	assert_int_equal(xattr_list_read(&l, fd, NULL, "f", NULL), 0);
	assert_int_equal(l.count, supported ? 3 : 0);
	if (l.count == 3) {
		assert_memory_equal(l.items[0].name, "user.a", 6);
		assert_int_equal(l.items[0].value_len, 3);
		assert_memory_equal(l.items[0].value, "x\0y", 3);
		assert_memory_equal(l.items[1].name, "user.b", 6);
		assert_int_equal(l.items[2].value_len, 0);
	}
	xattr_list_release(&l);
}

static void a_list_is_replaced_by_the_next(void **state)
{
	struct xattr_list l;

	(void)state;
	scratch_file("g", "", 0);
	xattr_list_init(&l);
	assert_int_equal(xattr_list_read(&l, fd, NULL, "f", NULL), 0);
	assert_int_equal(xattr_list_read(&l, -1, scratch_path("g"), "g", NULL), 0);
	assert_int_equal(l.count, 0);
	xattr_list_release(&l);
}

static void a_missing_file_is_not_found(void **state)
{
	struct xattr_list l;
	struct err err = {0};

	(void)state;
	xattr_list_init(&l);
	assert_int_equal(xattr_list_read(&l, -1, scratch_path("none"), "none", &err),
			 -ERR_NOTFOUND);
	assert_string_equal(err.msg, "'none' is gone");
	xattr_list_release(&l);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(xattrs_come_sorted_by_name),
		CASE(a_list_is_replaced_by_the_next),
		CASE(a_missing_file_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

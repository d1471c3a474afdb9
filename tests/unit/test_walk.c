/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the walk over a directory of the host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store/walk.h"
#include "tests/unit/scratch.h"

static int setup(void **state)
{
	(void)state;
	scratch_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove();
	return 0;
}

/* The paths of a whole walk, each with a comma. SKIP: a directory not to enter. */
static void walk_text(const char *skip, char *text, size_t size)
{
	auto_walk struct walk *w = NULL;
	struct walk_entry e;
	bool more = true;

	text[0] = '\0';
	assert_int_equal(walk_open(scratch_dir, &w, NULL), 0);
	for (;;) {
		assert_int_equal(walk_next(w, &e, &more, NULL), 0);
		if (!more)
			break;
		snprintf(text + strlen(text), size - strlen(text), "%s,", e.path);
		if (skip && strcmp(e.path, skip) == 0)
			walk_skip(w);
	}
}

static void names_come_in_byte_order_and_directories_first(void **state)
{
	char text[256];

	(void)state;
	scratch_mkdir("b");
	scratch_mkdir("b/x");
	scratch_file("b/x/1", "", 0);
	scratch_file("b/y", "", 0);
	scratch_file("b.c", "", 0);
	scratch_file("a", "", 0);
	scratch_file("\xff", "", 0);
	scratch_file("Z", "", 0);
	walk_text(NULL, text, sizeof(text));
	assert_string_equal(text, ",Z,a,b,b/x,b/x/1,b/y,b.c,\xff,");
}

static void a_skipped_directory_is_named_but_not_entered(void **state)
{
	char text[256];

	(void)state;
	scratch_mkdir("d");
	scratch_file("d/in", "", 0);
	scratch_file("e", "", 0);
	walk_text("d", text, sizeof(text));
	assert_string_equal(text, ",d,e,");
}

static void symlinks_are_entries_and_never_followed(void **state)
{
	auto_walk struct walk *w = NULL;
	char target[WALK_PATH_MAX];
	struct walk_entry e;
	bool more;

	(void)state;
	assert_int_equal(symlink("/etc", scratch_path("l")), 0);
	assert_int_equal(walk_open(scratch_dir, &w, NULL), 0);
	assert_int_equal(walk_next(w, &e, &more, NULL), 0);
	assert_int_equal(walk_next(w, &e, &more, NULL), 0);
	assert_true(S_ISLNK(e.stat.mode));
	assert_int_equal(walk_read_link(w, target, NULL), 0);
	assert_string_equal(target, "/etc");
	assert_int_equal(walk_next(w, &e, &more, NULL), 0);
	assert_false(more);
}

static void a_file_replaced_by_a_symlink_is_not_opened(void **state)
{
	auto_walk struct walk *w = NULL;
	struct walk_entry e;
	struct err err = {0};
	bool more;
	int fd;

	(void)state;
	scratch_file("f", "content", 7);
	assert_int_equal(walk_open(scratch_dir, &w, NULL), 0);
	assert_int_equal(walk_next(w, &e, &more, NULL), 0);
	assert_int_equal(walk_next(w, &e, &more, NULL), 0);
	assert_string_equal(e.path, "f");
	assert_int_equal(unlink(scratch_path("f")), 0);
	assert_int_equal(walk_open_file(w, &fd, &err), -ERR_NOTFOUND);
	assert_int_equal(symlink("/etc/passwd", scratch_path("f")), 0);
	assert_int_equal(walk_open_file(w, &fd, &err), -ERR_SYSTEM);
	assert_int_equal(err.sys, ELOOP);
}

static void a_directory_replaced_by_a_symlink_is_not_entered(void **state)
{
	auto_walk struct walk *w = NULL;
	struct walk_entry e;
	struct err err = {0};
	bool more;

	(void)state;
	scratch_mkdir("d");
	assert_int_equal(walk_open(scratch_dir, &w, NULL), 0);
	assert_int_equal(walk_next(w, &e, &more, NULL), 0);
	assert_int_equal(walk_next(w, &e, &more, NULL), 0);
	assert_string_equal(e.path, "d");
	assert_int_equal(rmdir(scratch_path("d")), 0);
	assert_int_equal(symlink("/etc", scratch_path("d")), 0);
	assert_true(walk_next(w, &e, &more, &err) < 0);
}

static void what_vanished_was_never_there(void **state)
{
	auto_walk struct walk *w = NULL;
	struct walk_entry e;
	struct err err = {0};
	bool more;

	(void)state;
	scratch_mkdir("d");
	scratch_file("e", "", 0);
	scratch_file("f", "", 0);
	assert_int_equal(walk_open(scratch_dir, &w, NULL), 0);
	assert_int_equal(walk_next(w, &e, &more, NULL), 0);
	assert_int_equal(walk_next(w, &e, &more, NULL), 0);
	assert_string_equal(e.path, "d");
	assert_int_equal(rmdir(scratch_path("d")), 0);
	assert_int_equal(unlink(scratch_path("e")), 0);
	assert_int_equal(walk_next(w, &e, &more, &err), 0);
	assert_string_equal(e.path, "f");
	assert_int_equal(err.code, 0);
}

static void depth_costs_no_descriptors(void **state)
{
	auto_walk struct walk *w = NULL;
	struct walk_entry e;
	bool more = true;
	char path[4096] = "d";
	unsigned count = 0;

	(void)state;
	for (int i = 0; i < 1500; i++) {
		scratch_mkdir(path);
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/d");
	}
	assert_int_equal(walk_open(scratch_dir, &w, NULL), 0);
	while (walk_next(w, &e, &more, NULL) == 0 && more)
		count++;
	assert_false(more);
	assert_int_equal(count, 1501);
}

static void a_missing_top_is_an_error_with_its_name(void **state)
{
	struct walk *w;
	struct err err = {0};

	(void)state;
	assert_true(walk_open(scratch_path("none"), &w, &err) < 0);
	assert_non_null(strstr(err.msg, "none"));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(names_come_in_byte_order_and_directories_first),
		CASE(a_skipped_directory_is_named_but_not_entered),
		CASE(symlinks_are_entries_and_never_followed),
		CASE(a_file_replaced_by_a_symlink_is_not_opened),
		CASE(a_directory_replaced_by_a_symlink_is_not_entered),
		CASE(what_vanished_was_never_there),
		CASE(depth_costs_no_descriptors),
		CASE(a_missing_top_is_an_error_with_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

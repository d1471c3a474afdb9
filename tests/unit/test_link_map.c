/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the hardlink map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store/link_map.h"

static const char *add(struct link_map *m, uint64_t dev, uint64_t ino, const char *path)
{
	const char *first = "unset";

	assert_int_equal(link_map_add(m, dev, ino, path, &first, NULL), 0);
	return first;
}

static void an_inode_is_known_by_its_first_path(void **state)
{
	struct link_map m;

	(void)state;
	link_map_init(&m);
	assert_null(add(&m, 1, 10, "a"));
	assert_string_equal(add(&m, 1, 10, "b"), "a");
	assert_string_equal(add(&m, 1, 10, "c"), "a");
	link_map_release(&m);
}

static void equal_numbers_on_two_devices_are_two_inodes(void **state)
{
	struct link_map m;

	(void)state;
	link_map_init(&m);
	assert_null(add(&m, 1, 10, "a"));
	assert_null(add(&m, 2, 10, "b"));
	assert_string_equal(add(&m, 2, 10, "c"), "b");
	link_map_release(&m);
}

static void many_inodes_are_kept_apart(void **state)
{
	struct link_map m;
	char path[32];

	(void)state;
	link_map_init(&m);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "file-%u", i);
		assert_null(add(&m, 7, i * 4096ull, path));
	}
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "file-%u", i);
		assert_string_equal(add(&m, 7, i * 4096ull, "other"), path);
	}
	link_map_release(&m);
}

static void a_note_stays_with_its_inode(void **state)
{
	struct link_map m;
	uint64_t note = 5;

	(void)state;
	link_map_init(&m);
	assert_null(link_map_find(&m, 1, 10, &note));
	assert_null(add(&m, 1, 10, "a"));
	assert_string_equal(link_map_find(&m, 1, 10, &note), "a");
	assert_int_equal(note, 0);
	link_map_note(&m, 1, 10, 77);
	link_map_note(&m, 1, 11, 78);
	for (unsigned i = 0; i < 1000; i++)
		assert_null(add(&m, 2, i, "x"));
	assert_string_equal(link_map_find(&m, 1, 10, &note), "a");
	assert_int_equal(note, 77);
	assert_null(link_map_find(&m, 1, 11, &note));
	link_map_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_inode_is_known_by_its_first_path),
		cmocka_unit_test(equal_numbers_on_two_devices_are_two_inodes),
		cmocka_unit_test(many_inodes_are_kept_apart),
		cmocka_unit_test(a_note_stays_with_its_inode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

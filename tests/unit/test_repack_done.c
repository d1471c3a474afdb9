/* SPDX-License-Identifier: Apache-2.0
 * store/repack_done: ranges join, are found again, and survive whatever the file says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>

#include "store/repack_done.h"
#include "tests/unit/scratch_store.h"

static struct repack_done done;

static int begin(void **state)
{
	scratch_make();
	(void)state;
	repack_done_init(&done);
	return 0;
}

static int end(void **state)
{
	(void)state;
	repack_done_release(&done);
	scratch_remove();
	return 0;
}

static void add(uint32_t pack, uint64_t from, uint64_t to, int level)
{
	const struct repack_range range = {pack, level, from, to};

	assert_ok(repack_done_add(&done, &range, err));
}

static size_t parse(const char *text)
{
	repack_done_release(&done);
	repack_done_init(&done);
	assert_ok(repack_done_parse(&done, text, strlen(text), err));
	return done.ranges.len / sizeof(struct repack_range);
}

static void neighbours_join(void **state)
{
	(void)state;
	add(2, 16, 100, 19);
	add(2, 100, 200, 19);
	add(2, 200, 300, 22);
	add(1, 16, 50, 19);
	add(2, 400, 500, 22);
	assert_int_equal(done.ranges.len / sizeof(struct repack_range), 4);
	assert_true(repack_done_level(&done, 2, 16) >= 19);
	assert_true(repack_done_level(&done, 2, 199) >= 19);
	assert_true(repack_done_level(&done, 2, 200) >= 19);
	assert_true(repack_done_level(&done, 2, 200) >= 22);
	assert_true(repack_done_level(&done, 2, 199) < 20);
	assert_true(repack_done_level(&done, 2, 15) < 1);
	assert_true(repack_done_level(&done, 2, 300) < 1);
	assert_true(repack_done_level(&done, 2, 500) < 1);
	assert_true(repack_done_level(&done, 3, 16) < 1);
	assert_true(repack_done_level(&done, 1, 49) >= 19);
	assert_true(repack_done_level(&done, 1, 50) < 19);
}

static bool is_two(void *arg, const struct repack_range *range)
{
	(void)arg;
	return range->pack == 2;
}

static void a_file_has_what_was_written(void **state)
{
	auto_fd int fd = open(scratch_path(""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_ok(repack_done_read(&done, fd, err));
	assert_int_equal(done.ranges.len, 0);
	add(0xfffffffe, UINT64_MAX - 5, UINT64_MAX, 22);
	add(2, 16, 100, 1);
	assert_ok(repack_done_write(&done, fd, err));
	repack_done_release(&done);
	repack_done_init(&done);
	assert_ok(repack_done_read(&done, fd, err));
	assert_true(repack_done_level(&done, 0xfffffffe, UINT64_MAX - 1) >= 22);
	assert_true(repack_done_level(&done, 2, 16) >= 1);
	repack_done_prune(&done, is_two, NULL);
	assert_true(repack_done_level(&done, 0xfffffffe, UINT64_MAX - 1) < 22);
	assert_true(repack_done_level(&done, 2, 16) >= 1);
}

#define FIRST "layercache repacked 1\n"

static void what_is_wrong_ends_the_file(void **state)
{
	static const char *const bad[] = {
		"00000001 16 100 19",
		"00000001 16 100\n",
		"00000001 100 100 19\n",
		"00000001 16 100 0\n",
		"00000001 16 100 -1\n",
		"00000001 16 100 19 \n",
		"00000001 16 100 190\n",
		"xyz\n",
		"\n",
		"00000001 16 999999999999999999999999 19\n",
		"000000001 16 100 19\n",
		"00000000 16 20 1\n00000000 10 16 1\n",
	};

	(void)state;
	assert_int_equal(parse(""), 0);
	assert_int_equal(parse("layercache repacked 2\n00000001 16 100 19\n"), 0);
	assert_int_equal(parse(FIRST), 0);
	assert_int_equal(parse(FIRST "00000001 16 100 19\n00000001 200 300 19\n"), 2);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[200];

		snprintf(text, sizeof(text), FIRST "%s00000009 16 100 19\n", bad[i]);
		assert_true(parse(text) <= 1);
		assert_true(repack_done_level(&done, 9, 16) < 1);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(neighbours_join),
		CASE(a_file_has_what_was_written),
		CASE(what_is_wrong_ends_the_file),
	};

	return cmocka_run_group_tests_name("repack_done", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the stat cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <time.h>

#include "store/stat_cache.h"
#include "tests/unit/scratch_store.h"

static struct stat_cache *open_cache(void)
{
	struct stat_cache *c = NULL;

	assert_ok(stat_cache_open(scratch_store, scratch_path("."), &c, err));
	return c;
}

static void close_cache(struct stat_cache *c)
{
	assert_ok(stat_cache_save(c, err));
	stat_cache_free(c);
}

/* File number N as it was an hour ago. */
static struct walk_stat file(uint64_t n)
{
	return (struct walk_stat){.mode = 0100644,
				  .ino = n,
				  .dev_minor = 7,
				  .size = n * 3,
				  .ctime = time(NULL) - 3600,
				  .ctime_nsec = 5,
				  .mtime = 1000};
}

static struct stat_cache_known known(uint64_t n)
{
	struct stat_cache_known k = {0};

	digest_of(&n, sizeof(n), &k.content);
	return k;
}

static void add(struct stat_cache *c, const struct walk_stat *st, uint64_t n)
{
	const struct stat_cache_known k = known(n);

	assert_ok(stat_cache_add(c, st, &k, err));
}

static bool finds(struct stat_cache *c, const struct walk_stat *st, uint64_t n)
{
	const struct stat_cache_known want = known(n);
	struct stat_cache_known got;

	return stat_cache_find(c, st, &got) && digest_equal(&got.content, &want.content);
}

static void what_was_added_is_found_the_next_time(void **state)
{
	struct stat_cache *c = open_cache();
	struct walk_stat st[1000];

	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		st[i] = file(i * 37);
		add(c, &st[i], i);
	}
	close_cache(c);
	c = open_cache();
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(finds(c, &st[i], i));
	stat_cache_free(c);
}

static void any_change_makes_it_unknown(void **state)
{
	struct stat_cache *c = open_cache();
	struct walk_stat st = file(1), other;

	(void)state;
	add(c, &st, 1);
	close_cache(c);
	c = open_cache();
	other = st, other.size++;
	assert_false(finds(c, &other, 1));
	other = st, other.ctime++;
	assert_false(finds(c, &other, 1));
	other = st, other.ctime_nsec++;
	assert_false(finds(c, &other, 1));
	other = st, other.mtime++;
	assert_false(finds(c, &other, 1));
	other = st, other.dev_major++;
	assert_false(finds(c, &other, 1));
	other = st, other.ino++;
	assert_false(finds(c, &other, 1));
	assert_true(finds(c, &st, 1));
	stat_cache_free(c);
}

static void what_changed_just_now_is_not_kept(void **state)
{
	struct stat_cache *c = open_cache();
	struct walk_stat now = file(1), coarse = file(2), later = file(3);
	struct timespec t;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &t);
	now.ctime = t.tv_sec;
	now.ctime_nsec = (uint32_t)t.tv_nsec | 1;
	coarse.ctime = t.tv_sec - 2;
	coarse.ctime_nsec = 0;
	later.ctime = t.tv_sec + 1000;
	add(c, &now, 1);
	add(c, &coarse, 2);
	add(c, &later, 3);
	close_cache(c);
	c = open_cache();
	assert_false(finds(c, &now, 1));
	assert_false(finds(c, &coarse, 2));
	assert_false(finds(c, &later, 3));
	stat_cache_free(c);
}

static void what_is_met_no_more_is_forgotten(void **state)
{
	struct stat_cache *c = open_cache();
	struct walk_stat a = file(1), b = file(2);

	(void)state;
	add(c, &a, 1);
	add(c, &b, 2);
	close_cache(c);
	c = open_cache();
	assert_true(finds(c, &a, 1));
	close_cache(c);
	c = open_cache();
	assert_true(finds(c, &a, 1));
	assert_false(finds(c, &b, 2));
	stat_cache_free(c);
}

static void the_last_layer_is_known_with_its_options(void **state)
{
	const struct stat_cache_known one = known(1), two = known(2);
	struct stat_cache *c = open_cache();
	struct digest d;

	(void)state;
	assert_false(stat_cache_last(c, &one.content, &d));
	stat_cache_set_last(c, &one.content, &two.content);
	close_cache(c);
	c = open_cache();
	assert_true(stat_cache_last(c, &one.content, &d));
	assert_true(digest_equal(&d, &two.content));
	assert_false(stat_cache_last(c, &two.content, &d));
	stat_cache_free(c);
}

static void no_cache_knows_nothing(void **state)
{
	struct walk_stat st = file(1);
	struct stat_cache_known k = {0};

	(void)state;
	assert_false(stat_cache_find(NULL, &st, &k));
	assert_ok(stat_cache_add(NULL, &st, &k, err));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_store_setup, scratch_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_added_is_found_the_next_time),
		TEST(any_change_makes_it_unknown),
		TEST(what_changed_just_now_is_not_kept),
		TEST(what_is_met_no_more_is_forgotten),
		TEST(the_last_layer_is_known_with_its_options),
		TEST(no_cache_knows_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * store/gc_keys: keys keep their results, until those that nobody uses are let go. */
#include "tests/unit/gc_fixture.h"

#include <time.h>

#include "store/key_use.h"
#include "store/store_private.h"

static void a_key_keeps(void **state)
{
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	unname_only("a");
	assert_int_equal(collect().layers, 0);
	expect_layer(&a.layers[0]);
	expect_clean();
	unkey("a");
	assert_int_equal(collect().layers, 2);
	expect_clean();
}

/* As if KEY had been asked for in an hour. */
static void use_key(const char *name)
{
	const struct timespec times[2] = {{0, UTIME_OMIT}, {time(NULL) + 3600, 0}};
	char path[16 + DIGEST_HEX_SIZE], hex[DIGEST_HEX_SIZE];
	struct digest key;

	digest_of(name, strlen(name), &key);
	key_use_note(scratch_store, &key);
	snprintf(path, sizeof(path), "used/%s", digest_hex(&key, hex));
	assert_int_equal(utimensat(scratch_store->dirfd, path, times, 0), 0);
}

static void keys_that_nobody_used_go(void **state)
{
	/* Whatever was used until in ten seconds. */
	struct gc_options o = {.keep_keys = -10};
	struct image a, b, c;
	struct gc_result r;

	(void)state;
	import_image("a", 1, &a);
	import_image("b", 50, &b);
	import_image("c", 100, &c);
	unname_only("a");
	unname_only("b");
	use_key("b");
	use_key("gone");
	o.dry_run = true;
	assert_int_equal(collect_with(o).keys, 1);
	assert_true(has_layer(&a.layers[0]));
	o.dry_run = false;
	r = collect_with(o);
	assert_int_equal(r.keys, 1); /* c's image has a name */
	assert_int_equal(r.layers, 2);
	assert_false(has_layer(&a.layers[0]));
	expect_layer(&b.layers[0]);
	expect_layer(&c.layers[0]);
	assert_int_equal(collect_with(o).keys, 0);
	expect_clean();
}

static void a_bound_on_the_size_takes_keys_too(void **state)
{
	struct gc_options o = {.max_size = 1};
	struct image a, b;

	(void)state;
	import_image("a", 1, &a);
	import_image("b", 50, &b);
	unname_only("a");
	assert_int_equal(collect_with(o).keys, 1);
	assert_false(has_layer(&a.layers[0]));
	expect_layer(&b.layers[0]);
	expect_clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_key_keeps),
		TEST(keys_that_nobody_used_go),
		TEST(a_bound_on_the_size_takes_keys_too),
	};

	return cmocka_run_group_tests_name("gc_keys", tests, NULL, NULL);
}

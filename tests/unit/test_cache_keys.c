/* SPDX-License-Identifier: Apache-2.0
 * Keys of records: a digest alone is none, every way to its inputs is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/buildkit/cache_keys.h"

#include <string.h>

static const struct digest none;

static struct digest named(const char *text)
{
	struct digest d;

	digest_of(text, strlen(text), &d);
	return d;
}

static void add(struct cacheconfig *c, const char *digest)
{
	struct digest d = named(digest);

	assert_int_equal(cacheconfig_add_record(c, &d, NULL), 0);
}

static void link_to(struct cacheconfig *c, uint32_t input, uint32_t record,
		    const struct digest *selector)
{
	assert_int_equal(cacheconfig_add_link(c, input, record, selector, NULL), 0);
}

static bool has(const struct cache_keys *k, uint32_t record, const struct digest *key)
{
	for (unsigned i = 0; i < k->counts[record]; i++)
		if (digest_equal(&k->keys[record][i], key))
			return true;
	return false;
}

static void the_same_step_on_two_bases_has_two_keys(void **state)
{
	auto_cacheconfig struct cacheconfig c = {0};
	auto_cache_keys struct cache_keys k = {0};

	(void)state;
	add(&c, "base a");
	add(&c, "base b");
	add(&c, "run");
	link_to(&c, 0, 0, &none);
	add(&c, "run");
	link_to(&c, 0, 1, &none);
	assert_int_equal(cache_keys_make(&c, &k, NULL), 0);
	assert_int_equal(k.counts[2], 1);
	assert_int_equal(k.counts[3], 1);
	assert_false(has(&k, 2, &k.keys[3][0]));
	assert_true(digest_equal(&k.parents[2][0], &k.keys[0][0]));
}

static void alternatives_give_the_keys_of_either(void **state)
{
	auto_cacheconfig struct cacheconfig one = {0}, both = {0};
	auto_cache_keys struct cache_keys k1 = {0}, k2 = {0};

	(void)state;
	add(&one, "manifest");
	add(&one, "run");
	link_to(&one, 0, 0, &none);
	add(&both, "chain");
	add(&both, "manifest");
	add(&both, "run");
	link_to(&both, 0, 0, &none);
	link_to(&both, 0, 1, &none);
	assert_int_equal(cache_keys_make(&one, &k1, NULL), 0);
	assert_int_equal(cache_keys_make(&both, &k2, NULL), 0);
	assert_int_equal(k2.counts[2], 2);
	assert_true(has(&k2, 2, &k1.keys[1][0]));
}

static void a_selector_counts(void **state)
{
	auto_cacheconfig struct cacheconfig c = {0};
	auto_cache_keys struct cache_keys k = {0};
	struct digest path = named("/");

	(void)state;
	add(&c, "base");
	add(&c, "run");
	link_to(&c, 0, 0, &none);
	add(&c, "run");
	link_to(&c, 0, 0, &path);
	assert_int_equal(cache_keys_make(&c, &k, NULL), 0);
	assert_false(has(&k, 1, &k.keys[2][0]));
}

/* Two ways for each of 20 steps are a million keys. */
static void the_number_of_keys_is_bounded(void **state)
{
	auto_cacheconfig struct cacheconfig c = {0};
	auto_cache_keys struct cache_keys k = {0};

	(void)state;
	add(&c, "a");
	add(&c, "b");
	for (uint32_t i = 0; i < 20; i++) {
		add(&c, "copy");
		link_to(&c, 0, i ? i + 1 : 0, &none);
		link_to(&c, 1, 0, &none);
		link_to(&c, 1, 1, &none);
	}
	assert_int_equal(cache_keys_make(&c, &k, NULL), 0);
	assert_int_equal(k.counts[21], CACHE_KEYS_MAX);
	for (unsigned i = 0; i < CACHE_KEYS_MAX; i++)
		for (unsigned j = 0; j < i; j++)
			assert_false(digest_equal(&k.keys[21][i], &k.keys[21][j]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_step_on_two_bases_has_two_keys),
		cmocka_unit_test(alternatives_give_the_keys_of_either),
		cmocka_unit_test(a_selector_counts),
		cmocka_unit_test(the_number_of_keys_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Unit tests: what registries say in headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/registry/challenge.h"

static struct challenge parse(const char *header)
{
	struct challenge c = {0};

	challenge_parse(header, &c);
	return c;
}

static void bearer_has_its_parameters(void **state)
{
	struct challenge c = parse("Bearer realm=\"https://a/t\",service=\"reg\", "
				   "scope=\"repository:x/y:pull,push\"");

	(void)state;
	assert_int_equal(c.scheme, CHALLENGE_BEARER);
	assert_string_equal(c.realm, "https://a/t");
	assert_string_equal(c.service, "reg");
	assert_string_equal(c.scope, "repository:x/y:pull,push");
}

static void bearer_comes_before_basic_in_any_order(void **state)
{
	(void)state;
	assert_int_equal(parse("Basic realm=\"r\", Bearer realm=\"https://x\"").scheme,
			 CHALLENGE_BEARER);
	assert_int_equal(parse("Bearer realm=\"https://x\", Basic realm=\"r\"").scheme,
			 CHALLENGE_BEARER);
	assert_int_equal(parse("Negotiate YII=, basic REALM=x").scheme, CHALLENGE_BASIC);
}

static void quotes_may_hold_commas_and_quotes(void **state)
{
	struct challenge c = parse("Basic realm=\"a, \\\"b\\\" Bearer realm=x\"");

	(void)state;
	assert_int_equal(c.scheme, CHALLENGE_BASIC);
	assert_string_equal(c.realm, "a, \"b\" Bearer realm=x");
}

static void what_is_broken_is_passed_over(void **state)
{
	char *longest = malloc(2 * CHALLENGE_VALUE_MAX + 32);
	int len = snprintf(longest, 32, "Bearer realm=\"");

	(void)state;
	memset(longest + len, 'x', 2 * CHALLENGE_VALUE_MAX);
	memcpy(longest + len + 2 * CHALLENGE_VALUE_MAX, "\"", 2);
	assert_int_equal(parse(longest).scheme, CHALLENGE_NONE);
	free(longest);
	assert_int_equal(parse("").scheme, CHALLENGE_NONE);
	assert_int_equal(parse(",,, = ").scheme, CHALLENGE_NONE);
	assert_int_equal(parse("Bearer realm=\"unfinished").scheme, CHALLENGE_NONE);
	assert_int_equal(parse("Bearer service=\"no realm\"").scheme, CHALLENGE_NONE);
	assert_int_equal(parse("Digest realm=\"x\"").scheme, CHALLENGE_NONE);
}

static void check_link(const char *header, const char *want)
{
	auto_buf struct buf link;
	bool found;

	buf_init(&link, 4096);
	found = challenge_next_link(header, &link);
	assert_int_equal(found, want != NULL);
	if (want)
		assert_string_equal((const char *)link.data, want);
}

static void the_next_link_is_found(void **state)
{
	(void)state;
	check_link("</v2/a/tags/list?n=2&last=b>; rel=\"next\"",
		   "/v2/a/tags/list?n=2&last=b");
	check_link("<a>; rel=prev, <b>; title=\"x, <c>\"; rel=\"first next\"", "b");
	check_link("<a>;rel=next", "a");
	check_link("<a>; rel=\"nextish\"", NULL);
	check_link("<a", NULL);
	check_link("a; rel=next", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bearer_has_its_parameters),
		cmocka_unit_test(bearer_comes_before_basic_in_any_order),
		cmocka_unit_test(quotes_may_hold_commas_and_quotes),
		cmocka_unit_test(what_is_broken_is_passed_over),
		cmocka_unit_test(the_next_link_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of what the path and the ranges of a request mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tools/serve/route.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void every_kind_of_path_is_known(void **state)
{
	static const struct {
		const char *path;
		enum route_kind kind;
		const char *name;
	} paths[] = {
		{"/v2", ROUTE_BASE, ""},
		{"/v2/", ROUTE_BASE, ""},
		{"/v2/_catalog", ROUTE_CATALOG, ""},
		{"/v2/a/tags/list", ROUTE_TAGS, "a"},
		{"/v2/a/b/manifests/v1", ROUTE_MANIFEST, "a/b"},
		{"/v2/a/manifests/sha256:" HEX64, ROUTE_MANIFEST, "a"},
		{"/v2/h.tld/a__b/c--d/blobs/sha256:" HEX64, ROUTE_BLOB,
		 "h.tld/a__b/c--d"},
		{"/v2/a/blobs/uploads/", ROUTE_START, "a"},
		{"/v2/a/blobs/uploads", ROUTE_START, "a"},
		{"/v2/a/blobs/uploads/0123456789abcdef0123456789abcdef", ROUTE_UPLOAD,
		 "a"},
		{"/v2/a/referrers/sha256:" HEX64, ROUTE_REFERRERS, "a"},
		{"/v2/manifests/blobs/tags/manifests/list", ROUTE_MANIFEST,
		 "manifests/blobs/tags"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct route r;

		route_parse(paths[i].path, &r);
		assert_int_equal(r.kind, paths[i].kind);
		assert_int_equal(r.fault, ROUTE_FINE);
		assert_string_equal(r.name, paths[i].name);
	}
}

static void what_is_wrong_is_told(void **state)
{
	static const struct {
		const char *path;
		enum route_kind kind;
		enum route_fault fault;
	} paths[] = {
		{"", ROUTE_NONE, ROUTE_FINE},
		{"/", ROUTE_NONE, ROUTE_FINE},
		{"/v1/", ROUTE_NONE, ROUTE_FINE},
		{"/v2/a", ROUTE_NONE, ROUTE_FINE},
		{"/v2/a/uploads/x", ROUTE_NONE, ROUTE_FINE},
		{"/v2//tags/list", ROUTE_TAGS, ROUTE_BAD_NAME},
		{"/v2/A/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME},
		{"/v2/../tags/list", ROUTE_TAGS, ROUTE_BAD_NAME},
		{"/v2/a/../b/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME},
		{"/v2/a___b/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME},
		{"/v2/a.-b/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME},
		{"/v2/-a/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME},
		{"/v2/a_/tags/list", ROUTE_TAGS, ROUTE_BAD_NAME},
		{"/v2/a/manifests/..", ROUTE_MANIFEST, ROUTE_BAD_TAG},
		{"/v2/a/manifests/", ROUTE_MANIFEST, ROUTE_BAD_TAG},
		{"/v2/a/manifests/sha512:" HEX64, ROUTE_MANIFEST, ROUTE_BAD_DIGEST},
		{"/v2/a/blobs/" HEX64, ROUTE_BLOB, ROUTE_BAD_DIGEST},
		{"/v2/a/blobs/uploads/xyz", ROUTE_UPLOAD, ROUTE_BAD_ID},
		{"/v2/a/blobs/uploads/0123456789abcdeg0123456789abcdef", ROUTE_UPLOAD,
		 ROUTE_BAD_ID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct route r;

		route_parse(paths[i].path, &r);
		assert_int_equal(r.kind, paths[i].kind);
		assert_int_equal(r.fault, paths[i].fault);
	}
}

static void a_name_has_a_longest_length(void **state)
{
	char path[400] = "/v2/";
	struct route r;

	(void)state;
	memset(path + 4, 'a', ROUTE_NAME_MAX);
	strcpy(path + 4 + ROUTE_NAME_MAX, "/tags/list");
	route_parse(path, &r);
	assert_int_equal(r.fault, ROUTE_FINE);
	memset(path + 4, 'a', ROUTE_NAME_MAX + 1);
	strcpy(path + 5 + ROUTE_NAME_MAX, "/tags/list");
	route_parse(path, &r);
	assert_int_equal(r.fault, ROUTE_BAD_NAME);
}

static void ranges_are_cut_to_what_is_there(void **state)
{
	uint64_t from, length;

	(void)state;
	assert_int_equal(route_range_parse(NULL, 10, &from, &length), ROUTE_WHOLE);
	assert_int_equal(length, 10);
	assert_int_equal(route_range_parse("bytes=2-3", 10, &from, &length), ROUTE_PART);
	assert_int_equal(from, 2);
	assert_int_equal(length, 2);
	assert_int_equal(route_range_parse("bytes=9-99", 10, &from, &length), ROUTE_PART);
	assert_int_equal(length, 1);
	assert_int_equal(route_range_parse("bytes=-3", 10, &from, &length), ROUTE_PART);
	assert_int_equal(from, 7);
	assert_int_equal(route_range_parse("bytes=10-", 10, &from, &length),
			 ROUTE_OUTSIDE);
	assert_int_equal(route_range_parse("bytes=0-", 0, &from, &length), ROUTE_OUTSIDE);
	assert_int_equal(route_range_parse("bytes=-0", 10, &from, &length),
			 ROUTE_OUTSIDE);
	assert_int_equal(route_range_parse("bytes=1-0", 10, &from, &length), ROUTE_WHOLE);
	assert_int_equal(route_range_parse("bytes=0-1,4-5", 10, &from, &length),
			 ROUTE_WHOLE);
	assert_int_equal(
		route_range_parse("bytes=18446744073709551616-", 10, &from, &length),
		ROUTE_WHOLE);
	assert_true(route_piece_parse("0-9", &from, &length));
	assert_int_equal(length, 10);
	assert_true(route_piece_parse("bytes 5-9/*", &from, &length));
	assert_int_equal(from, 5);
	assert_false(route_piece_parse("9-5", &from, &length));
	assert_false(route_piece_parse("0-18446744073709551615", &from, &length));
	assert_false(route_piece_parse("-5", &from, &length));
	assert_false(route_piece_parse("", &from, &length));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_path_is_known),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(a_name_has_a_longest_length),
		cmocka_unit_test(ranges_are_cut_to_what_is_there),
	};

	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}

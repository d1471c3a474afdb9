/* SPDX-License-Identifier: Apache-2.0
 * Platforms: spellings and which runs on which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/oci/platform.h"

#include <string.h>

#include "tools/oci/document.h"

static struct platform parse(const char *text)
{
	struct platform p;

	if (platform_parse(text, &p, NULL) < 0)
		fail_msg("'%s' is refused", text);
	return p;
}

static void spelled(const char *text, const char *expected)
{
	char formatted[PLATFORM_TEXT_SIZE];
	struct platform p = parse(text);

	assert_string_equal(platform_format(&p, formatted), expected);
}

static unsigned match(const char *want, const char *have)
{
	struct platform w = parse(want), h = parse(have);

	return platform_match(&w, &h);
}

static void spellings_are_one(void **state)
{
	(void)state;
	spelled("linux/amd64", "linux/amd64");
	spelled("Linux/x86_64", "linux/amd64");
	spelled("linux/amd64/v1", "linux/amd64");
	spelled("linux/amd64/v3", "linux/amd64/v3");
	spelled("linux/aarch64", "linux/arm64");
	spelled("linux/arm64/v8", "linux/arm64");
	spelled("linux/arm", "linux/arm/v7");
	spelled("linux/arm/6", "linux/arm/v6");
	spelled("linux/armhf", "linux/arm/v7");
	spelled("linux/armel", "linux/arm/v6");
	spelled("linux/i686", "linux/386");
	spelled("windows/amd64", "windows/amd64");
}

static void what_is_no_platform_is_refused(void **state)
{
	static const char *const table[] = {
		"",
		"linux",
		"linux/",
		"/amd64",
		"linux/a/b/c",
		"linux/a b",
		"l/../x",
		"linux/0123456789012345678901",
		"linux/amd64/",
	};
	struct platform p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_int_equal(platform_parse(table[i], &p, NULL), -ERR_INVALID);
}

static void older_variants_run_on_newer_machines(void **state)
{
	(void)state;
	assert_true(match("linux/arm/v7", "linux/arm/v7") >
		    match("linux/arm/v7", "linux/arm/v6"));
	assert_true(match("linux/arm/v7", "linux/arm/v6") >
		    match("linux/arm/v7", "linux/arm/v5"));
	assert_true(match("linux/arm/v7", "linux/arm/v5") > 0);
	assert_int_equal(match("linux/arm/v6", "linux/arm/v7"), 0);
	assert_true(match("linux/arm64", "linux/arm64/v8") > 0);
	assert_int_equal(match("linux/arm64", "linux/arm64/v9"), 0);
	assert_int_equal(match("linux/arm64", "linux/arm/v7"), 0);
	assert_int_equal(match("linux/amd64", "linux/amd64/v3"), 0);
	assert_true(match("linux/amd64/v3", "linux/amd64") > 0);
	assert_int_equal(match("linux/amd64", "windows/amd64"), 0);
}

static void documents_may_leave_parts_out(void **state)
{
	auto_document json_t *json = json_pack("{s:s}", "os", "linux");
	auto_document json_t *odd =
		json_pack("{s:s, s:s}", "os", "../..", "architecture", "x");
	char text[PLATFORM_TEXT_SIZE];
	struct platform p;

	(void)state;
	assert_int_equal(platform_from_json(json, &p, NULL), 0);
	assert_false(platform_known(&p));
	assert_string_equal(platform_format(&p, text), "");
	assert_int_equal(platform_from_json(odd, &p, NULL), -ERR_INVALID);
}

static void this_machine_has_one(void **state)
{
	struct platform p;

	(void)state;
	platform_host(&p);
	assert_true(platform_known(&p));
	assert_true(platform_match(&p, &p) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings_are_one),
		cmocka_unit_test(what_is_no_platform_is_refused),
		cmocka_unit_test(older_variants_run_on_newer_machines),
		cmocka_unit_test(documents_may_leave_parts_out),
		cmocka_unit_test(this_machine_has_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

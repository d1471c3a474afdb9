/* SPDX-License-Identifier: Apache-2.0
 * tools/subject: what X can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tools/subject.h"

#define FULL "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct subject_text parse(const char *text)
{
	struct subject_text x;

	assert_int_equal(subject_parse(text, &x, NULL), 0);
	return x;
}

static void names_are_names(void **state)
{
	static const char *const names[] = {
		"app",        "abc",    "abcde",  "docker.io/library/app:v1",
		"layer:v1",   "image",  "key:x",  "chain:abcde",
		"abcdef0:v1", "ABCDEF", "abcdeg", "x@sha256:" FULL,
		"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_false(parse(names[i]).digest);
}

static void six_digits_may_be_a_name_or_a_digest(void **state)
{
	struct subject_text x = parse("abcdef");

	(void)state;
	assert_true(x.digest);
	assert_false(x.certain);
	assert_int_equal(x.kind, 0);
	assert_int_equal(x.digits, 6);
	assert_int_equal(x.prefix.bytes[0], 0xab);
	assert_int_equal(x.prefix.bytes[2], 0xef);
	assert_int_equal(x.prefix.bytes[3], 0);
}

static void all_digits_are_a_digest(void **state)
{
	(void)state;
	assert_true(parse(FULL).certain);
	assert_true(parse("sha256:" FULL).certain);
	assert_int_equal(parse(FULL).digits, 64);
	assert_false(parse(FULL "0").digest);
}

static void a_kind_makes_it_certain(void **state)
{
	(void)state;
	assert_int_equal(parse("image:abcdef").kind, SUBJECT_IMAGE);
	assert_int_equal(parse("chain:sha256:abcdef").kind, SUBJECT_CHAIN);
	assert_int_equal(parse("layer:" FULL).kind, SUBJECT_LAYER);
	assert_int_equal(parse("key:" FULL).kind, SUBJECT_KEY);
	assert_true(parse("image:abcdef").certain);
	assert_true(parse("sha256:abcdef").certain);
}

static void a_bad_digest_is_refused(void **state)
{
	static const char *const bad[] = {"sha256:", "sha256:abcde", "sha256:" FULL "0",
					  "sha256:abcdeg", "sha256:ABCDEF"};
	struct subject_text x;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(subject_parse(bad[i], &x, &err), -ERR_INVALID);
}

static void digits_match_the_start_of_a_digest(void **state)
{
	struct digest d;
	struct subject_text x;

	(void)state;
	assert_int_equal(digest_parse_hex(FULL, 64, &d, NULL), 0);
	for (size_t n = SUBJECT_PREFIX_MIN; n <= 64; n++) {
		char text[65] = {0};

		memcpy(text, FULL, n);
		x = parse(text);
		assert_true(subject_matches(&x, &d));
		text[n - 1] = text[n - 1] == '0' ? '1' : '0';
		x = parse(text);
		assert_false(subject_matches(&x, &d));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_names),
		cmocka_unit_test(six_digits_may_be_a_name_or_a_digest),
		cmocka_unit_test(all_digits_are_a_digest),
		cmocka_unit_test(a_kind_makes_it_certain),
		cmocka_unit_test(a_bad_digest_is_refused),
		cmocka_unit_test(digits_match_the_start_of_a_digest),
	};

	return cmocka_run_group_tests_name("tools/subject", tests, NULL, NULL);
}

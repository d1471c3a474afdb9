/* SPDX-License-Identifier: Apache-2.0
 * tools/output: quoting, sizes, times, JSON of odd bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tools/output.h"

static void quoted(const char *text, const char *want)
{
	auto_buf struct buf out;

	buf_init(&out, 256);
	assert_int_equal(output_quote(&out, text, NULL), 0);
	assert_int_equal(buf_append_u8(&out, 0, NULL), 0);
	assert_string_equal((char *)out.data, want);
}

static void control_bytes_and_backslashes_are_quoted(void **state)
{
	(void)state;
	quoted("/a b", "/a b");
	quoted("a\nb\tc", "a\\nb\\tc");
	quoted("\x01\x1b[0m\x7f", "\\001\\033[0m\\177");
	quoted("a\\n", "a\\\\n");
	quoted("\xc3\xa4\xff", "\xc3\xa4\xff");
	quoted("", "");
}

static void sized(uint64_t bytes, const char *want)
{
	char text[OUTPUT_SIZE_TEXT];

	assert_string_equal(output_size(bytes, text), want);
}

static void sizes_are_told_with_their_unit(void **state)
{
	(void)state;
	sized(0, "0 B");
	sized(1023, "1023 B");
	sized(1024, "1.0 KiB");
	sized(1536, "1.5 KiB");
	sized((1u << 20) - 1, "1.0 MiB");
	sized(3u << 30, "3.0 GiB");
	sized(UINT64_MAX, "16.0 EiB");
}

static void times_are_utc(void **state)
{
	char text[OUTPUT_TIME_TEXT];

	(void)state;
	assert_string_equal(output_time(0, text), "1970-01-01T00:00:00Z");
	assert_string_equal(output_time(1714557600, text), "2024-05-01T10:00:00Z");
	assert_string_equal(output_time(INT64_MAX, text), "-");
}

static void no_digest_is_a_dash(void **state)
{
	struct digest zero = {0}, one = {{1}};
	char text[DIGEST_TEXT_SIZE];

	(void)state;
	assert_string_equal(output_digest(NULL, text), "-");
	assert_string_equal(output_digest(&zero, text), "-");
	assert_memory_equal(output_digest(&one, text), "sha256:01", 9);
}

static const char *text_of(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void bytes_that_are_no_text_keep_their_hex(void **state)
{
	auto_json json_t *object = json_object();

	(void)state;
	assert_int_equal(output_json_set_text(object, "path", "/\xc3\xa4", NULL), 0);
	assert_string_equal(text_of(object, "path"), "/\xc3\xa4");
	assert_null(json_object_get(object, "path_hex"));

	assert_int_equal(output_json_set_text(object, "path",
					      "a\xff"
					      "b\xed\xa0\x80",
					      NULL),
			 0);
	assert_string_equal(text_of(object, "path"),
			    "a\xef\xbf\xbd"
			    "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(text_of(object, "path_hex"), "61ff62eda080");
}

static void numbers_stay_in_the_range_of_json(void **state)
{
	auto_json json_t *big = output_json_u64(UINT64_MAX);
	auto_json json_t *small = output_json_u64(7);
	auto_json json_t *none = output_json_digest(NULL);

	(void)state;
	assert_true(json_integer_value(big) == INT64_MAX);
	assert_true(json_integer_value(small) == 7);
	assert_true(json_is_null(none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_bytes_and_backslashes_are_quoted),
		cmocka_unit_test(sizes_are_told_with_their_unit),
		cmocka_unit_test(times_are_utc),
		cmocka_unit_test(no_digest_is_a_dash),
		cmocka_unit_test(bytes_that_are_no_text_keep_their_hex),
		cmocka_unit_test(numbers_stay_in_the_range_of_json),
	};

	return cmocka_run_group_tests_name("tools/output", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the numbers in tars. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "store/tar_number.h"

static void assert_field(const char *bytes, size_t size, int64_t expected)
{
	int64_t v = 77;

	assert_true(tar_number_field(bytes, size, &v));
	assert_int_equal(v, expected);
}

static void assert_no_field(const char *bytes, size_t size)
{
	int64_t v;

	assert_false(tar_number_field(bytes, size, &v));
}

static void octal_fields_are_padded_in_every_known_way(void **state)
{
	(void)state;
	assert_field("0000644", 8, 0644);
	assert_field("  644 \0", 8, 0644);
	assert_field("644\0\0\0\0", 8, 0644);
	assert_field("77777777", 8, 077777777);
	assert_field("777777777777", 12, 0777777777777);
	assert_field("        ", 8, 0);
	assert_field("\0\0\0\0\0\0\0", 8, 0);
	assert_field("644\0junk", 8, 0644);
}

static void what_readers_take_differently_is_no_number(void **state)
{
	(void)state;
	assert_no_field("0000648", 8);
	assert_no_field("-000001", 8);
	assert_no_field("64 4\0\0\0", 8);
	assert_no_field("\0006440\0", 8);
	assert_no_field("0x1ff\0\0", 8);
	assert_no_field("junk\0\0\0", 8);
}

static void binary_fields_have_a_sign(void **state)
{
	(void)state;
	assert_field("\x80\0\0\0\0\0\0\x05", 8, 5);
	assert_field("\xff\xff\xff\xff\xff\xff\xff\xfe", 8, -2);
	assert_field("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12, INT64_MAX);
	assert_field("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12, INT64_MIN);
	assert_no_field("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12);
	assert_no_field("\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
	assert_no_field("\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
	assert_no_field("\xc0\0\0\0\0\0\0\0\0\0\0\0", 12);
}

static void decimal_numbers_are_digits_only(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_true(tar_number_decimal("0012", 4, &v));
	assert_int_equal(v, 12);
	assert_true(tar_number_decimal("9223372036854775807", 19, &v));
	assert_int_equal(v, INT64_MAX);
	assert_false(tar_number_decimal("9223372036854775808", 19, &v));
	assert_false(tar_number_decimal("99999999999999999999", 20, &v));
	assert_false(tar_number_decimal("", 0, &v));
	assert_false(tar_number_decimal("-1", 2, &v));
	assert_false(tar_number_decimal("+1", 2, &v));
	assert_false(tar_number_decimal(" 1", 2, &v));
	assert_false(tar_number_decimal("1\0", 2, &v));
}

static void assert_time(const char *text, int64_t s, uint32_t ns)
{
	int64_t got_s = 0;
	uint32_t got_ns = 0;

	assert_true(tar_number_time(text, strlen(text), &got_s, &got_ns));
	assert_int_equal(got_s, s);
	assert_int_equal(got_ns, ns);
}

static void times_before_the_epoch_count_up(void **state)
{
	int64_t s;
	uint32_t ns;

	(void)state;
	assert_time("0", 0, 0);
	assert_time("1700000000.123456789", 1700000000, 123456789);
	assert_time("5.", 5, 0);
	assert_time("5.1234567899", 5, 123456789);
	assert_time("-1", -1, 0);
	assert_time("-0.25", -1, 750000000);
	assert_time("-86399.999999999", -86400, 1);
	assert_time("-9223372036854775808", INT64_MIN, 0);
	assert_time("9223372036854775807.5", INT64_MAX, 500000000);
	assert_false(tar_number_time("-9223372036854775808.5", 22, &s, &ns));
	assert_false(tar_number_time("9223372036854775808", 19, &s, &ns));
	assert_false(tar_number_time("", 0, &s, &ns));
	assert_false(tar_number_time("-", 1, &s, &ns));
	assert_false(tar_number_time(".5", 2, &s, &ns));
	assert_false(tar_number_time("1e9", 3, &s, &ns));
	assert_false(tar_number_time("1.5 ", 4, &s, &ns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octal_fields_are_padded_in_every_known_way),
		cmocka_unit_test(what_readers_take_differently_is_no_number),
		cmocka_unit_test(binary_fields_have_a_sign),
		cmocka_unit_test(decimal_numbers_are_digits_only),
		cmocka_unit_test(times_before_the_epoch_count_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

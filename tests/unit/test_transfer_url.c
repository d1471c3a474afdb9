/* SPDX-License-Identifier: Apache-2.0
 * Unit tests: addresses, and who is meant by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/registry/transfer.h"

static void check(const char *base, const char *location, const char *want)
{
	auto_buf struct buf at;
	int rc;

	buf_init(&at, 4096);
	rc = transfer_resolve(base, location, &at, NULL);
	assert_int_equal(rc, want ? 0 : -ERR_INVALID);
	if (want)
		assert_string_equal((const char *)at.data, want);
}

static void locations_are_resolved_where_they_were_met(void **state)
{
	(void)state;
	check("https://h:5000/v2/a/", "/v2/b?x=%2F", "https://h:5000/v2/b?x=%2F");
	check("https://h/v2/a/uploads/", "u1", "https://h/v2/a/uploads/u1");
	check("https://h/a", "//other/b", "https://other/b");
	check("https://h/a", "http://o:1/b", "http://o:1/b");
	check("https://h/a", "file:///etc/passwd", NULL);
	check("https://h/a", "ftp://h/", NULL);
	check("not an address", "/a", NULL);
}

static void an_origin_is_scheme_host_and_port(void **state)
{
	(void)state;
	assert_true(transfer_same_origin("https://h/a", "https://H:443/b"));
	assert_true(transfer_same_origin("http://h:80/", "http://h/?x"));
	assert_false(transfer_same_origin("https://h/", "http://h/"));
	assert_false(transfer_same_origin("https://h/", "https://h:444/"));
	assert_false(transfer_same_origin("https://h/", "https://h.evil/"));
	assert_false(transfer_same_origin("https://h/", "https://h@evil/"));
	assert_false(transfer_same_origin("", ""));
}

static void loopback_is_this_machine_alone(void **state)
{
	(void)state;
	assert_true(transfer_is_loopback("http://localhost:5000/v2/"));
	assert_true(transfer_is_loopback("127.0.0.1:5000"));
	assert_true(transfer_is_loopback("127.1.2.3"));
	assert_true(transfer_is_loopback("http://[::1]:5000/"));
	assert_false(transfer_is_loopback("127.0.0.1.example.org"));
	assert_false(transfer_is_loopback("http://127.example.org/"));
	assert_false(transfer_is_loopback("localhost.example.org"));
	assert_false(transfer_is_loopback("https://h/127.0.0.1"));
	assert_false(transfer_is_loopback("http://127.0.0.1@evil.org/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locations_are_resolved_where_they_were_met),
		cmocka_unit_test(an_origin_is_scheme_host_and_port),
		cmocka_unit_test(loopback_is_this_machine_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

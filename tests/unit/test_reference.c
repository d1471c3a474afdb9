/* SPDX-License-Identifier: Apache-2.0
 * Names of images: Docker's normalisation, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/oci/reference.h"

#include <string.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void check(const char *text, const char *expected)
{
	auto_buf struct buf b;
	struct err err = {0};

	buf_init(&b, 1024);
	if (reference_normalize(text, &b, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	assert_string_equal((const char *)b.data, expected);
	assert_int_equal(b.len, strlen(expected) + 1);
}

static void refused(const char *text)
{
	auto_buf struct buf b;
	struct err err = {0};

	buf_init(&b, 1024);
	if (reference_normalize(text, &b, &err) != -ERR_INVALID)
		fail_msg("'%s' is taken", text);
	assert_non_null(strstr(err.msg, "name"));
}

static void names_get_host_path_and_tag(void **state)
{
	static const char *const table[][2] = {
		{"app", "docker.io/library/app:latest"},
		{"app:v1", "docker.io/library/app:v1"},
		{"user/app", "docker.io/user/app:latest"},
		{"user/app:v1", "docker.io/user/app:v1"},
		{"docker.io/app", "docker.io/library/app:latest"},
		{"docker.io/library/app", "docker.io/library/app:latest"},
		{"index.docker.io/app:1", "docker.io/library/app:1"},
		{"localhost/app", "localhost/app:latest"},
		{"localhost:5000/app", "localhost:5000/app:latest"},
		{"localhost:5000/app:v1", "localhost:5000/app:v1"},
		{"host.tld/a/b:t", "host.tld/a/b:t"},
		{"host.tld:80/a/b/c/d", "host.tld:80/a/b/c/d:latest"},
		{"Host.TLD/app", "Host.TLD/app:latest"},
		{"a-b.c/x", "a-b.c/x:latest"},
		{"127.0.0.1/x", "127.0.0.1/x:latest"},
		{"127.0.0.1:5000/x", "127.0.0.1:5000/x:latest"},
		{"[::1]:5000/x:t", "[::1]:5000/x:t"},
		{"[fe80::1.2.3.4]/x", "[fe80::1.2.3.4]/x:latest"},
		{"localhost", "docker.io/library/localhost:latest"},
		{"localhost:5000", "docker.io/library/localhost:5000"},
		{"a_b", "docker.io/library/a_b:latest"},
		{"a__b", "docker.io/library/a__b:latest"},
		{"a.b", "docker.io/library/a.b:latest"},
		{"a--b---c", "docker.io/library/a--b---c:latest"},
		{"1/2", "docker.io/1/2:latest"},
		{"app:_T.a-9", "docker.io/library/app:_T.a-9"},
		{"abcdef0123/x:" HEX, "docker.io/abcdef0123/x:" HEX},
		{"host.tld/" HEX, "host.tld/" HEX ":latest"},
		{"app@sha256:" HEX, "docker.io/library/app@sha256:" HEX},
		{"h.io/a:t@sha256:" HEX, "h.io/a@sha256:" HEX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		check(table[i][0], table[i][1]);
}

static void a_normalized_name_stays_as_it_is(void **state)
{
	(void)state;
	check("docker.io/library/app:latest", "docker.io/library/app:latest");
	check("localhost:5000/a/b:c", "localhost:5000/a/b:c");
	check("docker.io/library/app@sha256:" HEX, "docker.io/library/app@sha256:" HEX);
}

static void what_docker_refuses_is_refused(void **state)
{
	static const char *const table[] = {
		"",
		":",
		":tag",
		"/",
		"/app",
		"app/",
		"a//b",
		"App",
		"user/App",
		"Upper/x",
		"app:",
		"app: ",
		"app:-t",
		"app:.t",
		"app:t/u",
		"app:t:u",
		"a b",
		"-a",
		"a-",
		".a",
		"a.",
		"_a",
		"a_",
		"a___b",
		"a..b",
		"a._b",
		"a.-b",
		"../x",
		"./x",
		"a/../b",
		"a/./b",
		"host..tld/x",
		"-h.tld/x",
		"h-.tld/x",
		"h.tld:/x",
		"h.tld:p/x",
		"h_o.tld/x",
		"[::1/x",
		"[]/x",
		"[::g]/x",
		HEX,
		"app@",
		"app@sha256",
		"app@sha256:12",
		"a@b@sha256:" HEX,
		"app@sha512:" HEX,
		"app@SHA256:" HEX,
		"caf\xc3\xa9",
		"a\nb",
		"https://h.tld/x",
		"h.tld/",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		refused(table[i]);
}

static void lengths_are_bounded(void **state)
{
	char text[600];

	(void)state;
	memset(text, 'a', sizeof(text));
	strcpy(text + REFERENCE_NAME_MAX, ":t");
	memcpy(text, "h.io/", 5);
	check(text, text);
	memset(text, 'a', sizeof(text));
	strcpy(text + REFERENCE_NAME_MAX + 1, ":t");
	refused(text);
	memset(text, 'a', sizeof(text));
	memcpy(text, "h.io/x:", 7);
	text[7 + REFERENCE_TAG_MAX] = '\0';
	check(text, text);
	text[7 + REFERENCE_TAG_MAX] = 'a';
	text[8 + REFERENCE_TAG_MAX] = '\0';
	refused(text);
}

static void local(const char *stem, const char *tag, const char *expected)
{
	auto_buf struct buf b, again;
	struct err err = {0};

	buf_init(&b, 1024);
	buf_init(&again, 1024);
	if (reference_local(stem, tag, &b, &err) < 0)
		fail_msg("%s: %s", stem, err.msg);
	assert_string_equal((const char *)b.data, expected);
	if (reference_normalize(expected, &again, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal((const char *)again.data, expected);
}

static void a_file_name_becomes_a_name(void **state)
{
	(void)state;
	local("img", "v1", "localhost/img:v1");
	local("img", NULL, "localhost/img:latest");
	local("My Image", NULL, "localhost/my-image:latest");
	local("python-3.11_x", NULL, "localhost/python-3.11_x:latest");
	local("--a..b__c--", NULL, "localhost/a-b-c:latest");
	local("_.-", NULL, "localhost/image:latest");
	local("", NULL, "localhost/image:latest");
	local("caf\xc3\xa9.d", NULL, "localhost/caf-d:latest");
}

static void a_bad_tag_is_refused(void **state)
{
	auto_buf struct buf b;

	(void)state;
	buf_init(&b, 1024);
	assert_int_equal(reference_local("img", "a/b", &b, NULL), -ERR_INVALID);
	assert_true(reference_is_tag("v1"));
	assert_false(reference_is_tag(""));
	assert_false(reference_is_tag("a:b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_get_host_path_and_tag),
		cmocka_unit_test(a_normalized_name_stays_as_it_is),
		cmocka_unit_test(what_docker_refuses_is_refused),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(a_file_name_becomes_a_name),
		cmocka_unit_test(a_bad_tag_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

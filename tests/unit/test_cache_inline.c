/* SPDX-License-Identifier: Apache-2.0
 * Inline caches: base64 in an image's config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/buildkit/base64.h"
#include "tools/buildkit/cache_inline.h"

#include <string.h>

static void every_length_of_base64_comes_back(void **state)
{
	static const char *const words[][2] = {
		{"", ""},
		{"a", "YQ=="},
		{"ab", "YWI="},
		{"abc", "YWJj"},
		{"abcd", "YWJjZA=="},
		{"abcde", "YWJjZGU="},
		{"\xff\xfe", "//4="},
	};
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		buf_clear(&out);
		assert_int_equal(
			base64_encode(words[i][0], strlen(words[i][0]), &out, NULL), 0);
		assert_int_equal(out.len, strlen(words[i][1]));
		if (out.len)
			assert_memory_equal(out.data, words[i][1], out.len);
		buf_clear(&out);
		assert_int_equal(
			base64_decode(words[i][1], strlen(words[i][1]), &out, NULL), 0);
		assert_int_equal(out.len, strlen(words[i][0]));
		if (out.len)
			assert_memory_equal(out.data, words[i][0], out.len);
	}
}

static void other_spellings_of_base64_are_refused(void **state)
{
	static const char *const bad[] = {
		"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm\n9", "Zm-v", "Zg==Zg=="};
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (base64_decode(bad[i], strlen(bad[i]), &out, NULL) != -ERR_INVALID)
			fail_msg("taken: %s", bad[i]);
}

static void a_config_keeps_all_else(void **state)
{
	static const char config[] =
		"{\"architecture\":\"amd64\",\"moby.buildkit.cache.v0\":\"W10=\","
		"\"zzz\":{\"unknown\":[1,2]}}";
	auto_buf struct buf out, records;

	(void)state;
	buf_init(&out, 4096);
	buf_init(&records, 4096);
	assert_int_equal(cache_inline_get(config, strlen(config), &records, NULL), 0);
	assert_int_equal(records.len, 2);
	assert_memory_equal(records.data, "[]", 2);
	assert_int_equal(cache_inline_set(config, strlen(config), "[{}]", 4, &out, NULL),
			 0);
	assert_int_equal(buf_append_u8(&out, 0, NULL), 0);
	assert_string_equal((char *)out.data,
			    "{\"architecture\":\"amd64\",\"moby.buildkit.cache.v0\":"
			    "\"W3t9XQ==\",\"zzz\":{\"unknown\":[1,2]}}");
}

static void a_config_without_a_cache_says_so(void **state)
{
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(cache_inline_get("{}", 2, &out, NULL), -ERR_NOTFOUND);
	assert_int_equal(cache_inline_get("[]", 2, &out, NULL), -ERR_INVALID);
	assert_int_equal(
		cache_inline_get("{\"moby.buildkit.cache.v0\":{}}", 29, &out, NULL),
		-ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_of_base64_comes_back),
		cmocka_unit_test(other_spellings_of_base64_are_refused),
		cmocka_unit_test(a_config_keeps_all_else),
		cmocka_unit_test(a_config_without_a_cache_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * JSON documents: what is taken, what is refused, at what cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/oci/document.h"

#include <string.h>

static int parse(const char *text, size_t len, struct err *err)
{
	auto_document json_t *json = NULL;

	return document_parse(text, len, &json, err);
}

static void refused(const char *text, const char *why)
{
	struct err err = {0};

	if (parse(text, strlen(text), &err) == 0)
		fail_msg("taken: %s", text);
	if (!strstr(err.msg, why))
		fail_msg("%s: '%s' does not say '%s'", text, err.msg, why);
}

static void strict_json_is_taken(void **state)
{
	static const char *const table[] = {
		"{}",
		"[]",
		" {\"a\":[1,2.5,null,true,\"x\\\"y\\u00e9\"]}\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_int_equal(parse(table[i], strlen(table[i]), NULL), 0);
}

static void what_readers_disagree_on_is_refused(void **state)
{
	(void)state;
	refused("{\"a\":1,\"a\":2}", "duplicate");
	refused("{\"a\":{\"b\":1,\"b\":1}}", "duplicate");
	refused("{} {}", "line 1");
	refused("{\"a\":1,}", "line 1");
	refused("{\"a\":1} // x", "line 1");
	refused("{'a':1}", "line 1");
	refused("{\"a\":NaN}", "line 1");
	refused("{\"a\":1e400}", "line 1");
	refused("{\"a\":99999999999999999999}", "line 1");
	refused("{\"a\":\"\\u0000\"}", "line 1");
	refused("{\"a\":\"\xff\"}", "decode");
	refused("", "line 1");
	refused("\"text\"", "line 1");
	refused("{\"a\":", "line 1");
	assert_int_equal(parse("{}\0", 3, NULL), -ERR_INVALID);
}

static void budgets_hold_before_memory_is_spent(void **state)
{
	auto_free char *big = malloc(DOCUMENT_MAX + 2);
	struct err err;

	(void)state;
	assert_non_null(big);
	memset(big, '[', 1 << 20);
	assert_int_equal(parse(big, 1 << 20, &err), -ERR_LIMIT);
	assert_non_null(strstr(err.msg, "nested"));
	for (size_t i = 0; i + 3 <= DOCUMENT_MAX; i += 3)
		memcpy(big + i, "{},", 3);
	assert_int_equal(parse(big, DOCUMENT_MAX, &err), -ERR_LIMIT);
	memset(big, ',', DOCUMENT_MAX);
	assert_int_equal(parse(big, DOCUMENT_MAX, &err), -ERR_LIMIT);
	assert_int_equal(parse(big, DOCUMENT_MAX + 1, &err), -ERR_LIMIT);
	/* Brackets in texts are no nesting. */
	memset(big, '[', 4096);
	memcpy(big, "[\"\\\"", 4);
	memcpy(big + 4000, "\"]", 3);
	assert_int_equal(parse(big, strlen(big), &err), 0);
}

static void members_have_their_types(void **state)
{
	auto_document json_t *json = NULL;
	const char *text = "x";
	json_t *array, *object;
	struct digest d;
	struct err err;
	uint64_t size;
	const char doc[] =
		"{\"t\":\"v\",\"n\":null,\"a\":[1],\"o\":{},\"i\":7,\"neg\":-1,"
		"\"f\":1.5}";

	(void)state;
	assert_int_equal(document_parse(doc, strlen(doc), &json, NULL), 0);
	assert_int_equal(document_text(json, "t", &text, NULL), 0);
	assert_string_equal(text, "v");
	assert_int_equal(document_text(json, "n", &text, NULL), 0);
	assert_null(text);
	assert_int_equal(document_text(json, "none", &text, NULL), 0);
	assert_null(text);
	assert_int_equal(document_text(json, "i", &text, NULL), -ERR_INVALID);
	assert_int_equal(document_array(json, "a", &array, NULL), 0);
	assert_int_equal(json_array_size(array), 1);
	assert_int_equal(document_array(json, "o", &array, NULL), -ERR_INVALID);
	assert_int_equal(document_object(json, "o", &object, NULL), 0);
	assert_int_equal(document_object(json, "a", &object, NULL), -ERR_INVALID);
	assert_int_equal(document_size(json, "i", &size, NULL), 0);
	assert_int_equal(size, 7);
	assert_int_equal(document_size(json, "neg", &size, NULL), -ERR_INVALID);
	assert_int_equal(document_size(json, "f", &size, NULL), -ERR_INVALID);
	assert_int_equal(document_size(json, "none", &size, NULL), -ERR_INVALID);
	assert_int_equal(document_digest(json, "t", &d, &err), -ERR_INVALID);
	assert_int_equal(document_digest(json, "none", &d, NULL), -ERR_INVALID);
}

static void members_that_differ_in_case_are_refused(void **state)
{
	static const char *const keys[] = {"layers", "config", NULL};
	auto_document json_t *good = NULL, *bad = NULL;

	(void)state;
	assert_int_equal(document_parse("{\"layers\":1,\"x\":2}", 18, &good, NULL), 0);
	assert_int_equal(document_check_case(good, keys, NULL), 0);
	assert_int_equal(document_parse("{\"layers\":1,\"Layers\":2}", 23, &bad, NULL),
			 0);
	assert_int_equal(document_check_case(bad, keys, NULL), -ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strict_json_is_taken),
		cmocka_unit_test(what_readers_disagree_on_is_refused),
		cmocka_unit_test(budgets_hold_before_memory_is_spent),
		cmocka_unit_test(members_have_their_types),
		cmocka_unit_test(members_that_differ_in_case_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

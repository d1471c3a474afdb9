/* SPDX-License-Identifier: Apache-2.0
 * Dockerfiles: instructions, words, variables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/buildkit/dockerfile.h"

#include <string.h>

static struct dockerfile parse(const char *text)
{
	struct dockerfile d;
	struct err err = {0};

	if (dockerfile_parse(text, strlen(text), &d, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return d;
}

static void lines_go_on_and_comments_do_not_count(void **state)
{
	auto_dockerfile struct dockerfile d = parse(
		"# comment\n\n  from a\r\nRUN x \\\n# inside\n\n   && y \\\\\nCMD z");

	(void)state;
	assert_int_equal(d.count, 3);
	assert_string_equal(d.items[0].word, "FROM");
	assert_string_equal(d.items[0].rest, "a");
	assert_int_equal(d.items[0].line, 3);
	assert_string_equal(d.items[1].rest, "x    && y \\\\");
	assert_int_equal(d.items[1].line, 4);
	assert_string_equal(d.items[2].rest, "z");
}

static void the_escape_character_can_be_another(void **state)
{
	auto_dockerfile struct dockerfile d = parse(
		"# syntax=docker/dockerfile:1\n# escape=`\nFROM a `\n AS b\nRUN c\\\n");

	(void)state;
	assert_int_equal(d.escape, '`');
	assert_int_equal(d.count, 2);
	assert_string_equal(d.items[0].rest, "a  AS b");
	assert_string_equal(d.items[1].rest, "c\\");
}

static void bodies_of_here_documents_are_passed_over(void **state)
{
	auto_dockerfile struct dockerfile d = parse(
		"RUN <<A cat <<-'B'\nFROM x\nA\nFROM y\n\tB\nCOPY <<C /c\nC\nENV A=<<B\n");

	(void)state;
	assert_int_equal(d.count, 3);
	assert_true(d.items[0].heredoc);
	assert_true(d.items[1].heredoc);
	assert_false(d.items[2].heredoc);
}

static void words_are_split_as_docker_splits(void **state)
{
	auto_dockerfile_words struct dockerfile_words plain = {0}, quoted = {0},
						      json = {0}, flags = {0};
	const char *rest;

	(void)state;
	assert_int_equal(dockerfile_split(" a  \"b c\" ", '\\', false, &plain, NULL), 0);
	assert_int_equal(plain.count, 3);
	assert_int_equal(
		dockerfile_split("A=\"b c\" D=e\\ f 'g h'", '\\', true, &quoted, NULL),
		0);
	assert_int_equal(quoted.count, 3);
	assert_string_equal(quoted.items[1], "D=e\\ f");
	assert_int_equal(dockerfile_split_json("[\"a b\", \"c\"]", '\\', &json, NULL), 0);
	assert_true(json.json);
	assert_int_equal(json.count, 2);
	assert_string_equal(json.items[0], "a b");
	assert_int_equal(
		dockerfile_flags("--from=a --chown=1:2 x --y", &flags, &rest, NULL), 0);
	assert_int_equal(flags.count, 2);
	assert_string_equal(rest, "x --y");
}

static void what_is_nearly_json_is_words(void **state)
{
	auto_dockerfile_words struct dockerfile_words w = {0};

	(void)state;
	assert_int_equal(dockerfile_split_json("[\"a\", 1]", '\\', &w, NULL), 0);
	assert_false(w.json);
	assert_int_equal(w.count, 2);
}

static const char *lookup(void *arg, const char *name, size_t len)
{
	(void)arg;
	if (len == 1 && *name == 'A')
		return "one";
	return len == 5 && memcmp(name, "EMPTY", 5) == 0 ? "" : NULL;
}

static void variables_are_replaced(void **state)
{
	static const char *const cases[][2] = {
		{"$A-${A}x$B", "one-onex"},
		{"'$A'\"$A\"", "$Aone"},
		{"\\$A", "$A"},
		{"\"\\$A\\n\"", "$A\\n"},
		{"${B:-x$A}", "xone"},
		{"${EMPTY:-x}|${EMPTY-x}", "x|"},
		{"${A:+y}${B:+z}", "y"},
		{"${B:-${C:-\"d\"}}", "d"},
		{"$", "$"},
		{"a b", "a b"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		char *text;

		if (dockerfile_expand(cases[i][0], '\\', lookup, NULL, &text, &err) < 0)
			fail_msg("%s: %s", cases[i][0], err.msg);
		assert_string_equal(text, cases[i][1]);
		free(text);
	}
}

static void bad_variables_are_refused(void **state)
{
	static const char *const bad[] = {"${A", "${}", "${A#x}", "${A:?x}", "'a", "\"a"};
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (dockerfile_expand(bad[i], '\\', lookup, NULL, &text, NULL) !=
		    -ERR_INVALID)
			fail_msg("taken: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_go_on_and_comments_do_not_count),
		cmocka_unit_test(the_escape_character_can_be_another),
		cmocka_unit_test(bodies_of_here_documents_are_passed_over),
		cmocka_unit_test(words_are_split_as_docker_splits),
		cmocka_unit_test(what_is_nearly_json_is_words),
		cmocka_unit_test(variables_are_replaced),
		cmocka_unit_test(bad_variables_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

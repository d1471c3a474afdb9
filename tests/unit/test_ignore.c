/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of .dockerignore patterns, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "store/ignore.h"

struct one {
	const char *pattern, *path;
	bool match;
};

static bool matches(const char *pattern, const char *path)
{
	auto_ignore struct ignore *g = NULL;
	struct err err;

	assert_int_equal(ignore_new(&g, &err), 0);
	if (ignore_add(g, pattern, &err) != 0)
		fail_msg("%s", err.msg);
	return ignore_match(g, path);
}

static void check_all(const struct one *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (matches(table[i].pattern, table[i].path) != table[i].match)
			fail_msg("'%s' on '%s' is not %d", table[i].pattern,
				 table[i].path, table[i].match);
}

static void wildcards_stay_in_one_part(void **state)
{
	static const struct one table[] = {
		{"a", "a", true},
		{"a", "b", false},
		{"a", "ab", false},
		{"abc", "ab", false},
		{"*", "a", true},
		{"*.go", "x.go", true},
		{"*.go", "a/x.go", false},
		{"*/temp*", "somedir/temporary.txt", true},
		{"*/temp*", "temporary.txt", false},
		{"*/*/temp*", "a/b/temp", true},
		{"*/*/temp*", "a/temp", false},
		{"temp?", "tempa", true},
		{"temp?", "temp", false},
		{"temp?", "tempab", false},
		{"a?b", "a/b", false},
		{"?", "\xc3\xa4", true}, /* one character of two bytes */
		{"??", "\xc3\xa4", false},
		{"a?c",
		 "a\xe2\x82\xac"
		 "c",
		 true},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[^a-c]x", "dx", true},
		{"[^a-c]x", "ax", false},
		{"[^a]x", "\xc3\xa4x", true},
		{"[a\\]]", "]", true},
		{"a\\*", "a*", true},
		{"a\\*", "ab", false},
		{"\\[x", "[x", true},
		{"a.b", "axb", false},
		{"a+$^(b)|{2}", "a+$^(b)|{2}", true},
		{"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	};

	(void)state;
	check_all(table, ARRAY_LEN(table));
}

static void two_stars_cross_parts(void **state)
{
	static const struct one table[] = {
		{"**", "a", true},
		{"**", "a/b/c", true},
		{"**/", "a/b", true},
		{"**/a", "a", true},
		{"**/a", "b/a", true},
		{"**/a", "c/b/a", true},
		{"**/a", "ba", false},
		{"**/*.go", "x.go", true},
		{"**/*.go", "a/b/x.go", true},
		{"**/*.go", "a/b/x.c", false},
		{"**a", "xa", true}, /* with nothing special behind them they take all */
		{"**a", "b/xa", true},
		{"a/**", "a/b", true},
		{"a/**", "a/b/c", true},
		{"a/**", "a", false},
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a/**/b", "a/xb", false},
		{"a**/b", "a/b", true},
		{"a**/b", "ab", true},
		{"a**/b", "axx/b", true},
		{"**/a/**/b", "x/a/y/b", true},
		{"**/*a*/**/*b*/**/*c*/**/d", "a/b/c/x", false},
		{"dir/**/*.txt", "dir/x.txt", true},
		{"dir/**/*.txt", "dirx/x.txt", false},
	};

	(void)state;
	check_all(table, ARRAY_LEN(table));
}

static void what_is_below_a_match_matches(void **state)
{
	static const struct one table[] = {
		{"a", "a/b/c", true}, {"*", "a/b/c", true},   {"a/b", "a/b/c", true},
		{"a/b", "a", false},  {"*.d", "x.d/y", true}, {"b", "a/b", false},
		{"?", "a/bc", true},
	};

	(void)state;
	check_all(table, ARRAY_LEN(table));
}

static void patterns_are_cleaned_as_paths(void **state)
{
	static const struct one table[] = {
		{"/a", "a", true},         {"a/", "a", true},     {"./a", "a", true},
		{"//a//b/", "a/b", true},  {"b/../a", "a", true}, {"a/./b", "a/b", true},
		{" a ", "a", true},        {"../a", "a", false},  {".", "a", false},
		{"/", "a", false},         {"a/..", "a", false},  {"", "a", false},
		{"b/../../a", "a", false},
	};

	(void)state;
	check_all(table, ARRAY_LEN(table));
}

static void bad_patterns_are_refused(void **state)
{
	static const char *const table[] = {"!",    "! ",   "[",   "[a",   "a[", "[]a]",
					    "[a-]", "[-a]", "x\\", "[a\\", "[]", "[^]"};
	auto_ignore struct ignore *g = NULL;

	(void)state;
	assert_int_equal(ignore_new(&g, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err err = {0};

		if (ignore_add(g, table[i], &err) != -ERR_INVALID)
			fail_msg("'%s' was taken", table[i]);
		assert_non_null(strstr(err.msg, "pattern"));
	}
}

struct file {
	const char *lines, *path;
	bool match, may_return;
};

static void the_last_line_that_matches_decides(void **state)
{
	static const struct file table[] = {
		{"*.md\n!README.md\n", "a.md", true, false},
		{"*.md\n!README.md\n", "README.md", false, true},
		{"*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true, true},
		{"*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false, true},
		{"dir\n!dir/keep\n", "dir", true, true},
		{"dir\n!dir/keep\n", "dir/keep", false, true},
		{"dir\n!dir/keep\n", "dir/keep/x", false, true},
		{"dir\n!dir/keep\n", "dir/other", true, false},
		{"dir\n!dir/keep\n", "other", false, false},
		{"dir\n!dir/keep\ndir/keep/not\n", "dir/keep/not", true, true},
		{"*\n!a/**/b\n", "a", true, true},
		{"*\n!a/**/b\n", "a/x/y", true, true},
		{"*\n!a/**/b\n", "a/x/y/b", false, true},
		{"*\n!a/**/b\n", "c", true, false},
		{"**\n!**/keep.txt\n", "a/b/keep.txt", false, true},
		{"**\n!**/keep.txt\n", "a/b/drop.txt", true, true},
		{"!a\na\n", "a", true, true},
		{"a\n!a\n", "a/b", false, true},
		{"# a\n", "# a", false, false},
		{" # a\n", "# a", true, false},
		{"\xef\xbb\xbf"
		 "a\n",
		 "a", true, false},
		{"\n\n  \na\r\n", "a", true, false},
		{"a\n! a\n", "a", false, true},
		{"a", "a", true, false},
		{"node_modules\n", "node_modules/x", true, false},
		{"node_modules\n", "sub/node_modules", false, false},
		{"**/node_modules\n", "sub/node_modules/x", true, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct file *t = &table[i];
		auto_ignore struct ignore *g = NULL;

		assert_int_equal(ignore_new(&g, NULL), 0);
		assert_int_equal(ignore_add_lines(g, t->lines, strlen(t->lines), NULL),
				 0);
		if (ignore_match(g, t->path) != t->match ||
		    ignore_may_return(g, t->path) != t->may_return)
			fail_msg("row %zu: '%s'", i, t->path);
	}
}

static void a_bad_line_is_named(void **state)
{
	auto_ignore struct ignore *g = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(ignore_new(&g, NULL), 0);
	assert_int_equal(ignore_add_lines(g, "a\n#\n[b\n", 7, &err), -ERR_INVALID);
	assert_non_null(strstr(err.msg, "line 3"));
	assert_int_equal(ignore_add_lines(g, "a\0b", 3, &err), -ERR_INVALID);
}

static void nothing_leaves_out_nothing(void **state)
{
	(void)state;
	assert_false(ignore_match(NULL, "a"));
	assert_false(ignore_may_return(NULL, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wildcards_stay_in_one_part),
		cmocka_unit_test(two_stars_cross_parts),
		cmocka_unit_test(what_is_below_a_match_matches),
		cmocka_unit_test(patterns_are_cleaned_as_paths),
		cmocka_unit_test(bad_patterns_are_refused),
		cmocka_unit_test(the_last_line_that_matches_decides),
		cmocka_unit_test(a_bad_line_is_named),
		cmocka_unit_test(nothing_leaves_out_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * tools/options: tables into values, help and errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tools/options.h"

struct values {
	bool force, quiet;
	const char *name, *method;
	struct option_list excludes;
	struct option_number level;
};

static const struct option_spec specs[] = {
	OPTION_FLAG('f', "force", struct values, force, "also when it exists"),
	OPTION_TEXT('n', "name", "NAME", struct values, name, "call it NAME"),
	OPTION_WORD(0, "method", "M", "none gzip zstd", struct values, method,
		    "how it is compressed, which may take long words to explain so that "
		    "lines must be broken"),
	OPTION_LIST('x', "exclude", "PATTERN", struct values, excludes, "leave out"),
	OPTION_NUMBER(0, "level", "N", -5, 19, struct values, level, "how hard"),
	OPTION_END,
};

static const struct option_spec more[] = {
	OPTION_FLAG('q', "quiet", struct values, quiet, "say nothing"),
	OPTION_END,
};

/* getopt permutes argv; its words need not be writable. */
static char *strdup_(const char *text)
{
	static char words[64][128];
	static unsigned turn;
	char *w = words[turn++ % 64];

	strncpy(w, text, 127);
	return w;
}

static int parse(struct values *v, bool stop_early, const char *const *words, char **argv,
		 int *ret_first, struct err *err)
{
	const struct option_table tables[] = {{specs, v}, {more, v}, {NULL, NULL}};
	int argc = 0;

	*v = (struct values){0};
	argv[argc++] = strdup_("cmd");
	for (; words[argc - 1]; argc++)
		argv[argc] = strdup_(words[argc - 1]);
	argv[argc] = NULL;
	return options_parse(tables, 3, stop_early, argc, argv, ret_first, err);
}

static void refuse(const char *const *words, const char *text)
{
	const struct option_table table = {specs, NULL};
	struct option_table own = table;
	struct err err = {0};
	struct values v;
	char *argv[16];
	int first;

	assert_int_equal(parse(&v, false, words, argv, &first, &err), -ERR_USAGE);
	assert_string_equal(err.msg, text);
	own.values = &v;
	options_release(&own);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void values_of_every_type_are_taken(void **state)
{
	struct option_table own = {.specs = specs};
	struct values v;
	char *argv[16];
	int first;

	(void)state;
	assert_int_equal(parse(&v, false,
			       WORDS("-f", "src", "--name=x", "-x", "a", "--exclude", "b",
				     "--level", "-3", "--method", "zstd", "-q", "dst"),
			       argv, &first, NULL),
			 0);
	assert_true(v.force && v.quiet);
	assert_string_equal(v.name, "x");
	assert_string_equal(v.method, "zstd");
	assert_int_equal(v.excludes.count, 2);
	assert_string_equal(v.excludes.items[1], "b");
	assert_true(v.level.given);
	assert_int_equal(v.level.value, -3);
	assert_string_equal(argv[first], "src");
	assert_string_equal(argv[first + 1], "dst");
	own.values = &v;
	options_release(&own);
	assert_int_equal(v.excludes.count, 0);
}

static void two_dashes_end_the_options(void **state)
{
	struct values v;
	char *argv[16];
	int first;

	(void)state;
	assert_int_equal(parse(&v, false, WORDS("a", "--", "-f"), argv, &first, NULL), 0);
	assert_false(v.force);
	assert_string_equal(argv[first], "a");
	assert_string_equal(argv[first + 1], "-f");
}

static void the_first_argument_can_end_the_options(void **state)
{
	struct values v;
	char *argv[16];
	int first;

	(void)state;
	assert_int_equal(parse(&v, true, WORDS("-q", "verb", "-f"), argv, &first, NULL),
			 0);
	assert_true(v.quiet);
	assert_false(v.force);
	assert_int_equal(first, 2);
}

static void every_mistake_has_its_own_line(void **state)
{
	(void)state;
	refuse(WORDS("--nope"), "unknown option '--nope'");
	refuse(WORDS("--nope=3"), "unknown option '--nope'");
	refuse(WORDS("-z"), "unknown option '-z'");
	refuse(WORDS("-fz"), "unknown option '-z'");
	refuse(WORDS("--force=1"), "option '--force' takes no value");
	refuse(WORDS("--name"), "option '--name' needs a value: NAME");
	refuse(WORDS("-n"), "option '--name' needs a value: NAME");
	refuse(WORDS("--method", "lzma"),
	       "bad value 'lzma' of option '--method': not one of none gzip zstd");
	refuse(WORDS("--method", "gzi"),
	       "bad value 'gzi' of option '--method': not one of none gzip zstd");
	refuse(WORDS("--level", "20"),
	       "bad value '20' of option '--level': not a number from -5 to 19");
	refuse(WORDS("--level", "1x"),
	       "bad value '1x' of option '--level': not a number from -5 to 19");
	refuse(WORDS("--level", ""),
	       "bad value '' of option '--level': not a number from -5 to 19");
	refuse(WORDS("--level", "99999999999999999999"),
	       "bad value '99999999999999999999' of option '--level': not a number from -5 "
	       "to 19");
}

static void parsing_can_be_done_again(void **state)
{
	struct values v;
	char *argv[16];
	int first;

	(void)state;
	refuse(WORDS("-fz"), "unknown option '-z'");
	assert_int_equal(parse(&v, false, WORDS("-f"), argv, &first, NULL), 0);
	assert_true(v.force);
}

static void help_stays_within_eighty_columns(void **state)
{
	auto_buf struct buf text;
	const char *line;

	(void)state;
	buf_init(&text, 4096);
	assert_int_equal(options_help(specs, &text, NULL), 0);
	assert_int_equal(buf_append_u8(&text, 0, NULL), 0);
	assert_non_null(
		strstr((char *)text.data, "  -n, --name NAME           call it NAME\n"));
	assert_non_null(
		strstr((char *)text.data, "      --method M            how it is"));
	for (line = (char *)text.data; *line; line = strchr(line, '\n') + 1)
		assert_true(strcspn(line, "\n") <= 80);
}

static void a_word_finds_its_row(void **state)
{
	(void)state;
	assert_ptr_equal(options_find(specs, "--name"), &specs[1]);
	assert_ptr_equal(options_find(specs, "--name=x"), &specs[1]);
	assert_ptr_equal(options_find(specs, "-n"), &specs[1]);
	assert_null(options_find(specs, "--nam"));
	assert_null(options_find(specs, "--level2"));
	assert_null(options_find(specs, "-"));
	assert_null(options_find(specs, "name"));
	assert_null(options_find(NULL, "-n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_every_type_are_taken),
		cmocka_unit_test(two_dashes_end_the_options),
		cmocka_unit_test(the_first_argument_can_end_the_options),
		cmocka_unit_test(every_mistake_has_its_own_line),
		cmocka_unit_test(parsing_can_be_done_again),
		cmocka_unit_test(help_stays_within_eighty_columns),
		cmocka_unit_test(a_word_finds_its_row),
	};

	return cmocka_run_group_tests_name("tools/options", tests, NULL, NULL);
}

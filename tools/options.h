/* SPDX-License-Identifier: Apache-2.0
 * Options as tables: one row says how an option is spelled, where its value goes, and what
 * the help says about it. A layer over getopt_long that prints nothing itself.
 *
 * Values go into a struct of the command, by offset; absent options leave its bytes zero.
 */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/err.h"

enum option_type {
	OPTION_IS_END = 0,
	OPTION_IS_FLAG,   /* bool: no value */
	OPTION_IS_TEXT,   /* const char *: the last one given counts */
	OPTION_IS_LIST,   /* struct option_list: may be repeated */
	OPTION_IS_NUMBER, /* struct option_number: whole decimal number */
};

/* What a value (or a command's argument) is, so that a shell can complete it. */
enum option_completion {
	COMPLETE_NOTHING = 0,
	COMPLETE_FILE,
	COMPLETE_DIRECTORY,
	COMPLETE_NAME,   /* name of an image in the store */
	COMPLETE_VERB,   /* name of a command */
	COMPLETE_SOURCE, /* oci:DIR and the like */
	COMPLETE_WORDS,  /* one of option_spec.words */
};

struct option_list {
	const char **items; /* freed by options_release; the texts are argv's */
	size_t count;
};

struct option_number {
	bool given;
	int64_t value;
};

struct option_spec {
	enum option_type type;
	char letter;         /* 0: long form only */
	const char *name;    /* long form, without dashes */
	const char *value;   /* what the help calls its value: "DIR"; NULL for flags */
	const char *summary; /* lower case, no full stop */
	size_t offset;       /* of the value in the command's struct */
	enum option_completion complete;
	const char
		*words;   /* COMPLETE_WORDS: what is allowed, "none gzip zstd"; checked */
	int64_t min, max; /* OPTION_IS_NUMBER: what is allowed */
};

/* Rows of a table: letter (or 0), long name, [value,] struct, member, help. Each may be
 * followed by designated initialisers inside a table written out by hand. The type of the
 * member is checked. */
#define OPTION_AT_(s, m, t) \
	(offsetof(s, m) + \
	 0 * sizeof(char[__builtin_types_compatible_p(typeof(((s *)NULL)->m), t) ? 1 \
										 : -1]))
#define OPTION_FLAG(l, n, s, m, help) \
	{ \
		.type = OPTION_IS_FLAG, .letter = (l), .name = (n), .summary = (help), \
		.offset = OPTION_AT_(s, m, bool) \
	}
#define OPTION_TEXT(l, n, v, s, m, help) \
	OPTION_TEXT_OF(COMPLETE_NOTHING, l, n, v, s, m, help)
/* As OPTION_TEXT; KIND says what to complete (not COMPLETE_WORDS). */
#define OPTION_TEXT_OF(kind, l, n, v, s, m, help) \
	{ \
		.type = OPTION_IS_TEXT, .letter = (l), .name = (n), .value = (v), \
		.summary = (help), .offset = OPTION_AT_(s, m, const char *), \
		.complete = (kind) \
	}
/* A text that is one of the space-separated WORDS. */
#define OPTION_WORD(l, n, v, w, s, m, help) \
	{ \
		.type = OPTION_IS_TEXT, .letter = (l), .name = (n), .value = (v), \
		.summary = (help), .offset = OPTION_AT_(s, m, const char *), \
		.complete = COMPLETE_WORDS, .words = (w) \
	}
#define OPTION_LIST(l, n, v, s, m, help) \
	{ \
		.type = OPTION_IS_LIST, .letter = (l), .name = (n), .value = (v), \
		.summary = (help), .offset = OPTION_AT_(s, m, struct option_list) \
	}
#define OPTION_NUMBER(l, n, v, lo, hi, s, m, help) \
	{ \
		.type = OPTION_IS_NUMBER, .letter = (l), .name = (n), .value = (v), \
		.summary = (help), .offset = OPTION_AT_(s, m, struct option_number), \
		.min = (lo), .max = (hi) \
	}
#define OPTION_END \
	{ \
		.type = OPTION_IS_END \
	}

/* One table and the struct its values go to. */
struct option_table {
	const struct option_spec *specs; /* up to OPTION_END */
	void *values;
};

/* Parses ARGV by the tables together (a name may be in only one). Options may stand between
 * arguments, `--` ends them; with STOP_EARLY the first argument does. Permutes ARGV;
 * *ret_first is the index of the first argument. ERR_USAGE with one specific line. One
 * thread at a time (getopt). */
int options_parse(const struct option_table *tables, size_t count, bool stop_early,
		  int argc, char **argv, int *ret_first, struct err *err) MUST_CHECK;

/* Frees what parsing allocated in the values. */
void options_release(const struct option_table *table);

/* Appends a line per option for the help: "  -n, --name NAME   call it NAME". */
int options_help(const struct option_spec *specs, struct buf *out,
		 struct err *err) MUST_CHECK;

/* The row that WORD ("--name", "--name=x", "-n") spells, NULL if none. */
const struct option_spec *options_find(const struct option_spec *specs, const char *word);

#endif

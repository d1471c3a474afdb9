/* SPDX-License-Identifier: Apache-2.0
 * Option tables on top of getopt_long: parsing, checking of values, help.
 */
#include "tools/options.h"

#include <assert.h>
#include <getopt.h>
#include <string.h>

/* Long options are told apart by their place in the list; above all letters. */
#define LONG_BASE 0x100
#define ROWS_MAX  128

#define HELP_COLUMN 28
#define HELP_WIDTH  80

/* All tables as one list, with the struct each row writes to. */
struct row {
	const struct option_spec *spec;
	char *values;
};

struct parser {
	struct row rows[ROWS_MAX];
	unsigned count;
	struct option longs[ROWS_MAX + 1];
	char shorts[3 + 3 * ROWS_MAX];
};

static void parser_init(struct parser *p, const struct option_table *tables, size_t count,
			bool stop_early)
{
	char *s = p->shorts;

	*p = (struct parser){.count = 0};
	if (stop_early)
		*s++ = '+';
	*s++ = ':';
	for (size_t i = 0; i < count; i++) {
		const struct option_spec *spec = tables[i].specs;

		for (; spec && spec->type != OPTION_IS_END; spec++) {
			bool flag = spec->type == OPTION_IS_FLAG;

			assert(p->count < ROWS_MAX);
			p->longs[p->count] = (struct option){
				.name = spec->name,
				.has_arg = flag ? no_argument : required_argument,
				.val = LONG_BASE + (int)p->count,
			};
			p->rows[p->count++] = (struct row){spec, tables[i].values};
			if (!spec->letter)
				continue;
			*s++ = spec->letter;
			if (!flag)
				*s++ = ':';
		}
	}
	*s = '\0';
}

static const struct row *parser_row(const struct parser *p, int c)
{
	if (c >= LONG_BASE && c < LONG_BASE + (int)p->count)
		return &p->rows[c - LONG_BASE];
	for (unsigned i = 0; i < p->count; i++)
		if (c && p->rows[i].spec->letter == c)
			return &p->rows[i];
	return NULL;
}

/* What getopt_long did not like, in words. WORD is the argument it stopped at. */
static int refuse(const struct parser *p, int c, int bad, const char *word,
		  struct err *err)
{
	const struct row *row = parser_row(p, bad);
	unsigned matches = 0;

	if (c == ':')
		return err_set(err, ERR_USAGE, "option '--%s' needs a value: %s",
			       row->spec->name, row->spec->value);
	if (row)
		return err_set(err, ERR_USAGE, "option '--%s' takes no value",
			       row->spec->name);
	if (bad)
		return err_set(err, ERR_USAGE, "unknown option '-%c'", bad);
	for (unsigned i = 0; i < p->count; i++)
		matches += strncmp(p->rows[i].spec->name, word + 2,
				   strcspn(word + 2, "=")) == 0;
	return err_set(err, ERR_USAGE, "%s option '%.*s'",
		       matches > 1 ? "ambiguous" : "unknown", (int)strcspn(word, "="),
		       word);
}

static bool is_word_of(const char *words, const char *text)
{
	size_t len = strlen(text);

	for (const char *w = words; *w; w += strspn(w, " ")) {
		size_t n = strcspn(w, " ");

		if (n == len && memcmp(w, text, n) == 0)
			return true;
		w += n;
	}
	return false;
}

static int take_text(const struct option_spec *spec, const char *text, const char **value,
		     struct err *err)
{
	if (spec->words && !is_word_of(spec->words, text))
		return err_set(err, ERR_USAGE,
			       "bad value '%s' of option '--%s': not one of %s", text,
			       spec->name, spec->words);
	*value = text;
	return 0;
}

static int take_number(const struct option_spec *spec, const char *text,
		       struct option_number *value, struct err *err)
{
	long long v;
	char *end;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno || end == text || *end || text[0] == ' ' || text[0] == '+' ||
	    v < spec->min || v > spec->max)
		return err_set(
			err, ERR_USAGE,
			"bad value '%s' of option '--%s': not a number from %lld to %lld",
			text, spec->name, (long long)spec->min, (long long)spec->max);
	value->given = true;
	value->value = v;
	return 0;
}

static int take_item(const char *text, struct option_list *list, struct err *err)
{
	const char **items = reallocarray(list->items, list->count + 1, sizeof(*items));

	if (!items)
		return err_nomem(err);
	list->items = items;
	list->items[list->count++] = text;
	return 0;
}

static int take(const struct row *row, const char *text, struct err *err)
{
	const struct option_spec *spec = row->spec;
	void *value = row->values + spec->offset;

	switch (spec->type) {
	case OPTION_IS_FLAG:
		*(bool *)value = true;
		return 0;
	case OPTION_IS_TEXT:
		return take_text(spec, text, value, err);
	case OPTION_IS_LIST:
		return take_item(text, value, err);
	case OPTION_IS_NUMBER:
		return take_number(spec, text, value, err);
	case OPTION_IS_END:
		break;
	}
	abort();
}

int options_parse(const struct option_table *tables, size_t count, bool stop_early,
		  int argc, char **argv, int *ret_first, struct err *err)
{
	struct parser p;
	int c, rc = 0;

	parser_init(&p, tables, count, stop_early);
	opterr = 0;
	optind = 0; /* GNU and musl: start over */
	while (!rc && (c = getopt_long(argc, argv, p.shorts, p.longs, NULL)) != -1) {
		const struct row *row = parser_row(&p, c);

		if (row)
			rc = take(row, optarg, err);
		else
			rc = refuse(&p, c, optopt, argv[optind - 1], err);
	}
	if (!rc)
		*ret_first = optind;
	return rc;
}

void options_release(const struct option_table *table)
{
	const struct option_spec *spec = table->specs;

	for (; spec && spec->type != OPTION_IS_END; spec++) {
		struct option_list *list;

		if (spec->type != OPTION_IS_LIST)
			continue;
		list = (struct option_list *)((char *)table->values + spec->offset);
		free(list->items);
		*list = (struct option_list){0};
	}
}

/* Appends TEXT in lines that end before HELP_WIDTH; COLUMN is where the first one stands. */
static int wrap(const char *text, size_t column, struct buf *out, struct err *err)
{
	bool first = true;
	int rc = 0;

	while (*text && !rc) {
		size_t n = strcspn(text, " ");

		if (!first && column + 1 + n > HELP_WIDTH) {
			rc = buf_printf(out, err, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (!first) {
			rc = buf_printf(out, err, " ");
			column++;
		}
		if (!rc)
			rc = buf_append(out, text, n, err);
		column += n;
		text += n;
		text += strspn(text, " ");
		first = false;
	}
	return rc ? rc : buf_append_u8(out, '\n', err);
}

static int help_line(const struct option_spec *spec, struct buf *out, struct err *err)
{
	size_t start = out->len, used;
	int rc;

	if (spec->letter)
		rc = buf_printf(out, err, "  -%c, --%s", spec->letter, spec->name);
	else
		rc = buf_printf(out, err, "      --%s", spec->name);
	if (!rc && spec->value)
		rc = buf_printf(out, err, " %s", spec->value);
	if (rc)
		return rc;
	used = out->len - start;
	if (used + 2 > HELP_COLUMN)
		rc = buf_printf(out, err, "\n%*s", HELP_COLUMN, "");
	else
		rc = buf_printf(out, err, "%*s", HELP_COLUMN - (int)used, "");
	return rc ? rc : wrap(spec->summary, HELP_COLUMN, out, err);
}

int options_help(const struct option_spec *specs, struct buf *out, struct err *err)
{
	int rc = 0;

	for (; specs && specs->type != OPTION_IS_END && !rc; specs++)
		rc = help_line(specs, out, err);
	return rc;
}

const struct option_spec *options_find(const struct option_spec *specs, const char *word)
{
	bool is_long = strncmp(word, "--", 2) == 0;
	size_t len = strcspn(word, "=");

	for (; specs && specs->type != OPTION_IS_END; specs++) {
		if (is_long && strlen(specs->name) == len - 2 &&
		    memcmp(specs->name, word + 2, len - 2) == 0)
			return specs;
		if (!is_long && word[0] == '-' && word[1] && word[1] == specs->letter)
			return specs;
	}
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0
 * A Dockerfile as its instructions. */
#include "tools/buildkit/dockerfile.h"

#include <ctype.h>
#include <string.h>

#include "store/base/buf.h"

/* What is left of the file, line by line. */
struct lines {
	const char *p, *end;
	unsigned number; /* of the line that was taken last */
	char escape;
};

struct span {
	const char *at;
	size_t len;
};

void dockerfile_release(struct dockerfile *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->items[i].text);
	free(d->items);
	*d = (struct dockerfile){0};
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == '\n';
}

static bool next_line(struct lines *l, struct span *ret)
{
	const char *eol;

	if (l->p >= l->end)
		return false;
	eol = memchr(l->p, '\n', (size_t)(l->end - l->p));
	if (!eol)
		eol = l->end;
	*ret = (struct span){l->p, (size_t)(eol - l->p)};
	l->p = eol < l->end ? eol + 1 : eol;
	l->number++;
	if (ret->len && ret->at[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

static struct span trim_left(struct span s)
{
	while (s.len && is_space(*s.at)) {
		s.at++;
		s.len--;
	}
	return s;
}

/* ---- directives ---- */

/* "# escape=`" and its like, only before anything else. */
static bool directive(struct span line, char *escape)
{
	struct span s = trim_left(line);
	char word[8] = "";
	size_t n = 0;

	if (!s.len || *s.at != '#')
		return false;
	s = trim_left((struct span){s.at + 1, s.len - 1});
	for (; s.len && isalpha((unsigned char)*s.at); s.at++, s.len--)
		if (n + 1 < sizeof(word))
			word[n++] = (char)tolower((unsigned char)*s.at);
	s = trim_left(s);
	if (!s.len || *s.at != '=' || !n)
		return false;
	s = trim_left((struct span){s.at + 1, s.len - 1});
	if (strcmp(word, "escape") == 0 && s.len && (*s.at == '`' || *s.at == '\\'))
		*escape = *s.at;
	return strcmp(word, "escape") == 0 || strcmp(word, "syntax") == 0 ||
	       strcmp(word, "check") == 0;
}

static void read_directives(struct lines *l)
{
	struct lines before = *l;
	struct span line;

	while (next_line(l, &line) && directive(line, &l->escape)) {
		before = *l;
	}
	before.escape = l->escape;
	*l = before;
}

/* ---- logical lines ---- */

/* Whether the line goes on in the next one; then *line ends before the escape character, which
 * must not be escaped itself. */
static bool continues(struct span *line, char escape)
{
	size_t n = line->len;

	while (n && (line->at[n - 1] == ' ' || line->at[n - 1] == '\t'))
		n--;
	if (!n || line->at[n - 1] != escape || (n > 1 && line->at[n - 2] == escape))
		return false;
	line->len = n - 1;
	return true;
}

/* Comments and empty lines inside of an instruction are no part of it. */
static int join(struct lines *l, struct span line, struct buf *ret, struct err *err)
{
	bool more = continues(&line, l->escape);
	int rc = buf_append(ret, line.at, line.len, err);

	while (more && !rc && next_line(l, &line)) {
		struct span s = trim_left(line);

		if (!s.len || *s.at == '#')
			continue;
		more = continues(&line, l->escape);
		rc = buf_append(ret, line.at, line.len, err);
	}
	return rc ? rc : buf_append_u8(ret, 0, err);
}

/* ---- here-documents ---- */

/* "<<EOF", "3<<-'EOF'": the next one in TEXT from *at on; *ret is its word without quotes. */
static bool next_heredoc(const char *text, size_t *at, struct span *ret, bool *ret_tabs)
{
	const char *p;

	while ((p = strstr(text + *at, "<<"))) {
		const char *word = p + 2;
		const char *start = p;

		*at = (size_t)(word - text);
		while (start > text && isdigit((unsigned char)start[-1]))
			start--;
		if (start > text && !is_space(start[-1]))
			continue;
		*ret_tabs = *word == '-';
		word += *ret_tabs;
		if (*word == '\'' || *word == '"')
			word++;
		ret->at = word;
		ret->len = strcspn(word, " \t'\"<>|&;()");
		if (ret->len)
			return true;
	}
	return false;
}

static void skip_body(struct lines *l, const char *word, size_t len, bool tabs)
{
	struct span line;

	while (next_line(l, &line)) {
		while (tabs && line.len && *line.at == '\t') {
			line.at++;
			line.len--;
		}
		if (line.len == len && memcmp(line.at, word, len) == 0)
			return;
	}
}

static void skip_heredocs(struct lines *l, struct dockerfile_instruction *i)
{
	struct span word;
	size_t at = 0;
	bool tabs;

	if (strcmp(i->word, "RUN") != 0 && strcmp(i->word, "COPY") != 0 &&
	    strcmp(i->word, "ADD") != 0)
		return;
	while (next_heredoc(i->rest, &at, &word, &tabs)) {
		i->heredoc = true;
		skip_body(l, word.at, word.len, tabs);
	}
}

/* ---- instructions ---- */

/* Takes TEXT over. */
static int add(struct dockerfile *d, char *text, unsigned line, struct err *err)
{
	struct dockerfile_instruction *items =
		reallocarray(d->items, d->count + 1, sizeof(*items));
	struct dockerfile_instruction *i;
	size_t n = 0;

	if (!items) {
		free(text);
		return err_nomem(err);
	}
	d->items = items;
	i = &items[d->count++];
	*i = (struct dockerfile_instruction){.line = line, .text = text};
	for (; text[n] && !is_space(text[n]); n++)
		if (n + 1 < sizeof(i->word))
			i->word[n] = (char)toupper((unsigned char)text[n]);
	while (is_space(text[n]))
		n++;
	i->rest = text + n;
	for (size_t len = strlen(text); len > n && is_space(text[len - 1]); len--)
		text[len - 1] = '\0';
	return 0;
}

static int parse(struct dockerfile *d, struct lines *l, struct err *err)
{
	struct span line;

	while (next_line(l, &line)) {
		struct span s = trim_left(line);
		unsigned number = l->number;
		struct buf text;
		int rc;

		if (!s.len || *s.at == '#')
			continue;
		if (d->count == DOCKERFILE_LINES_MAX)
			return err_set(err, ERR_LIMIT, "more than %d instructions",
				       DOCKERFILE_LINES_MAX);
		buf_init(&text, DOCKERFILE_MAX + 1);
		rc = join(l, s, &text, err);
		if (rc) {
			buf_release(&text);
			return rc;
		}
		rc = add(d, (char *)text.data, number, err);
		if (rc)
			return rc;
		skip_heredocs(l, &d->items[d->count - 1]);
	}
	return 0;
}

int dockerfile_parse(const void *bytes, size_t len, struct dockerfile *ret,
		     struct err *err)
{
	struct lines l = {bytes, (const char *)bytes + len, 0, '\\'};
	struct dockerfile d = {0};
	int rc;

	if (len > DOCKERFILE_MAX)
		return err_set(err, ERR_LIMIT, "a Dockerfile of more than %u bytes",
			       DOCKERFILE_MAX);
	if (len && memchr(bytes, 0, len))
		return err_set(err, ERR_INVALID, "a Dockerfile has no NUL bytes");
	if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		l.p += 3;
	read_directives(&l);
	rc = parse(&d, &l, err);
	d.escape = l.escape;
	if (rc)
		dockerfile_release(&d);
	else
		*ret = d;
	return rc;
}

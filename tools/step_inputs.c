/* SPDX-License-Identifier: Apache-2.0
 * The inputs of a step: what is copied where, without what is left out, and its digests.
 */
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "tools/step_private.h"

#define IGNORE_FILE ".dockerignore"

static int bad_owner(const char *text, struct err *err)
{
	return err_set(err, ERR_USAGE, "--chown '%s' is not UID[:GID] in numbers", text);
}

/* Decimal digits up to END (':' or NUL); moves *AT there. */
static bool read_id(const char **at, uint32_t *ret)
{
	const char *p = *at;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v >= UINT32_MAX)
			return false;
	}
	if (p == *at)
		return false;
	*at = p;
	*ret = (uint32_t)v;
	return true;
}

/* A group that is not given is the user's number, as Docker has it. */
static int read_owner(struct step *s, struct err *err)
{
	const char *text = s->options->chown, *at = text;
	uint32_t uid, gid;

	if (!text)
		return 0;
	if (!read_id(&at, &uid))
		return bad_owner(text, err);
	gid = uid;
	if (*at == ':') {
		at++;
		if (!read_id(&at, &gid))
			return bad_owner(text, err);
	}
	if (*at)
		return bad_owner(text, err);
	s->uid = uid;
	s->gid = gid;
	return 0;
}

static bool is_dots(const char *name, size_t len)
{
	return (len == 1 && name[0] == '.') || (len == 2 && memcmp(name, "..", 2) == 0);
}

/* The last part of PATH, without slashes behind it; "." where that is no name. */
static char *last_part(const char *path)
{
	size_t end = strlen(path), start;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/';)
		start--;
	if (start == end || is_dots(path + start, end - start))
		return strdup(".");
	return strndup(path + start, end - start);
}

static int split(const char *text, struct step_input *in, struct err *err)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (len == 0 || (colon && !colon[1]))
		return err_set(err, ERR_USAGE, "--input '%s' is not PATH[:DEST]", text);
	in->source = strndup(text, len);
	if (in->source)
		in->dest = colon ? strdup(colon + 1) : last_part(in->source);
	return in->dest ? 0 : err_nomem(err);
}

/* ".", "./", "a/." */
static bool ends_in_dot(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return n > 0 && path[n - 1] == '.' && (n == 1 || path[n - 2] == '/');
}

/* The patterns at the top of an input, if it has any. */
static int read_ignore_file(struct step_input *in, struct err *err)
{
	auto_free char *path = NULL;
	auto_buf struct buf text;
	auto_fd int fd = -1;
	struct stat st;
	size_t n;
	int rc;

	buf_init(&text, IGNORE_FILE_MAX + 1);
	if (asprintf(&path, "%s/" IGNORE_FILE, in->source) < 0)
		return err_nomem(err);
	rc = io_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0, &fd, err);
	if (rc)
		return rc == -ERR_NOTFOUND ? 0 : rc;
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot stat '%s'", path);
	if (!S_ISREG(st.st_mode))
		return 0;
	rc = buf_reserve(&text, IGNORE_FILE_MAX + 1, err);
	if (!rc)
		rc = io_read(fd, text.data, IGNORE_FILE_MAX + 1, &n, path, err);
	if (!rc)
		rc = ignore_add_lines(in->ignore, text.data, n, err);
	return rc ? err_wrap(err, "patterns in '%s'", path) : 0;
}

static int read_ignore(const struct step *s, struct step_input *in, struct err *err)
{
	const struct option_list *excludes = &s->options->excludes;
	int rc = ignore_new(&in->ignore, err);

	if (!rc)
		rc = read_ignore_file(in, err);
	for (size_t i = 0; i < excludes->count && !rc; i++)
		rc = ignore_add(in->ignore, excludes->items[i], err);
	return rc;
}

static int read_input(const struct step *s, const char *text, struct step_input *in,
		      struct err *err)
{
	struct content_hash_options how = {.uid = s->uid, .gid = s->gid};
	struct stat st;
	int rc = split(text, in, err);

	if (rc)
		return rc;
	if (stat(in->source, &st) < 0)
		return errno == ENOENT
			       ? err_set(err, ERR_INVALID, "there is no '%s'", in->source)
			       : err_sys(err, errno, "cannot stat '%s'", in->source);
	if (S_ISDIR(st.st_mode)) {
		in->bare = ends_in_dot(in->source);
		rc = read_ignore(s, in, err);
	}
	how.ignore = in->ignore;
	how.bare = in->bare;
	if (!rc)
		rc = content_hash_take(in->source, &how, &in->content, err);
	in->is_dir = in->content.is_dir;
	return rc;
}

int step_inputs_read(struct step *s, struct err *err)
{
	const struct option_list *list = &s->options->inputs;
	int rc = read_owner(s, err);

	if (rc)
		return rc;
	s->inputs = calloc(list->count + 1, sizeof(*s->inputs));
	if (!s->inputs)
		return err_nomem(err);
	for (size_t i = 0; i < list->count && !rc; i++) {
		s->input_count++;
		rc = read_input(s, list->items[i], &s->inputs[i], err);
		if (rc)
			err_wrap(err, "input '%s'", list->items[i]);
	}
	return rc;
}

void step_inputs_release(struct step *s)
{
	for (size_t i = 0; i < s->input_count; i++) {
		free(s->inputs[i].source);
		free(s->inputs[i].dest);
		ignore_free(s->inputs[i].ignore);
		content_hash_release(&s->inputs[i].content);
	}
	free(s->inputs);
}

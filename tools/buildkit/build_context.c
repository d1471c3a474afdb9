/* SPDX-License-Identifier: Apache-2.0
 * The directory that is sent to a build. */
#include "tools/buildkit/build_context.h"

#include <fnmatch.h>
#include <string.h>

#include "store/base/io.h"

#define LINKS_MAX 40

void build_context_release(struct build_context *c)
{
	free(c->path);
	free(c->entries);
	content_hash_release(&c->hash);
	*c = (struct build_context){0};
}

/* ---- reading ---- */

/* The lines of the file, if there is one. */
static int add_ignored(struct ignore *g, const char *path, bool *ret_found,
		       struct err *err)
{
	auto_buf struct buf text;
	int rc;

	buf_init(&text, IGNORE_FILE_MAX);
	rc = io_read_file(AT_FDCWD, path, &text, err);
	*ret_found = rc == 0;
	if (rc)
		return rc == -ERR_NOTFOUND ? 0 : rc;
	rc = ignore_add_lines(g, text.data, text.len, err);
	return rc ? err_wrap(err, "'%s'", path) : 0;
}

static int read_ignore(const char *dir, const char *dockerfile, struct ignore *g,
		       struct err *err)
{
	auto_free char *own = NULL, *common = NULL;
	bool found = false;
	int rc;

	if (asprintf(&own, "%s.dockerignore", dockerfile) < 0)
		own = NULL;
	if (asprintf(&common, "%s/.dockerignore", dir) < 0)
		common = NULL;
	if (!own || !common)
		return err_nomem(err);
	rc = add_ignored(g, own, &found, err);
	return rc || found ? rc : add_ignored(g, common, &found, err);
}

static int list_entries(struct build_context *c, struct err *err)
{
	struct cursor at;
	bool more = true;
	int rc = content_listing_begin(c->hash.listing.data, c->hash.listing.len, &at,
				       err);

	c->entries = calloc(c->hash.entries + 2, sizeof(*c->entries));
	if (!c->entries)
		return err_nomem(err);
	while (!rc && more && c->count < c->hash.entries + 2) {
		rc = content_listing_next(&at, &c->entries[c->count], &more, err);
		c->count += !rc && more;
	}
	return rc;
}

int build_context_open(const char *dir, const char *dockerfile, struct build_context *ret,
		       struct err *err)
{
	auto_build_context struct build_context c = {.path = strdup(dir)};
	struct content_hash_options options = {.bare = true};
	auto_ignore struct ignore *g = NULL;
	int rc;

	if (!c.path)
		return err_nomem(err);
	rc = ignore_new(&g, err);
	if (!rc)
		rc = read_ignore(dir, dockerfile, g, err);
	options.ignore = g;
	if (!rc)
		rc = content_hash_take(dir, &options, &c.hash, err);
	if (!rc && !c.hash.is_dir)
		rc = err_set(err, ERR_INVALID, "'%s' is no directory", dir);
	if (!rc)
		rc = list_entries(&c, err);
	if (rc)
		return rc;
	*ret = c;
	c = (struct build_context){0};
	return 0;
}

/* ---- finding ---- */

static const struct content_entry *lookup(const struct build_context *c, const char *path,
					  size_t len)
{
	const struct content_text want = {path, len};
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = content_listing_cmp(&c->entries[mid].path, &want);

		if (order == 0)
			return &c->entries[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* What is walked: how far the way is clear, and what is still to go. */
struct way {
	char at[8192];
	size_t len;
	char rest[8192];
};

/* The link's target goes before what is left of the way. */
static bool follow(struct way *w, const struct content_entry *e)
{
	char rest[sizeof(w->rest)];
	int n = snprintf(rest, sizeof(rest), "%.*s/%s", (int)e->link.len, e->link.at,
			 w->rest);

	if (n < 0 || (size_t)n >= sizeof(rest))
		return false;
	memcpy(w->rest, rest, (size_t)n + 1);
	if (e->link.len && *e->link.at == '/')
		w->len = 0;
	else
		while (w->len && w->at[--w->len] != '/')
			;
	return true;
}

/* Takes one part off the way; false: there is none left. */
static bool step(struct way *w)
{
	char *part = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(part, "/");

	if (!n)
		return false;
	if (n == 2 && memcmp(part, "..", 2) == 0) {
		while (w->len && w->at[--w->len] != '/')
			;
	} else if (!(n == 1 && *part == '.') && w->len + n + 1 < sizeof(w->at)) {
		if (w->len)
			w->at[w->len++] = '/';
		memcpy(w->at + w->len, part, n);
		w->len += n;
	}
	memmove(w->rest, part + n, strlen(part + n) + 1);
	return true;
}

const struct content_entry *build_context_find(const struct build_context *c,
					       const char *path)
{
	const struct content_entry *e = c->count ? &c->entries[0] : NULL;
	struct way w = {.len = 0};
	unsigned links = 0;

	if (strlen(path) >= sizeof(w.rest))
		return NULL;
	memcpy(w.rest, path, strlen(path) + 1);
	while (e && step(&w)) {
		e = lookup(c, w.at, w.len);
		if (e && e->type == '2' && (++links > LINKS_MAX || !follow(&w, e)))
			return NULL;
	}
	/* The last link may lead back to the directory itself. */
	return e && e->type == '2' ? lookup(c, w.at, w.len) : e;
}

bool build_context_is_pattern(const char *source)
{
	return strpbrk(source, "*?[\\") != NULL;
}

bool build_context_matches(const struct build_context *c, size_t i, const char *source)
{
	const struct content_text *path = &c->entries[i].path;
	char text[4096];

	if (!path->len || path->len >= sizeof(text))
		return false;
	memcpy(text, path->at, path->len);
	text[path->len] = '\0';
	return fnmatch(source + 1, text, FNM_PATHNAME) == 0;
}

/* ---- records ---- */

static struct content_text base_name(const struct content_text *path)
{
	const char *slash = memrchr(path->at, '/', path->len);

	if (!slash)
		return *path;
	return (struct content_text){slash + 1,
				     path->len - (size_t)(slash + 1 - path->at)};
}

/* Of a pattern counts the base name and digest of each match, in their order. */
static int pattern_digest(const struct build_context *c, const char *source,
			  struct digest *ret, bool *ret_known, struct err *err)
{
	auto_buf struct buf text;
	char digest[DIGEST_TEXT_SIZE];
	int rc = 0;

	buf_init(&text, 64u << 20);
	*ret_known = true;
	for (size_t i = 1; i < c->count && !rc; i++) {
		const struct content_entry *e = &c->entries[i];
		struct content_text name = base_name(&e->path);

		if (!build_context_matches(c, i, source))
			continue;
		if (e->type == '2' || e->type == '5')
			*ret_known = false;
		if (text.len)
			rc = buf_append_u8(&text, 0, err);
		if (!rc)
			rc = buf_append(&text, name.at, name.len, err);
		if (!rc)
			rc = buf_printf(&text, err, "%s",
					digest_format(&e->digest, digest));
	}
	digest_of(text.data, text.len, ret);
	return rc;
}

static int compare(const void *x, const void *y)
{
	const char *const *a = x, *const *b = y;

	return strcmp(*a, *b);
}

int build_context_record(const struct build_context *c, const char *const *sources,
			 size_t count, enum build_context_content *ret_state,
			 const char **ret_missing, struct digest *ret, struct err *err)
{
	auto_free const char **sorted = calloc(count + 1, sizeof(*sorted));
	auto_free struct digest *digests = calloc(count + 1, sizeof(*digests));
	size_t n = 0;
	int rc = 0;

	if (!sorted || !digests)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++)
		sorted[i] = sources[i];
	qsort(sorted, count, sizeof(*sorted), compare);
	*ret_state = BUILD_CONTEXT_KNOWN;
	for (size_t i = 0; i < count && !rc; i++) {
		const struct content_entry *e;
		bool known = true;

		if (i && strcmp(sorted[i], sorted[i - 1]) == 0)
			continue;
		if (build_context_is_pattern(sorted[i])) {
			rc = pattern_digest(c, sorted[i], &digests[n++], &known, err);
			if (!known)
				*ret_state = BUILD_CONTEXT_UNKNOWN;
			continue;
		}
		e = build_context_find(c, sorted[i]);
		if (!e) {
			*ret_state = BUILD_CONTEXT_MISSING;
			*ret_missing = sorted[i];
			return 0;
		}
		digests[n++] = e == &c->entries[0] ? c->hash.digest : e->digest;
	}
	return rc ? rc : content_hash_record(digests, n, ret, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * Where images come from: transports, choice of a root, checks of what a source gives. */
#include "tools/oci/source.h"

#include <string.h>

#include "tools/oci/reference.h"
#include "tools/registry/remote_source.h"

#define STDIN_PATH "-"

static const struct {
	const char *name;
	int (*open)(const char *path, int spool_dirfd, struct source **ret,
		    struct err *err);
} transports[] = {
	{"oci", layout_open},
	{"oci-archive", layout_open_archive},
	{"docker-archive", docker_archive_open},
	{"dir", dir_open},
};

bool source_transport(const char *text, const char *transport, const char **ret_rest)
{
	size_t len = strlen(transport);

	if (strncmp(text, transport, len) != 0 || text[len] != ':')
		return false;
	*ret_rest = text + len + 1;
	return true;
}

/* ARRAY_LEN(transports) if there is none. */
static size_t find_transport(const char *text, const char **ret_rest)
{
	size_t i = 0;

	while (i < ARRAY_LEN(transports) &&
	       !source_transport(text, transports[i].name, ret_rest))
		i++;
	return i;
}

bool source_is_known(const char *text)
{
	const char *rest = "";

	return (find_transport(text, &rest) < ARRAY_LEN(transports) && *rest) ||
	       remote_source_name(text);
}

void source_close(struct source *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->document_count; i++)
		buf_release(&s->documents[i].bytes);
	free(s->documents);
	free(s->roots);
	free(s->what);
	free(s->stem);
	s->ops->close(s);
}

/* ---- names ---- */

char *source_stem(const char *path)
{
	static const char *const endings[] = {".gz",  ".zst", ".xz",
					      ".bz2", ".tgz", ".tar"};
	size_t end = strlen(path), start;

	while (end > 1 && path[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		size_t len = strlen(endings[i]);

		if (end - start > len && memcmp(path + end - len, endings[i], len) == 0)
			end -= len;
	}
	return strndup(path + start, end - start);
}

/* Splits "PATH[:REF]" or "PATH@sha256:HEX": a path may have colons too, so the longest one
 * that exists counts. *ret_ref is NULL or points into PATH. */
static void split_ref(char *path, char **ret_ref)
{
	char *at = strstr(path, "@sha256:");

	*ret_ref = NULL;
	if (access(path, F_OK) == 0 || strcmp(path, STDIN_PATH) == 0)
		return;
	if (at && strlen(at + 1) == DIGEST_TEXT_SIZE - 1) {
		*at = '\0';
		*ret_ref = at + 1;
		return;
	}
	for (size_t len = strlen(path); len && (at = memrchr(path, ':', len));
	     len = (size_t)(at - path)) {
		*at = '\0';
		if (access(path, F_OK) == 0 || strcmp(path, STDIN_PATH) == 0) {
			*ret_ref = at + 1;
			return;
		}
		*at = ':';
	}
	if ((at = strchr(path, ':')))
		*at = '\0'; /* there is no such file: the error names it */
}

/* "v1" of "host/app:v1". */
static const char *tag_of(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon && !strchr(colon, '/') ? colon + 1 : "";
}

static bool same_name(const char *a, const char *b)
{
	auto_buf struct buf x, y;

	buf_init(&x, 4096);
	buf_init(&y, 4096);
	return !reference_normalize(a, &x, NULL) && !reference_normalize(b, &y, NULL) &&
	       strcmp((const char *)x.data, (const char *)y.data) == 0;
}

/* 3: it is called so; 2: its full name means the same; 1: its tag is so; 0: no. */
static int root_matches(const struct source_root *root, const char *ref)
{
	char digest[DIGEST_TEXT_SIZE];

	if (strcmp(digest_format(&root->desc.digest, digest), ref) == 0 ||
	    (root->tag && strcmp(root->tag, ref) == 0) ||
	    (root->name && strcmp(root->name, ref) == 0))
		return 3;
	if (root->name && same_name(root->name, ref))
		return 2;
	return root->name && strcmp(tag_of(root->name), ref) == 0;
}

/* Keeps the one root that REF stands for. */
static int choose(struct source *s, const char *ref, struct err *err)
{
	const struct source_root *best = NULL;
	int best_match = 0;
	bool twice = false;

	for (size_t i = 0; i < s->root_count; i++) {
		const struct source_root *root = &s->roots[i];
		int match = root_matches(root, ref);

		if (!match || match < best_match)
			continue;
		twice = match == best_match &&
			!digest_equal(&root->desc.digest, &best->desc.digest);
		best_match = match;
		best = root;
	}
	if (!best)
		return err_set(err, ERR_NOTFOUND, "no image '%s' in '%s'", ref, s->what);
	if (twice)
		return err_set(err, ERR_INVALID, "'%s' stands for several images in '%s'",
			       ref, s->what);
	s->roots[0] = *best;
	s->root_count = 1;
	s->chosen = true;
	return 0;
}

int source_lacks_part(struct err *err)
{
	if (err)
		err->code = ERR_INVALID;
	return -ERR_INVALID;
}

int source_open_by(const char *text, const char *rest, source_opener *open, void *arg,
		   struct source **ret, struct err *err)
{
	auto_source struct source *s = NULL;
	auto_free char *path = strdup(rest);
	char *ref = NULL;
	int rc;

	if (!path)
		return err_nomem(err);
	split_ref(path, &ref);
	rc = open(arg, path, &s, err);
	if (rc == -ERR_NOTFOUND)
		return source_lacks_part(err);
	if (rc)
		return rc;
	s->what = strdup(text);
	s->stem = source_stem(path);
	if (!s->what || !s->stem)
		return err_nomem(err);
	rc = ref && *ref ? choose(s, ref, err) : 0;
	if (!rc && s->root_count == 0)
		return err_set(err, ERR_INVALID, "there are no images");
	if (!rc)
		*ret = steal_ptr(&s);
	return rc;
}

/* A transport of the table and what it needs. */
struct table_opener {
	size_t number;
	int spool_dirfd;
};

static int open_transport(void *arg, const char *path, struct source **ret,
			  struct err *err)
{
	const struct table_opener *o = arg;

	return transports[o->number].open(path, o->spool_dirfd, ret, err);
}

int source_open(const char *text, int spool_dirfd, struct source **ret, struct err *err)
{
	const char *rest = "";
	struct table_opener o = {find_transport(text, &rest), spool_dirfd};

	if (source_transport(text, "docker", &rest))
		return remote_source_open(text, NULL, ret, err);
	if (o.number == ARRAY_LEN(transports))
		return err_set(err, ERR_INVALID, "unknown transport");
	return source_open_by(text, rest, open_transport, &o, ret, err);
}

/* ---- building ---- */

int source_add_root(struct source *s, const struct descriptor *desc, const char *name,
		    const char *tag, struct err *err)
{
	struct source_root *roots =
		reallocarray(s->roots, s->root_count + 1, sizeof(*roots));

	if (!roots)
		return err_nomem(err);
	s->roots = roots;
	roots[s->root_count++] =
		(struct source_root){.desc = *desc, .name = name, .tag = tag};
	return 0;
}

int source_add_document(struct source *s, struct buf *bytes, struct descriptor *ret,
			struct err *err)
{
	struct source_document *documents =
		reallocarray(s->documents, s->document_count + 1, sizeof(*documents));
	struct source_document *d;

	if (!documents)
		return err_nomem(err);
	s->documents = documents;
	d = &documents[s->document_count++];
	d->bytes = *bytes;
	buf_init(bytes, bytes->max);
	digest_of(d->bytes.data, d->bytes.len, &d->digest);
	*ret = (struct descriptor){.digest = d->digest, .size = d->bytes.len};
	return 0;
}

/* ---- reading ---- */

static const struct source_document *find_document(const struct source *s,
						   const struct digest *d)
{
	for (size_t i = 0; i < s->document_count; i++)
		if (digest_equal(&s->documents[i].digest, d))
			return &s->documents[i];
	return NULL;
}

/* Opens content and compares its size with what the descriptor says. */
static int open_checked(struct source *s, const struct descriptor *d, struct stream **ret,
			struct err *err)
{
	auto_stream struct stream *in = NULL;
	char text[DIGEST_TEXT_SIZE];
	uint64_t size;
	int rc = s->ops->open(s, d, &in, &size, err);

	digest_format(&d->digest, text);
	if (rc == -ERR_NOTFOUND && *d->url)
		return err_set(err, ERR_NOTFOUND,
			       "%s is missing: it is only distributed at '%s'", text,
			       d->url);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "%s is missing", text);
	if (rc)
		return rc;
	if (size != d->size)
		return err_set(err, ERR_INVALID, "%s has the size %ju instead of %ju",
			       text, (uintmax_t)size, (uintmax_t)d->size);
	*ret = steal_ptr(&in);
	return 0;
}

int source_open_blob(struct source *s, const struct descriptor *d, struct stream **ret,
		     struct err *err)
{
	const struct source_document *known = find_document(s, &d->digest);

	if (known)
		return stream_from_bytes(known->bytes.data, known->bytes.len, ret, err);
	return open_checked(s, d, ret, err);
}

int source_read_document(struct source *s, const struct descriptor *d, struct buf *buf,
			 struct err *err)
{
	const struct source_document *known = find_document(s, &d->digest);
	auto_stream struct stream *in = NULL;
	char text[DIGEST_TEXT_SIZE];
	struct digest digest;
	size_t len = 0;
	int rc;

	if (known && known->bytes.len == d->size)
		return buf_append(buf, known->bytes.data, known->bytes.len, err);
	digest_format(&d->digest, text);
	if (d->size > DOCUMENT_MAX)
		return err_set(err, ERR_LIMIT, "document %s is larger than %u bytes",
			       text, DOCUMENT_MAX);
	s->read_bytes += d->size;
	if (s->read_bytes > SOURCE_DOCUMENTS_MAX)
		return err_set(err, ERR_LIMIT, "documents of more than %u bytes together",
			       SOURCE_DOCUMENTS_MAX);
	rc = open_checked(s, d, &in, err);
	if (!rc)
		rc = buf_reserve(buf, d->size + 1, err);
	if (!rc)
		rc = stream_read_full(in, buf->data + buf->len, d->size, &len, err);
	if (rc)
		return rc == -ERR_NOTFOUND ? source_lacks_part(err) : rc;
	digest_of(buf->data + buf->len, len, &digest);
	if (len != d->size || !digest_equal(&digest, &d->digest))
		return err_set(err, ERR_INVALID, "document %s: digest mismatch", text);
	buf->len += len;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * docker://REF as a source of images. */
#include "tools/registry/remote_source.h"

#include <string.h>

#include "tools/oci/reference.h"

#define NAME_BYTES_MAX 1024

struct remote_source {
	struct source source;
	struct remote *remote;
	struct buf name; /* normalised, NUL-terminated */
	struct manifest root;
	char media_type[REMOTE_TYPE_MAX];
};

const char *remote_source_name(const char *text)
{
	const char *rest;

	if (!source_transport(text, "docker", &rest) || strncmp(rest, "//", 2) != 0)
		return NULL;
	return rest[2] ? rest + 2 : NULL;
}

/* Registries keep manifests apart from all other blobs. */
static bool is_manifest(const struct descriptor *d)
{
	return d->kind == DESCRIPTOR_INDEX || d->kind == DESCRIPTOR_MANIFEST ||
	       d->kind == DESCRIPTOR_SCHEMA1 || d->kind == DESCRIPTOR_NONE;
}

/* Only one thread reads documents; they stay as long as the source. */
static int open_manifest(struct remote_source *s, const struct descriptor *d,
			 struct stream **ret, uint64_t *ret_size, struct err *err)
{
	const struct source_document *document;
	char text[DIGEST_TEXT_SIZE];
	struct remote_manifest m;
	struct descriptor desc;
	auto_buf struct buf bytes;
	int rc;

	buf_init(&bytes, DOCUMENT_MAX + 1);
	rc = remote_manifest_get(s->remote, digest_format(&d->digest, text), &bytes, &m,
				 err);
	if (!rc)
		rc = source_add_document(&s->source, &bytes, &desc, err);
	if (rc)
		return rc;
	document = &s->source.documents[s->source.document_count - 1];
	*ret_size = document->bytes.len;
	return stream_from_bytes(document->bytes.data, document->bytes.len, ret, err);
}

/* A config is asked for more than once. */
static int open_config(struct remote_source *s, const struct descriptor *d,
		       struct stream **ret, uint64_t *ret_size, struct err *err)
{
	const struct source_document *document;
	auto_stream struct stream *in = NULL;
	struct descriptor desc;
	auto_buf struct buf bytes;
	size_t len;
	int rc;

	buf_init(&bytes, DOCUMENT_MAX);
	rc = buf_reserve(&bytes, d->size, err);
	if (!rc)
		rc = remote_blob_open(s->remote, &d->digest, d->size, &in, err);
	if (!rc)
		rc = stream_read_full(in, bytes.data, d->size, &len, err);
	if (rc)
		return rc;
	bytes.len = len;
	rc = source_add_document(&s->source, &bytes, &desc, err);
	if (rc)
		return rc;
	document = &s->source.documents[s->source.document_count - 1];
	*ret_size = document->bytes.len;
	return stream_from_bytes(document->bytes.data, document->bytes.len, ret, err);
}

static int open_any(struct source *source, const struct descriptor *d,
		    struct stream **ret, uint64_t *ret_size, struct err *err)
{
	struct remote_source *s = (struct remote_source *)source;

	if (is_manifest(d))
		return open_manifest(s, d, ret, ret_size, err);
	if (d->kind == DESCRIPTOR_CONFIG && d->size && d->size <= DOCUMENT_MAX)
		return open_config(s, d, ret, ret_size, err);
	*ret_size = d->size;
	return remote_blob_open(s->remote, &d->digest, d->size, ret, err);
}

static int open_range(struct source *source, const struct descriptor *d, uint64_t from,
		      uint64_t until, struct stream **ret, struct err *err)
{
	struct remote_source *s = (struct remote_source *)source;

	return remote_blob_open_range(s->remote, &d->digest, d->size, from, until, ret,
				      err);
}

static int list_referrers(struct source *source, const struct digest *d, json_t *list,
			  struct err *err)
{
	struct remote_source *s = (struct remote_source *)source;

	return remote_referrers(s->remote, d, NULL, list, err);
}

static void close_source(struct source *source)
{
	struct remote_source *s = (struct remote_source *)source;

	manifest_release(&s->root);
	remote_close(s->remote);
	buf_release(&s->name);
	free(s);
}

static const struct source_ops remote_source_ops = {open_any, close_source};

/* What the document says of itself counts; the header only where it says nothing. */
static int read_root(struct remote_source *s, struct err *err)
{
	struct remote_manifest m;
	struct descriptor root;
	auto_buf struct buf bytes;
	int rc;

	buf_init(&bytes, DOCUMENT_MAX + 1);
	rc = remote_manifest_get(s->remote, remote_reference(s->remote), &bytes, &m, err);
	if (!rc)
		rc = manifest_parse(bytes.data, bytes.len, NULL, &s->root, err);
	if (!rc)
		rc = source_add_document(&s->source, &bytes, &root, err);
	if (rc)
		return rc;
	memcpy(s->media_type, m.media_type, sizeof(s->media_type));
	root.media_type = s->root.media_type;
	root.kind = descriptor_kind(root.media_type);
	if (!root.media_type && (descriptor_kind(m.media_type) == DESCRIPTOR_INDEX ||
				 descriptor_kind(m.media_type) == DESCRIPTOR_MANIFEST)) {
		root.media_type = s->media_type;
		root.kind = descriptor_kind(root.media_type);
	}
	return source_add_root(&s->source, &root, (const char *)s->name.data, NULL, err);
}

int remote_source_open(const char *text, const struct remote_options *options,
		       struct source **ret, struct err *err)
{
	auto_source struct source *source = NULL;
	const char *name = remote_source_name(text);
	struct remote_source *s;
	int rc;

	if (!name)
		return err_set(err, ERR_INVALID, "bad source '%s': not docker://REF",
			       text);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_nomem(err);
	s->source.ops = &remote_source_ops;
	s->source.far = true;
	s->source.open_range = open_range;
	s->source.referrers = list_referrers;
	source = &s->source;
	buf_init(&s->name, NAME_BYTES_MAX);
	source->what = strdup(text);
	source->stem = strdup("");
	if (!source->what || !source->stem)
		return err_nomem(err);
	rc = reference_normalize(name, &s->name, err);
	if (!rc)
		rc = remote_open((const char *)s->name.data, options, false, &s->remote,
				 err);
	if (!rc)
		rc = read_root(s, err);
	if (!rc)
		*ret = steal_ptr(&source);
	return rc;
}

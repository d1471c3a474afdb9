/* SPDX-License-Identifier: Apache-2.0
 * OCI image layouts, in a directory (oci:) or in an archive (oci-archive:). */
#include <string.h>

#include "tools/oci/bundle.h"
#include "tools/oci/source.h"

struct layout {
	struct source source;
	struct bundle *bundle;
	struct manifest index;
};

static int open_blob(struct source *s, const struct descriptor *d, struct stream **ret,
		     uint64_t *ret_size, struct err *err)
{
	struct layout *l = (struct layout *)s;
	char hex[DIGEST_HEX_SIZE], name[32 + DIGEST_HEX_SIZE];

	snprintf(name, sizeof(name), "blobs/sha256/%s", digest_hex(&d->digest, hex));
	return bundle_open(l->bundle, name, ret, ret_size, err);
}

static void close_layout(struct source *s)
{
	struct layout *l = (struct layout *)s;

	manifest_release(&l->index);
	bundle_close(l->bundle);
	free(l);
}

static const struct source_ops layout_ops = {open_blob, close_layout};

static int check_version(struct bundle *b, struct err *err)
{
	auto_document json_t *json = NULL;
	const char *version = NULL;
	auto_buf struct buf bytes;
	int rc;

	buf_init(&bytes, 64 << 10);
	rc = bundle_read(b, "oci-layout", &bytes, err);
	if (!rc)
		rc = document_parse(bytes.data, bytes.len, &json, err);
	if (!rc)
		rc = document_text(json, "imageLayoutVersion", &version, err);
	if (!rc && (!version || strncmp(version, "1.", 2) != 0))
		rc = err_set(err, ERR_INVALID, "unknown version '%.40s'",
			     version ? version : "");
	if (rc && rc != -ERR_NOTFOUND)
		return err_wrap(err, "oci-layout");
	return rc;
}

/* An annotation with '/' or ':' is a full reference. */
static bool is_full(const char *text)
{
	return text && strpbrk(text, "/:");
}

static int add_root(struct layout *l, const struct descriptor *d, struct err *err)
{
	const char *name = NULL;

	if (is_full(d->image_name))
		name = d->image_name;
	else if (is_full(d->tag))
		name = d->tag;
	return source_add_root(&l->source, d, name, d->tag, err);
}

/* Several images without names but with platforms are one image for several platforms. */
static bool is_one_image(const struct manifest *index)
{
	size_t images = 0;

	for (size_t i = 0; i < index->count; i++) {
		const struct descriptor *d = &index->items[i];

		if (d->attestation)
			continue;
		if (d->tag || d->image_name || !platform_known(&d->platform))
			return false;
		images++;
	}
	return images > 1;
}

/* Takes over the bytes of index.json if it is itself the image. */
static int add_roots(struct layout *l, struct buf *bytes, struct err *err)
{
	struct descriptor whole;
	int rc = 0;

	if (is_one_image(&l->index)) {
		rc = source_add_document(&l->source, bytes, &whole, err);
		whole.kind = DESCRIPTOR_INDEX;
		whole.media_type = l->index.media_type;
		return rc ? rc : source_add_root(&l->source, &whole, NULL, NULL, err);
	}
	for (size_t i = 0; i < l->index.count && !rc; i++)
		if (!l->index.items[i].attestation)
			rc = add_root(l, &l->index.items[i], err);
	return rc;
}

int layout_open_bundle(struct bundle *bundle, struct source **ret, struct err *err)
{
	struct layout *l = calloc(1, sizeof(*l));
	auto_source struct source *s = NULL;
	auto_buf struct buf bytes;
	int rc;

	buf_init(&bytes, DOCUMENT_MAX + 1);
	if (!l) {
		bundle_close(bundle);
		return err_nomem(err);
	}
	l->bundle = bundle;
	l->source.ops = &layout_ops;
	s = &l->source;
	rc = check_version(bundle, err);
	if (!rc)
		rc = bundle_read(bundle, "index.json", &bytes, err);
	if (rc)
		return rc;
	rc = manifest_parse(bytes.data, bytes.len, NULL, &l->index, err);
	if (!rc && l->index.kind != MANIFEST_INDEX)
		rc = err_set(err, ERR_INVALID, "not an index of images");
	if (rc)
		return err_wrap(err, "index.json");
	rc = add_roots(l, &bytes, err);
	if (!rc)
		*ret = steal_ptr(&s);
	return rc;
}

int layout_open(const char *path, int spool_dirfd, struct source **ret, struct err *err)
{
	struct bundle *bundle;
	int rc = bundle_open_dir(path, &bundle, err);

	(void)spool_dirfd;
	return rc ? rc : layout_open_bundle(bundle, ret, err);
}

int layout_open_archive(const char *path, int spool_dirfd, struct source **ret,
			struct err *err)
{
	struct bundle *bundle;
	int rc = bundle_open_archive(path, spool_dirfd, &bundle, err);

	return rc ? rc : layout_open_bundle(bundle, ret, err);
}

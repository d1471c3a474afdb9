/* SPDX-License-Identifier: Apache-2.0
 * OCI image layouts, in a directory (oci:) or in an archive (oci-archive:). */
#include <string.h>

#include "tools/oci/bundle.h"
#include "tools/oci/source.h"

/* What is read only to see what it is about. */
#define SUBJECT_ONE_MAX (256u << 10)
#define SUBJECT_ALL_MAX (16u << 20)

struct layout {
	struct source source;
	struct bundle *bundle;
	struct manifest index;
	struct digest
		*subjects; /* what each entry of the index is about; zero: nothing */
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
	free(l->subjects);
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

/* ---- what is about another ---- */

/* A bad document is found when it is wanted. */
static void read_subject(struct layout *l, const struct descriptor *d, struct digest *ret)
{
	auto_document json_t *json = NULL;
	struct descriptor subject;
	auto_buf struct buf bytes;

	buf_init(&bytes, SUBJECT_ONE_MAX + 1);
	if (!source_read_document(&l->source, d, &bytes, NULL) &&
	    !document_parse(bytes.data, bytes.len, &json, NULL) &&
	    !descriptor_parse(json_object_get(json, "subject"), &subject, NULL))
		*ret = subject.digest;
}

/* What has a name stands for itself: of many images with names none is read here. */
static int find_subjects(struct layout *l, struct err *err)
{
	uint64_t left = SUBJECT_ALL_MAX;

	l->subjects = calloc(l->index.count + 1, sizeof(*l->subjects));
	if (!l->subjects)
		return err_nomem(err);
	for (size_t i = 0; i < l->index.count && l->index.count > 1; i++) {
		const struct descriptor *d = &l->index.items[i];

		if (d->tag || d->image_name || d->kind != DESCRIPTOR_MANIFEST ||
		    d->size > SUBJECT_ONE_MAX || d->size > left)
			continue;
		left -= d->size;
		read_subject(l, d, &l->subjects[i]);
	}
	return 0;
}

static bool is_referrer(const struct layout *l, size_t i)
{
	return !digest_is_zero(&l->subjects[i]);
}

static int list_referrers(struct source *s, const struct digest *d, json_t *list,
			  struct err *err)
{
	struct layout *l = (struct layout *)s;
	json_t *entries = json_object_get(l->index.json, "manifests");

	for (size_t i = 0; i < l->index.count; i++)
		if (digest_equal(&l->subjects[i], d) &&
		    json_array_append(list, json_array_get(entries, i)) < 0)
			return err_nomem(err);
	return 0;
}

/* ---- roots ---- */

static int add_root(struct layout *l, size_t i, struct err *err)
{
	const struct descriptor *d = &l->index.items[i];
	const char *name = NULL;
	int rc;

	if (is_full(d->image_name))
		name = d->image_name;
	else if (is_full(d->tag))
		name = d->tag;
	rc = source_add_root(&l->source, d, name, d->tag, err);
	if (!rc)
		l->source.roots[l->source.root_count - 1].referrer = is_referrer(l, i);
	return rc;
}

/* Several images without names but with platforms are one image for several platforms. */
static bool is_one_image(const struct layout *l)
{
	const struct manifest *index = &l->index;
	size_t images = 0;

	for (size_t i = 0; i < index->count; i++) {
		const struct descriptor *d = &index->items[i];

		if (d->attestation || is_referrer(l, i))
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

	if (is_one_image(l)) {
		rc = source_add_document(&l->source, bytes, &whole, err);
		whole.kind = DESCRIPTOR_INDEX;
		whole.media_type = l->index.media_type;
		return rc ? rc : source_add_root(&l->source, &whole, NULL, NULL, err);
	}
	for (size_t i = 0; i < l->index.count && !rc; i++)
		if (!l->index.items[i].attestation)
			rc = add_root(l, i, err);
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
	l->source.referrers = list_referrers;
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
	rc = find_subjects(l, err);
	if (!rc)
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

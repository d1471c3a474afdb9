/* SPDX-License-Identifier: Apache-2.0
 * What a registry has already of an image. */
#include "tools/image_there.h"

#include <string.h>

#include "store/session.h"
#include "tools/registry/remote.h"

#define KNOWN_MAX 8 /* forms of a layer that are asked for */

/* ---- what the store knows ---- */

/* Other forms of a layer, besides the one that it came in. */
struct known {
	struct digest diffid, came;
	struct record_blob blobs[KNOWN_MAX];
	size_t count;
};

static int on_blob(void *arg, const struct record_blob *blob, struct err *err)
{
	struct known *known = arg;

	(void)err;
	if (known->count < KNOWN_MAX && digest_equal(&blob->diffid, &known->diffid) &&
	    !digest_equal(&blob->blob, &known->came))
		known->blobs[known->count++] = *blob;
	return 0;
}

/* SAYS: what is said of the blob; its tables of contents as far as one knows. */
static bool will_do(const struct image_there *f, enum inflate_kind kind,
		    const struct descriptor *says)
{
	return !f->options->given ||
	       (f->options->kind == kind && (!f->options->chunked || says->toc.given) &&
		(!f->options->stargz || says->stargz.given));
}

/* The form a blob of the layer has; ERR_NOTFOUND: the store does not know it, or another
 * was asked for. */
static int form_of(const struct image_there *f, const struct digest *blob,
		   const struct descriptor *says, size_t layer, enum inflate_kind *ret,
		   struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	const struct digest *diffid = &f->config->diffids[layer];
	struct record_blob record;
	int rc;

	if (f->options->level)
		return err_set(err, ERR_NOTFOUND, "a level was asked for");
	if (digest_equal(blob, diffid)) {
		*ret = INFLATE_NONE;
	} else {
		rc = catalog_begin(store_catalog(f->store), false, &t, err);
		if (!rc)
			rc = catalog_blob_get(t, blob, &record, err);
		if (rc)
			return rc;
		if (!digest_equal(&record.diffid, diffid))
			return err_set(err, ERR_NOTFOUND, "it is another layer");
		*ret = (enum inflate_kind)record.compression;
	}
	return will_do(f, *ret, says) ? 0
				      : err_set(err, ERR_NOTFOUND, "it has another form");
}

static void set_there(const struct image_there *f, size_t layer,
		      const struct digest *digest, uint64_t size, enum inflate_kind kind,
		      const struct descriptor *says, struct layer_blob *ret)
{
	*ret = (struct layer_blob){
		.digest = *digest,
		.size = size,
		.kind = kind,
		.how = LAYER_BLOB_THERE,
		.diffid = f->config->diffids[layer],
		.toc = says->toc,
		.stargz = says->stargz,
		.same = digest_equal(digest, &f->manifest->items[layer].digest),
	};
}

/* ---- manifests ---- */

/* Whether these are the image's layers, in one form or another. */
static bool set_all(const struct image_there *f, const struct manifest *m,
		    struct layer_blob *layers)
{
	if (m->kind != MANIFEST_IMAGE || m->count != f->config->count ||
	    !digest_equal(&m->config.digest, f->config_digest))
		return false;
	for (size_t i = 0; i < m->count; i++) {
		const struct descriptor *d = &m->items[i];
		enum inflate_kind kind;

		if (form_of(f, &d->digest, d, i, &kind, NULL))
			return false;
		set_there(f, i, &d->digest, d->size, kind, d, &layers[i]);
	}
	return true;
}

/* What the name stands for now. */
static int find_named(const struct image_there *f, struct layer_blob *layers,
		      struct buf *bytes, bool *ret_found, struct err *err)
{
	struct destination *d = f->dest;
	auto_manifest struct manifest m = {0};
	struct remote_manifest is;
	struct digest mine;
	int rc = remote_manifest_get(d->remote, remote_reference(d->remote), bytes, &is,
				     err);

	*ret_found = false;
	if (rc && rc != -ERR_NOTFOUND && rc != -ERR_FAILED && rc != -ERR_INVALID)
		return rc;
	/* What cannot be read is replaced. */
	if (rc || manifest_parse(bytes->data, bytes->len, NULL, &m, NULL)) {
		buf_clear(bytes);
		return 0;
	}
	*ret_found = set_all(f, &m, layers);
	digest_of(f->manifest_bytes->data, f->manifest_bytes->len, &mine);
	if (*ret_found)
		d->there = is.digest;
	if (!*ret_found || digest_equal(&mine, &is.digest))
		buf_clear(bytes);
	return 0;
}

/* The manifest as the image came; who has it has its layers too. */
static int find_manifest(const struct image_there *f, struct layer_blob *layers,
			 bool *ret_found, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest mine, is;
	int rc;

	*ret_found = false;
	digest_of(f->manifest_bytes->data, f->manifest_bytes->len, &mine);
	rc = remote_manifest_head(f->dest->remote, digest_format(&mine, text), &is, err);
	if (rc == -ERR_NOTFOUND || rc == -ERR_FAILED)
		return 0;
	if (rc)
		return rc;
	*ret_found = set_all(f, f->manifest, layers);
	return 0;
}

/* ---- layers ---- */

static int find_layer(const struct image_there *f, size_t i, struct layer_blob *ret,
		      struct err *err)
{
	struct known known = {.diffid = f->config->diffids[i],
			      .came = f->manifest->items[i].digest};
	static const struct descriptor unknown;
	const struct descriptor *came = &f->manifest->items[i];
	auto_catalog_txn struct catalog_txn *t = NULL;
	enum inflate_kind kind;
	bool there = false;
	int rc = form_of(f, &known.came, came, i, &kind, err);

	if (!rc)
		rc = destination_has_layer(f->dest, &known.came, &there, err);
	if (rc && rc != -ERR_NOTFOUND)
		return rc;
	if (there) {
		set_there(f, i, &known.came, came->size, kind, came, ret);
		return 0;
	}
	rc = catalog_begin(store_catalog(f->store), false, &t, err);
	if (!rc)
		rc = catalog_blob_each(t, NULL, on_blob, &known, err);
	catalog_abort(steal_ptr(&t));
	for (size_t k = 0; k < known.count && !rc && !there; k++) {
		const struct record_blob *blob = &known.blobs[k];

		if (form_of(f, &blob->blob, &unknown, i, &kind, NULL))
			continue;
		rc = destination_has_layer(f->dest, &blob->blob, &there, err);
		if (!rc && there)
			set_there(f, i, &blob->blob, blob->size, kind, &unknown, ret);
	}
	return rc;
}

int image_there_find(const struct image_there *f, struct layer_blob *layers,
		     struct buf *manifest, bool *ret_whole, struct err *err)
{
	int rc = 0;

	*ret_whole = false;
	if (f->named)
		rc = find_named(f, layers, manifest, ret_whole, err);
	if (!rc && !*ret_whole)
		rc = find_manifest(f, layers, ret_whole, err);
	if (rc || *ret_whole)
		return rc;
	memset(layers, 0, f->config->count * sizeof(*layers));
	for (size_t i = 0; i < f->config->count && !rc; i++)
		rc = find_layer(f, i, &layers[i], err);
	return rc;
}

/* ---- for the next time ---- */

int image_there_note(struct store *store, const struct digest *diffids,
		     const struct layer_blob *layers, size_t count, struct err *err)
{
	auto_session struct session *s = NULL;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		struct record_item item = {.type = RECORD_BLOB};

		/* What has another tar is no form of the layer. */
		if (layers[i].how != LAYER_BLOB_ANEW ||
		    !digest_equal(&layers[i].diffid, &diffids[i]))
			continue;
		if (!s)
			rc = session_begin(store, NULL, &s, err);
		item.blob = (struct record_blob){layers[i].digest, diffids[i],
						 layers[i].size, layers[i].kind};
		if (!rc)
			rc = session_add(s, &item, err);
	}
	return rc || !s ? rc : session_commit(steal_ptr(&s), err);
}

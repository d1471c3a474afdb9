/* SPDX-License-Identifier: Apache-2.0
 * Blobs as clients ask for them. */
#include "tools/serve/blobs.h"

#include "store/layer.h"

static int find_tar(const struct blobs *b, const struct digest *digest,
		    struct blobs_found *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_layer layer;
	int rc = catalog_begin(store_catalog(b->store), false, &t, err);

	if (!rc)
		rc = catalog_layer_get(t, digest, &layer, err);
	if (!rc && layer.flags & LAYER_DAMAGED)
		rc = err_set(err, ERR_NOTFOUND, "the layer is damaged");
	if (rc)
		return rc;
	ret->where = BLOBS_TAR;
	ret->size = layer.tar_size;
	return 0;
}

static int find_stored(const struct blobs *b, const struct digest *digest,
		       struct blobs_found *ret, struct err *err)
{
	int rc = objects_size(b->objects, digest, &ret->size, err);

	ret->digest = *digest;
	ret->where = BLOBS_OBJECT;
	return rc == -ERR_NOTFOUND ? find_tar(b, digest, ret, err) : rc;
}

int blobs_find(const struct blobs *b, const struct digest *digest,
	       struct blobs_found *ret, struct err *err)
{
	struct blobs_found found = {.digest = *digest};

	found.spooled = b->uploads ? uploads_find(b->uploads, digest) : NULL;
	if (found.spooled) {
		found.where = BLOBS_SPOOLED;
		found.size = spooled_size(found.spooled);
	} else {
		int rc = find_stored(b, digest, &found, err);

		if (rc)
			return rc;
	}
	*ret = found;
	return 0;
}

void blobs_release(const struct blobs *b, struct blobs_found *found)
{
	if (found->spooled)
		uploads_release(b->uploads, steal_ptr(&found->spooled));
}

int blobs_stored(const struct blobs *b, const struct digest *digest, uint64_t *ret_size,
		 struct err *err)
{
	struct blobs_found found = {0};
	int rc = find_stored(b, digest, &found, err);

	if (!rc)
		*ret_size = found.size;
	return rc;
}

/* ---- bytes ---- */

/* Holds what was found until it is closed. */
struct blob_stream {
	struct stream base, *in;
	const struct blobs *blobs;
	struct blobs_found found;
};

static int blob_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	struct blob_stream *b = (struct blob_stream *)s;

	return b->in->read(b->in, data, cap, ret_len, err);
}

static void blob_close(struct stream *s)
{
	struct blob_stream *b = (struct blob_stream *)s;

	stream_close(b->in);
	blobs_release(b->blobs, &b->found);
	free(b);
}

static int open_inner(const struct blobs *b, const struct blobs_found *found, uint64_t at,
		      struct stream **ret, struct err *err)
{
	switch (found->where) {
	case BLOBS_SPOOLED:
		return spooled_open(found->spooled, at, ret, err);
	case BLOBS_OBJECT:
		return objects_open(b->objects, &found->digest, at, ret, err);
	default:
		return layer_open_at(b->store, b->objects, &found->digest, at, ret, err);
	}
}

int blobs_open(const struct blobs *b, struct blobs_found *found, uint64_t at,
	       struct stream **ret, struct err *err)
{
	struct blob_stream *s = calloc(1, sizeof(*s));
	int rc = s ? open_inner(b, found, at, &s->in, err) : err_nomem(err);

	if (rc) {
		blobs_release(b, found);
		free(s);
		return rc;
	}
	s->base = (struct stream){blob_read, blob_close};
	s->blobs = b;
	s->found = *found;
	found->spooled = NULL;
	*ret = &s->base;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Which layers of a build cache a registry has already. */
#include "tools/buildkit/cache_there.h"

#define FORMS_MAX 8 /* that are asked for */

/* The forms of a layer that the store knows of, the one that it came in first. */
struct forms {
	const struct digest *diffid;
	const struct descriptor *came;
	const struct layer_blob_options *options;
	struct record_blob items[FORMS_MAX];
	size_t count;
};

static int on_blob(void *arg, const struct record_blob *blob, struct err *err)
{
	struct forms *f = arg;

	(void)err;
	if (f->count == FORMS_MAX || !digest_equal(&blob->diffid, f->diffid) ||
	    (f->options->given &&
	     f->options->kind != (enum inflate_kind)blob->compression) ||
	    (f->options->chunked &&
	     !(f->came->toc.given && digest_equal(&blob->blob, &f->came->digest))))
		return 0;
	f->items[f->count++] = *blob;
	if (digest_equal(&blob->blob, &f->came->digest)) {
		struct record_blob first = f->items[0];

		f->items[0] = *blob;
		f->items[f->count - 1] = first;
	}
	return 0;
}

/* The plain tar needs no record: its digest is the DiffID. */
static int add_plain(struct catalog_txn *t, struct forms *f, struct err *err)
{
	struct record_layer layer;
	int rc;

	if (f->options->given ? f->options->kind != INFLATE_NONE
			      : !digest_equal(&f->came->digest, f->diffid))
		return 0;
	rc = catalog_layer_get(t, f->diffid, &layer, err);
	if (!rc)
		f->items[f->count++] = (struct record_blob){*f->diffid, *f->diffid,
							    layer.tar_size, INFLATE_NONE};
	return rc;
}

static int list_forms(struct store *store, struct forms *f, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = add_plain(t, f, err);
	return rc ? rc : catalog_blob_each(t, NULL, on_blob, f, err);
}

int cache_there_find(struct store *store, struct destination *dest,
		     const struct layer_blob_options *options,
		     const struct digest *diffid, const struct descriptor *came,
		     struct layer_blob *ret, bool *ret_found, struct err *err)
{
	struct forms f = {.diffid = diffid, .came = came, .options = options};
	int rc = 0;

	*ret_found = false;
	if (dest->kind != DESTINATION_REGISTRY || options->level)
		return 0;
	rc = list_forms(store, &f, err);
	for (size_t i = 0; i < f.count && !rc && !*ret_found; i++) {
		const struct record_blob *b = &f.items[i];

		rc = destination_has_layer(dest, &b->blob, ret_found, err);
		*ret = (struct layer_blob){
			.digest = b->blob,
			.size = b->size,
			.kind = (enum inflate_kind)b->compression,
			.how = LAYER_BLOB_THERE,
			.diffid = *diffid,
			.same = digest_equal(&b->blob, &came->digest),
		};
		if (ret->same) {
			ret->toc = came->toc;
			ret->stargz = came->stargz;
		}
	}
	return rc;
}

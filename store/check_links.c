/* SPDX-License-Identifier: Apache-2.0
 * What chains, blobs, images and names stand on is there. A commit brings all of it at once,
 * so within one transaction nothing can be missing. */
#include "store/check_private.h"

#include <string.h>

struct links {
	struct catalog_txn *txn;
	struct check_report *report;
	struct check_counts counts;
};

/* 0 or -ERR_NOTFOUND, or a failure. */
static int is_missing(int r, bool *ret)
{
	*ret = r == -ERR_NOTFOUND;
	return *ret ? 0 : r;
}

static int check_number(struct links *l, uint32_t number, enum tree_owner owner,
			const struct digest *id, struct err *err)
{
	const char *what = owner == TREE_OF_LAYER ? "layer" : "chain";
	char text[DIGEST_TEXT_SIZE];
	struct catalog_tree tree;
	bool missing;
	int r = is_missing(catalog_tree_get(l->txn, number, &tree, err), &missing);

	if (r == 0 &&
	    (missing || tree.stale || tree.owner != owner || !digest_equal(&tree.id, id)))
		check_problem(l->report, "%s %s: its tree number %u is not its own", what,
			      digest_format(id, text), number);
	return r;
}

static int on_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	struct links *l = arg;

	l->counts.layers++;
	return check_number(l, layer->number, TREE_OF_LAYER, &layer->diffid, err);
}

static int on_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	char text[DIGEST_TEXT_SIZE], other[DIGEST_TEXT_SIZE];
	const char *name = digest_format(&chain->chainid, text);
	struct record_chain parent;
	struct record_layer layer;
	struct links *l = arg;
	struct digest id;
	bool missing = false;
	int r = 0;

	l->counts.chains++;
	digest_chain(&chain->parent, &chain->diffid, &id);
	if (!digest_equal(&id, &chain->chainid))
		check_problem(l->report, "chain %s: that is not its ChainID", name);
	if (!digest_is_zero(&chain->parent))
		r = is_missing(catalog_chain_get(l->txn, &chain->parent, &parent, err),
			       &missing);
	if (r == 0 && missing)
		check_problem(l->report, "chain %s: its parent %s is missing", name,
			      digest_format(&chain->parent, other));
	if (r == 0)
		r = is_missing(catalog_layer_get(l->txn, &chain->diffid, &layer, err),
			       &missing);
	if (r == 0 && missing)
		check_problem(l->report, "chain %s: its layer %s is missing", name,
			      digest_format(&chain->diffid, other));
	return r < 0 ? r
		     : check_number(l, chain->number, TREE_OF_CHAIN, &chain->chainid,
				    err);
}

static int on_blob(void *arg, const struct record_blob *blob, struct err *err)
{
	char text[DIGEST_TEXT_SIZE], other[DIGEST_TEXT_SIZE];
	struct record_layer layer;
	struct links *l = arg;
	bool missing;
	int r = is_missing(catalog_layer_get(l->txn, &blob->diffid, &layer, err),
			   &missing);

	if (r == 0 && missing)
		check_problem(l->report, "blob %s: its layer %s is missing",
			      digest_format(&blob->blob, text),
			      digest_format(&blob->diffid, other));
	return r;
}

static int check_document(struct links *l, const struct digest *d, const char *what,
			  const char *owner, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct object_place place;
	bool missing;
	int r;

	if (digest_is_zero(d))
		return 0;
	r = is_missing(catalog_object_get(l->txn, d, &place, err), &missing);
	if (r == 0 && missing)
		check_problem(l->report, "%s: its %s %s is missing", owner, what,
			      digest_format(d, text));
	return r;
}

static int on_image(void *arg, const struct record_image *image, struct err *err)
{
	char text[DIGEST_TEXT_SIZE], name[DIGEST_TEXT_SIZE + 8];
	struct record_chain chain;
	struct links *l = arg;
	bool missing = false;
	int r = 0;

	l->counts.images++;
	snprintf(name, sizeof(name), "image %s", digest_format(&image->manifest, text));
	if (!digest_is_zero(&image->chainid))
		r = is_missing(catalog_chain_get(l->txn, &image->chainid, &chain, err),
			       &missing);
	if (r == 0 && missing)
		check_problem(l->report, "%s: its chain %s is missing", name,
			      digest_format(&image->chainid, text));
	if (r == 0)
		r = check_document(l, &image->manifest, "manifest", name, err);
	return r < 0 ? r : check_document(l, &image->config, "config", name, err);
}

static int on_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	char text[DIGEST_TEXT_SIZE], name[RECORD_REF_NAME_MAX + 8];
	struct record_image image;
	struct links *l = arg;
	int r;

	l->counts.refs++;
	snprintf(name, sizeof(name), "name '%s'", ref->name);
	r = check_document(l, &ref->index, "index", name, err);
	for (uint32_t i = 0; i < ref->count && r == 0; i++) {
		const struct digest *d = &ref->targets[i].manifest;
		bool missing;

		r = is_missing(catalog_image_get(l->txn, d, &image, err), &missing);
		if (r == 0 && missing)
			check_problem(l->report, "%s: its image %s is missing", name,
				      digest_format(d, text));
	}
	return r;
}

/* The parent may be gone: a key stands without the step before it. */
static int on_key(void *arg, const struct record_key *key, struct err *err)
{
	char text[DIGEST_TEXT_SIZE], other[DIGEST_TEXT_SIZE];
	struct record_chain chain;
	struct record_image image;
	struct links *l = arg;
	bool missing;
	int r = is_missing(catalog_chain_get(l->txn, &key->chainid, &chain, err),
			   &missing);

	digest_format(&key->key, text);
	if (r == 0 && missing)
		check_problem(l->report, "key %s: its chain %s is missing", text,
			      digest_format(&key->chainid, other));
	if (r < 0 || digest_is_zero(&key->manifest))
		return r;
	r = is_missing(catalog_image_get(l->txn, &key->manifest, &image, err), &missing);
	if (r == 0 && missing)
		check_problem(l->report, "key %s: its image %s is missing", text,
			      digest_format(&key->manifest, other));
	return r;
}

/* What it needs may be elsewhere (a registry keeps signatures of what it does not have); the
 * documents are here. */
static int on_artifact(void *arg, const struct record_artifact *artifact, struct err *err)
{
	char text[DIGEST_TEXT_SIZE], name[DIGEST_TEXT_SIZE + 16];
	struct links *l = arg;
	int r;

	snprintf(name, sizeof(name), "artifact %s",
		 digest_format(&artifact->manifest, text));
	r = check_document(l, &artifact->manifest, "manifest", name, err);
	return r < 0 ? r : check_document(l, &artifact->needs, "list", name, err);
}

int check_links(struct catalog_txn *t, struct check_report *report,
		struct check_counts *ret, struct err *err)
{
	struct links l = {.txn = t, .report = report};
	int r = catalog_layer_each(t, NULL, on_layer, &l, err);

	if (r == 0)
		r = catalog_chain_each(t, NULL, on_chain, &l, err);
	if (r == 0)
		r = catalog_blob_each(t, NULL, on_blob, &l, err);
	if (r == 0)
		r = catalog_image_each(t, NULL, on_image, &l, err);
	if (r == 0)
		r = catalog_ref_each(t, NULL, on_ref, &l, err);
	if (r == 0)
		r = catalog_key_each(t, NULL, on_key, &l, err);
	if (r == 0)
		r = catalog_artifact_each(t, NULL, on_artifact, &l, err);
	if (r == 0)
		*ret = l.counts;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0
 * Compressed layers that export is to give as they came, for less than keeping all of them. */
#include "tools/image_match.h"

#include "tools/blob_maker.h"

/* Neither the tar itself, nor kept, nor made again. */
static int is_lost(struct session *s, struct catalog_txn *t, const struct layer_job *job,
		   bool *ret, struct err *err)
{
	struct record_encoding how = {0};
	int rc = catalog_encoding_get(t, &job->desc.digest, &how, err);

	if (rc && rc != -ERR_NOTFOUND)
		return rc;
	*ret = how.state != ENCODING_PROVED &&
	       !digest_equal(&job->desc.digest, &job->diffid) &&
	       !session_has_object(s, &job->desc.digest);
	return 0;
}

static int list_lost(struct store *store, struct session *s, const struct layer_jobs *all,
		     struct layer_jobs *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	for (size_t i = 0; i < all->count && !rc; i++) {
		bool lost = false;

		rc = is_lost(s, t, &all->items[i], &lost, err);
		if (!rc && lost)
			rc = layer_jobs_add(ret, &all->items[i], err);
	}
	return rc;
}

static int prove(struct store *store, const struct layer_jobs *all, bool quiet,
		 struct err *err)
{
	auto_free struct digest *blobs = calloc(all->count + 1, sizeof(*blobs));

	if (!blobs)
		return err_nomem(err);
	for (size_t i = 0; i < all->count; i++)
		blobs[i] = all->items[i].desc.digest;
	return blob_maker_prove(store, blobs, all->count, quiet, err);
}

int image_match(struct store *store, struct source *source, const struct layer_jobs *all,
		bool quiet, struct err *err)
{
	auto_layer_jobs struct layer_jobs lost = {.keep_blobs = true};
	auto_session struct session *s = NULL;
	int rc = prove(store, all, quiet, err);

	if (!rc)
		rc = session_begin(store, NULL, &s, err);
	if (!rc)
		rc = list_lost(store, s, all, &lost, err);
	if (!rc)
		rc = layer_jobs_run(&lost, s, source, "keep", quiet, err);
	return rc ? rc : session_commit(steal_ptr(&s), err);
}

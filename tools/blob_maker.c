/* SPDX-License-Identifier: Apache-2.0
 * Makes compressed blobs again. */
#include "tools/blob_maker.h"

#include <stdlib.h>

#include "store/deflate.h"
#include "store/layer.h"
#include "store/session.h"
#include "tools/progress.h"

#define CACHE_BYTES (64u << 20)
#define COPY_SIZE   (1u << 20)
#define AHEAD_COUNT 4

int blob_maker_get(struct store *store, const struct digest *blob,
		   struct record_encoding *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_encoding e;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = catalog_encoding_get(t, blob, &e, err);
	if (rc)
		return rc;
	if (e.state == ENCODING_WRONG)
		return err_set(err, ERR_NOTFOUND, "it could not be made again");
	*ret = e;
	return 0;
}

/* ---- notes ---- */

int blob_notes_add(struct blob_notes *notes, const struct record_encoding *tried,
		   bool same, struct err *err)
{
	struct record_encoding *items;

	if (tried->state != ENCODING_GUESSED)
		return 0;
	items = reallocarray(notes->items, notes->count + 1, sizeof(*items));
	if (!items)
		return err_nomem(err);
	notes->items = items;
	items[notes->count] = *tried;
	items[notes->count++].state = same ? ENCODING_PROVED : ENCODING_WRONG;
	return 0;
}

static int commit(struct store *store, const struct blob_notes *notes, struct err *err)
{
	auto_session struct session *s = NULL;
	int rc = session_begin(store, NULL, &s, err);

	for (size_t i = 0; i < notes->count && !rc; i++) {
		const struct record_item item = {.type = RECORD_ENCODING,
						 .encoding = notes->items[i]};

		rc = session_add(s, &item, err);
	}
	return rc ? rc : session_commit(steal_ptr(&s), err);
}

void blob_notes_keep(struct blob_notes *notes, const char *path)
{
	auto_store struct store *store = NULL;

	if (notes->count && store_open(path, STORE_WRITE, &store, NULL) == 0 &&
	    commit(store, notes, NULL) == 0)
		notes->count = 0;
}

void blob_notes_release(struct blob_notes *notes)
{
	free(notes->items);
	*notes = (struct blob_notes){0};
}

/* ---- proving ---- */

struct guess {
	struct record_encoding how;
	struct record_layer layer;
};

struct guesses {
	struct catalog_txn *txn;
	struct guess *items;
	size_t count;
	uint64_t bytes;
};

static int add_guess(void *arg, const struct record_encoding *e, struct err *err)
{
	struct guesses *g = arg;
	struct guess *items;
	struct record_blob blob;
	int rc;

	if (e->state != ENCODING_GUESSED)
		return 0;
	items = reallocarray(g->items, g->count + 1, sizeof(*items));
	if (!items)
		return err_nomem(err);
	g->items = items;
	items[g->count].how = *e;
	rc = catalog_blob_get(g->txn, &e->blob, &blob, err);
	if (!rc)
		rc = catalog_layer_get(g->txn, &blob.diffid, &items[g->count].layer, err);
	if (!rc)
		g->bytes += items[g->count++].layer.tar_size;
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

static int collect(struct store *store, struct guesses *g, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	g->txn = t;
	return rc ? rc : catalog_encoding_each(t, NULL, add_guess, g, err);
}

static int try_guess(struct store *store, struct objects *objects,
		     const struct guess *guess, bool *ret_same, struct err *err)
{
	auto_stream struct stream *packed = NULL;
	struct stream *tar;
	struct digest digest;
	int rc = layer_open(store, objects, &guess->layer.diffid, &tar, NULL, err);

	if (!rc)
		rc = stream_ahead(tar, COPY_SIZE, AHEAD_COUNT, &tar, err);
	if (!rc)
		rc = deflate_open_as(tar, &guess->how.how, 0, &packed, err);
	if (!rc)
		rc = digest_of_stream(packed, &digest, err);
	if (!rc)
		*ret_same = digest_equal(&digest, &guess->how.blob);
	return rc;
}

static int try_all(struct store *store, const struct guesses *g, struct blob_notes *notes,
		   bool quiet, struct err *err)
{
	auto_progress struct progress *progress =
		progress_begin(g->bytes, "match", quiet);
	auto_objects struct objects *objects = NULL;
	int rc = objects_new(store, CACHE_BYTES, &objects, err);

	for (size_t i = 0; i < g->count && !rc; i++) {
		bool same = false;

		rc = try_guess(store, objects, &g->items[i], &same, err);
		if (!rc)
			rc = blob_notes_add(notes, &g->items[i].how, same, err);
		progress_add(progress, g->items[i].layer.tar_size);
	}
	return rc;
}

int blob_maker_prove(struct store *store, bool quiet, struct err *err)
{
	auto_blob_notes struct blob_notes notes = {0};
	struct guesses g = {0};
	int rc = collect(store, &g, err);

	if (!rc && g.count)
		rc = try_all(store, &g, &notes, quiet, err);
	if (!rc && notes.count)
		rc = commit(store, &notes, err);
	free(g.items);
	return rc;
}

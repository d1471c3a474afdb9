/* SPDX-License-Identifier: Apache-2.0
 * Makes compressed blobs again. */
#include "tools/blob_maker.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- a blob that is asked for ---- */

static int open_tar(struct store *store, struct objects *objects,
		    const struct digest *diffid, struct stream **ret, struct err *err)
{
	struct stream *tar;
	int rc = layer_open(store, objects, diffid, &tar, NULL, err);

	return rc ? rc : stream_ahead(tar, COPY_SIZE, AHEAD_COUNT, ret, err);
}

static int find(struct store *store, const struct digest *blob,
		struct record_encoding *ret_how, struct record_blob *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_layer layer;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = catalog_encoding_get(t, blob, ret_how, err);
	if (!rc && ret_how->state != ENCODING_PROVED)
		rc = err_set(err, ERR_NOTFOUND, "it was not made again so far");
	if (!rc)
		rc = catalog_blob_get(t, blob, ret, err);
	if (!rc)
		rc = catalog_layer_get(t, &ret->diffid, &layer, err);
	if (!rc && layer.flags & LAYER_DAMAGED)
		rc = err_set(err, ERR_NOTFOUND, "its layer is damaged");
	return rc;
}

int blob_maker_find(struct store *store, const struct digest *blob,
		    struct record_blob *ret, struct err *err)
{
	struct record_encoding how;

	return find(store, blob, &how, ret, err);
}

struct made_stream {
	struct stream base, *in;
	struct hasher *hasher;
	struct digest digest;
	uint64_t left, skip; /* of all bytes; of those that are not wanted */
};

/* Another zlib than the one that was tried may make other bytes. */
static int made_wrong(const struct made_stream *m, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	return err_set(err, ERR_CORRUPT, "blob %s is not made as it was before",
		       digest_format(&m->digest, text));
}

static int check_end(struct made_stream *m, struct err *err)
{
	struct digest made;
	size_t len;
	char more;
	int rc = m->in->read(m->in, &more, 1, &len, err);

	if (rc)
		return rc;
	hasher_final(m->hasher, &made);
	return len || !digest_equal(&made, &m->digest) ? made_wrong(m, err) : 0;
}

static int made_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	struct made_stream *m = (struct made_stream *)s;
	size_t len = 0, drop;
	int rc = 0;

	while (!rc && !len && m->left) {
		rc = m->in->read(m->in, data, cap < m->left ? cap : m->left, &len, err);
		if (!rc && !len)
			rc = made_wrong(m, err);
		if (rc)
			return rc;
		hasher_update(m->hasher, data, len);
		m->left -= len;
		if (!m->left)
			rc = check_end(m, err);
		drop = len < m->skip ? len : m->skip;
		m->skip -= drop;
		len -= drop;
		memmove(data, (char *)data + drop, len);
	}
	if (!rc)
		*ret_len = len;
	return rc;
}

static void made_close(struct stream *s)
{
	struct made_stream *m = (struct made_stream *)s;

	stream_close(m->in);
	hasher_free(m->hasher);
	free(m);
}

int blob_maker_open(struct store *store, struct objects *objects,
		    const struct digest *blob, uint64_t at, struct stream **ret,
		    struct err *err)
{
	struct made_stream *m;
	struct record_encoding how;
	struct record_blob record;
	struct stream *in;
	int rc = find(store, blob, &how, &record, err);

	if (!rc)
		rc = open_tar(store, objects, &record.diffid, &in, err);
	if (!rc)
		rc = deflate_open_as(in, &how.how, 0, &in, err);
	if (rc)
		return rc;
	m = calloc(1, sizeof(*m));
	if (!m || hasher_new(&m->hasher, NULL)) {
		stream_close(in);
		free(m);
		return err_nomem(err);
	}
	m->base = (struct stream){made_read, made_close};
	m->in = in;
	m->digest = *blob;
	m->left = record.size;
	m->skip = at;
	*ret = &m->base;
	return 0;
}

/* ---- notes ---- */

int blob_notes_add(struct blob_notes *notes, const struct record_encoding *tried,
		   bool same, struct err *err)
{
	struct record_encoding one = *tried;

	if (tried->state != ENCODING_GUESSED)
		return 0;
	one.state = same ? ENCODING_PROVED : ENCODING_WRONG;
	return blob_notes_join(notes, &(struct blob_notes){&one, 1}, err);
}

int blob_notes_join(struct blob_notes *notes, const struct blob_notes *more,
		    struct err *err)
{
	struct record_encoding *items;

	if (!more->count)
		return 0;
	items = reallocarray(notes->items, notes->count + more->count, sizeof(*items));
	if (!items)
		return err_nomem(err);
	memcpy(items + notes->count, more->items, more->count * sizeof(*items));
	notes->items = items;
	notes->count += more->count;
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
	struct guess *items;
	size_t count;
	uint64_t bytes;
};

/* ERR_NOTFOUND: there is nothing to try. */
static int get_guess(struct catalog_txn *t, const struct digest *blob, struct guess *ret,
		     struct err *err)
{
	struct record_blob record;
	int rc = catalog_encoding_get(t, blob, &ret->how, err);

	if (!rc && ret->how.state != ENCODING_GUESSED)
		return -ERR_NOTFOUND;
	if (!rc)
		rc = catalog_blob_get(t, blob, &record, err);
	return rc ? rc : catalog_layer_get(t, &record.diffid, &ret->layer, err);
}

static int collect(struct store *store, const struct digest *blobs, size_t count,
		   struct guesses *g, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	g->items = calloc(count + 1, sizeof(*g->items));
	if (!g->items)
		return err_nomem(err);
	for (size_t i = 0; i < count && !rc; i++) {
		rc = get_guess(t, &blobs[i], &g->items[g->count], err);
		if (!rc)
			g->bytes += g->items[g->count++].layer.tar_size;
		if (rc == -ERR_NOTFOUND)
			rc = 0;
	}
	return rc;
}

static int try_guess(struct store *store, struct objects *objects,
		     const struct guess *guess, bool *ret_same, struct err *err)
{
	auto_stream struct stream *packed = NULL;
	struct stream *tar;
	struct digest digest;
	int rc = open_tar(store, objects, &guess->layer.diffid, &tar, err);

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

int blob_maker_prove(struct store *store, const struct digest *blobs, size_t count,
		     bool quiet, struct err *err)
{
	auto_blob_notes struct blob_notes notes = {0};
	struct guesses g = {0};
	int rc = collect(store, blobs, count, &g, err);

	if (!rc && g.count)
		rc = try_all(store, &g, &notes, quiet, err);
	if (!rc && notes.count)
		rc = commit(store, &notes, err);
	free(g.items);
	return rc;
}

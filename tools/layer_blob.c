/* SPDX-License-Identifier: Apache-2.0
 * A layer as others hold it. */
#include "tools/layer_blob.h"

#include <string.h>

#include "store/base/io.h"
#include "store/deflate.h"
#include "store/layer.h"
#include "tools/chunked/chunked_write.h"
#include "tools/chunked/stargz_write.h"
#include "tools/output.h"

#define COPY_SIZE   (1u << 20)
#define AHEAD_COUNT 4

/* ---- the tar, hashed on its way into the compressor ---- */

struct meter {
	struct stream base;
	struct stream *in;
	struct hasher *hasher;
	struct progress *progress;
	struct digest digest; /* once the end was read */
};

static int meter_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
		      struct err *err)
{
	struct meter *m = (struct meter *)s;
	int rc = m->in->read(m->in, data, cap, ret_len, err);

	if (rc)
		return rc;
	if (*ret_len) {
		hasher_update(m->hasher, data, *ret_len);
		progress_add(m->progress, *ret_len);
	} else {
		hasher_final(m->hasher, &m->digest);
	}
	return 0;
}

static void meter_close(struct stream *s)
{
	(void)s; /* it lives on the stack of its user */
}

static void meter_release(struct meter *m)
{
	stream_close(m->in);
	hasher_free(m->hasher);
}

static int meter_open(struct meter *m, struct store *store, struct objects *objects,
		      const struct digest *diffid, struct err *err)
{
	struct stream *tar;
	int rc;

	m->base = (struct stream){meter_read, meter_close};
	rc = hasher_new(&m->hasher, err);
	if (!rc)
		rc = layer_open(store, objects, diffid, &tar, NULL, err);
	/* Decoding what is stored, hashing and compressing go on side by side. */
	return rc ? rc : stream_ahead(tar, COPY_SIZE, AHEAD_COUNT, &m->in, err);
}

/* ---- copying ---- */

/* SPOOL: the file that gets it, or -1: DEST does. */
static int copy(struct stream *from, struct destination *dest, int spool,
		struct layer_blob *blob, struct err *err)
{
	auto_free char *chunk = malloc(COPY_SIZE);
	auto_hasher struct hasher *h = NULL;
	size_t len = 0;
	int rc = hasher_new(&h, err);

	if (!rc && !chunk)
		rc = err_nomem(err);
	while (!rc) {
		rc = from->read(from, chunk, COPY_SIZE, &len, err);
		if (rc || len == 0)
			break;
		if (blob->how != LAYER_BLOB_PLAIN)
			hasher_update(h, chunk, len);
		blob->size += len;
		rc = spool < 0 ? bundle_writer_write(dest->writer, chunk, len, err)
			       : io_write(spool, chunk, len, "a temporary file", err);
	}
	if (!rc && blob->how != LAYER_BLOB_PLAIN)
		hasher_final(h, &blob->digest);
	return rc;
}

static int end_file(struct destination *dest, const struct digest *diffid,
		    const struct layer_blob *blob, struct err *err)
{
	char name[DESTINATION_NAME_SIZE];

	return bundle_writer_end(
		dest->writer, destination_layer_name(dest, &blob->digest, diffid, name),
		err);
}

/* Closes PACKED. */
static int copy_packed(struct stream *packed, struct destination *dest,
		       struct layer_blob *blob, struct err *err)
{
	int rc = copy(packed, dest, -1, blob, err);

	stream_close(packed);
	return rc;
}

static int pack_stargz(struct stream *tar, int level, struct destination *dest, int spool,
		       struct layer_blob *blob, struct err *err)
{
	auto_stargz_write struct stargz_write *stargz = NULL;
	int rc = stargz_write_open(tar, level, 0, &stargz, err);

	if (!rc)
		rc = copy(stargz_write_stream(stargz), dest, spool, blob, err);
	if (!rc)
		blob->stargz = *stargz_write_toc(stargz, &blob->diffid, &blob->no_toc);
	return rc;
}

static int pack(struct stream *tar, const struct layer_blob_options *options,
		struct destination *dest, int spool, struct layer_blob *blob,
		struct err *err)
{
	auto_chunked_write struct chunked_write *chunked = NULL;
	struct stream *packed;
	int level = blob->kind == INFLATE_NONE ? 0 : options->level, rc;

	if (options->stargz)
		return pack_stargz(tar, level, dest, spool, blob, err);
	if (blob->how == LAYER_BLOB_MADE || !options->chunked) {
		rc = blob->how == LAYER_BLOB_MADE
			     ? deflate_open_as(tar, &blob->maker, 0, &packed, err)
			     : deflate_open(tar, blob->kind, level, 0, &packed, err);
		return rc ? rc : copy_packed(packed, dest, blob, err);
	}
	rc = chunked_write_open(tar, level, 0, &chunked, err);
	if (!rc)
		rc = copy(chunked_write_stream(chunked), dest, spool, blob, err);
	if (!rc)
		blob->toc = *chunked_write_toc(chunked, &blob->no_toc);
	return rc;
}

/* Packs the layer's tar, which is checked; into DEST unless SPOOL is a file. */
static int pack_tar(struct store *store, struct objects *objects,
		    const struct digest *diffid, const struct layer_blob_options *options,
		    struct destination *dest, int spool, struct progress *progress,
		    struct layer_blob *blob, struct err *err)
{
	struct meter m = {.progress = progress};
	int rc = meter_open(&m, store, objects, diffid, err);

	if (!rc && spool < 0)
		rc = bundle_writer_begin(dest->writer, err);
	if (!rc)
		rc = pack(&m.base, options, dest, spool, blob, err);
	if (!rc && !digest_equal(&m.digest, diffid))
		rc = err_set(err, ERR_CORRUPT, "its tar has another digest");
	if (!rc && blob->how == LAYER_BLOB_PLAIN)
		blob->digest = m.digest;
	meter_release(&m);
	return rc;
}

static int write_tar(struct store *store, struct objects *objects,
		     const struct digest *diffid,
		     const struct layer_blob_options *options, struct destination *dest,
		     struct progress *progress, struct layer_blob *blob, struct err *err)
{
	int rc = pack_tar(store, objects, diffid, options, dest, -1, progress, blob, err);

	return rc ? rc : end_file(dest, diffid, blob, err);
}

/* ---- with a table of contents, for a registry ---- */

static int send_spool(int spool, const struct digest *diffid, struct destination *dest,
		      struct layer_blob *blob, struct err *err)
{
	struct layer_blob sent = {.how = blob->how};
	auto_stream struct stream *in = NULL;
	int rc = stream_from_fd(spool, 0, blob->size, "a temporary file", &in, err);

	destination_expect_layer(dest, &blob->digest, blob->size);
	if (!rc)
		rc = bundle_writer_begin(dest->writer, err);
	if (!rc)
		rc = copy(in, dest, -1, &sent, err);
	return rc ? rc : end_file(dest, diffid, blob, err);
}

/* No record tells which blobs of a layer have a table, and one in eStargz is no form of it.
 * But the same blob is made every time, so it is asked for once its digest is known, before
 * it is sent. */
static int push_with_table(struct store *store, struct objects *objects,
			   const struct digest *diffid,
			   const struct layer_blob_options *options,
			   struct destination *dest, struct progress *progress,
			   struct layer_blob *blob, struct err *err)
{
	auto_fd int spool = -1;
	bool there;
	int rc;

	if (io_tmpfile(store_dirfd(store), &spool, NULL) < 0)
		return write_tar(store, objects, diffid, options, dest, progress, blob,
				 err);
	rc = pack_tar(store, objects, diffid, options, NULL, spool, progress, blob, err);
	if (!rc)
		rc = destination_has_layer(dest, &blob->digest, &there, err);
	if (rc)
		return rc;
	if (!there)
		return send_spool(spool, diffid, dest, blob, err);
	blob->how = LAYER_BLOB_THERE;
	return 0;
}

/* ---- what was kept ---- */

static int write_kept(struct objects *objects, const struct digest *diffid,
		      const struct digest *came, struct destination *dest,
		      struct layer_blob *blob, struct err *err)
{
	auto_stream struct stream *in = NULL;
	uint64_t size;
	int rc = objects_size(objects, came, &size, err);

	if (!rc)
		rc = objects_open(objects, came, 0, &in, err);
	destination_expect_layer(dest, came, rc ? 0 : size);
	if (!rc)
		rc = bundle_writer_begin(dest->writer, err);
	if (!rc)
		rc = copy(in, dest, -1, blob, err);
	if (!rc && !digest_equal(&blob->digest, came))
		rc = err_set(err, ERR_CORRUPT, "what was kept of it has another digest");
	return rc ? rc : end_file(dest, diffid, blob, err);
}

/* ---- choosing ---- */

int layer_blob_options_parse(const char *compression, int level,
			     struct layer_blob_options *ret, struct err *err)
{
	*ret = (struct layer_blob_options){.given = compression, .level = level};
	ret->stargz = compression && strcmp(compression, "estargz") == 0;
	if (ret->stargz || (compression && strcmp(compression, "gzip") == 0))
		ret->kind = INFLATE_GZIP;
	else if (compression && strncmp(compression, "zstd", 4) == 0)
		ret->kind = INFLATE_ZSTD;
	ret->chunked = compression && strcmp(compression, "zstd:chunked") == 0;
	if (level > deflate_level_max(ret->kind))
		return err_set(err, ERR_USAGE, "--level %d needs --compression with %s",
			       level, "such a level");
	return 0;
}

const char *layer_blob_media_type(enum inflate_kind kind)
{
	if (kind == INFLATE_GZIP)
		return DESCRIPTOR_OCI_LAYER "+gzip";
	return kind == INFLATE_ZSTD ? DESCRIPTOR_OCI_LAYER "+zstd" : DESCRIPTOR_OCI_LAYER;
}

static bool ends_in(const char *text, const char *end)
{
	size_t len = text ? strlen(text) : 0, end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static int kind_it_came_in(struct store *store, const struct digest *diffid,
			   const struct descriptor *came, enum inflate_kind *ret,
			   struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_blob blob;
	int rc = 0;

	*ret = ends_in(came->media_type, "zstd") ? INFLATE_ZSTD : INFLATE_GZIP;
	if (digest_equal(&came->digest, diffid)) {
		*ret = INFLATE_NONE;
		return 0;
	}
	rc = catalog_begin(store_catalog(store), false, &t, err);
	if (!rc)
		rc = catalog_blob_get(t, &came->digest, &blob, err);
	if (!rc && (blob.compression == INFLATE_GZIP || blob.compression == INFLATE_ZSTD))
		*ret = (enum inflate_kind)blob.compression;
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

/* What comes out is a blob of the layer in any case. */
static int write_again(struct store *store, struct objects *objects,
		       const struct digest *diffid, const struct record_encoding *how,
		       struct destination *dest, struct progress *progress,
		       struct blob_notes *notes, struct layer_blob *blob, struct err *err)
{
	const struct layer_blob_options none = {0};
	bool same;
	int rc;

	blob->how = LAYER_BLOB_MADE;
	blob->maker = how->how;
	rc = write_tar(store, objects, diffid, &none, dest, progress, blob, err);
	if (rc)
		return rc;
	same = digest_equal(&blob->digest, &how->blob);
	if (!same) {
		blob->how = LAYER_BLOB_ANEW;
		blob->toc = (struct descriptor_toc){0};
		blob->stargz = (struct descriptor_stargz){0};
	}
	return blob_notes_add(notes, how, same, err);
}

/* Whether the blob that came in this KIND is what is asked for. */
static bool will_do(const struct layer_blob_options *o, const struct descriptor *came,
		    enum inflate_kind kind)
{
	return (!o->given || o->kind == kind) && !o->level &&
	       (!o->chunked || came->toc.given) && (!o->stargz || came->stargz.given);
}

static int write_anew(struct store *store, struct objects *objects,
		      const struct digest *diffid,
		      const struct layer_blob_options *options, struct destination *dest,
		      struct progress *progress, struct layer_blob *blob, struct err *err)
{
	bool table = options->stargz || options->chunked;

	blob->how = LAYER_BLOB_ANEW;
	if (table && dest->kind == DESTINATION_REGISTRY)
		return push_with_table(store, objects, diffid, options, dest, progress,
				       blob, err);
	return write_tar(store, objects, diffid, options, dest, progress, blob, err);
}

int layer_blob_write(struct store *store, struct objects *objects,
		     const struct digest *diffid, const struct descriptor *came,
		     const struct layer_blob_options *options, struct destination *dest,
		     struct progress *progress, struct blob_notes *notes,
		     struct layer_blob *ret, struct err *err)
{
	struct layer_blob blob = {.diffid = *diffid};
	struct record_encoding how;
	enum inflate_kind kind;
	uint64_t size;
	int rc = kind_it_came_in(store, diffid, came, &kind, err);

	if (rc)
		return rc;
	blob.kind = options->given ? options->kind : kind;
	if (blob.kind == INFLATE_NONE) {
		blob.how = LAYER_BLOB_PLAIN;
		rc = write_tar(store, objects, diffid, options, dest, progress, &blob,
			       err);
	} else if (will_do(options, came, kind) &&
		   objects_size(objects, &came->digest, &size, NULL) == 0) {
		blob.how = LAYER_BLOB_KEPT;
		blob.toc = came->toc;
		blob.stargz = came->stargz;
		rc = write_kept(objects, diffid, &came->digest, dest, &blob, err);
	} else if (will_do(options, came, kind) && kind == INFLATE_GZIP &&
		   !options->stargz && !options->anew &&
		   blob_maker_get(store, &came->digest, &how, NULL) == 0) {
		blob.toc = came->toc;
		blob.stargz = came->stargz;
		rc = write_again(store, objects, diffid, &how, dest, progress, notes,
				 &blob, err);
	} else {
		rc = write_anew(store, objects, diffid, options, dest, progress, &blob,
				err);
	}
	blob.same = digest_equal(&blob.digest, &came->digest);
	if (!rc)
		*ret = blob;
	return rc;
}

void layer_blob_tell(const struct layer_blob *blob, const struct descriptor *came,
		     size_t n, size_t count, bool quiet)
{
	static const char *const how[] = {
		[LAYER_BLOB_PLAIN] = "the plain tar",
		[LAYER_BLOB_KEPT] = "kept at import",
		[LAYER_BLOB_MADE] = "made again by ",
		[LAYER_BLOB_ANEW] = "compressed anew",
		[LAYER_BLOB_THERE] = "already there",
	};
	char now[DIGEST_TEXT_SIZE], was[DIGEST_TEXT_SIZE], maker[ENCODING_NAME_SIZE];

	digest_format(&blob->digest, now);
	digest_format(&came->digest, was);
	if (blob->how == LAYER_BLOB_THERE && !blob->same)
		output_notice(quiet, "layer %zu of %zu %s: %s", n, count, now,
			      how[blob->how]);
	else if (blob->same)
		output_notice(quiet, "layer %zu of %zu %s: identical, %s%s", n, count,
			      now, how[blob->how],
			      blob->how == LAYER_BLOB_MADE
				      ? encoding_name(&blob->maker, maker)
				      : "");
	else
		output_notice(quiet, "layer %zu of %zu %s: %s, it came as %s", n, count,
			      now, how[blob->how], was);
	if (blob->no_toc)
		output_notice(quiet,
			      "layer %zu of %zu is plain %s: no table of contents can "
			      "have %s",
			      n, count, blob->kind == INFLATE_GZIP ? "gzip" : "zstd",
			      blob->no_toc);
}

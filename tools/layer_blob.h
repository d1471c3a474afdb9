/* SPDX-License-Identifier: Apache-2.0
 * A layer as others hold it: its compressed form. The very bytes it came in where they can
 * be had, else a new compression of the same tar.
 */
#ifndef TOOLS_LAYER_BLOB_H
#define TOOLS_LAYER_BLOB_H

#include "store/inflate.h"
#include "store/object.h"
#include "tools/blob_maker.h"
#include "tools/oci/destination.h"
#include "tools/progress.h"

struct layer_blob_options {
	bool given;             /* KIND is wanted; else the kind it came in */
	enum inflate_kind kind; /* not INFLATE_OTHER */
	bool chunked;           /* zstd with a table of contents (chunked_write.h) */
	bool stargz; /* gzip with one (stargz_write.h): the DiffID becomes another */
	bool anew; /* nothing is made again as it was, which may take ten times as long */
	int level; /* 0: the default, and the bytes it came in will do */
};

enum layer_blob_how {
	LAYER_BLOB_PLAIN = 1, /* the tar itself */
	LAYER_BLOB_KEPT,      /* the bytes that were kept at import */
	LAYER_BLOB_MADE,      /* made again just as it was */
	LAYER_BLOB_ANEW,      /* compressed now */
	LAYER_BLOB_THERE,     /* the destination has it (image_there.h) */
};

struct layer_blob {
	struct digest digest;
	uint64_t size;
	enum inflate_kind kind;
	enum layer_blob_how how;
	bool same;             /* it is the blob that the manifest names */
	struct encoding maker; /* of LAYER_BLOB_MADE */
	struct digest diffid;  /* of the tar in it */
	struct descriptor_toc toc;
	struct descriptor_stargz stargz;
	const char *no_toc; /* why it has none though one was asked for, or NULL */
};

/* What --compression takes. */
#define LAYER_BLOB_COMPRESSIONS "none gzip zstd zstd:chunked estargz"

/* Reads one of these; NULL: as the layers came. LEVEL 0: the
 * default. ERR_USAGE: there is no such level. */
int layer_blob_options_parse(const char *compression, int level,
			     struct layer_blob_options *ret, struct err *err) MUST_CHECK;

/* The media type of OCI for a layer in this compression. */
const char *layer_blob_media_type(enum inflate_kind kind);

/* Writes the layer to DEST. CAME: its descriptor in the image's manifest. The plain bytes
 * are checked against the DiffID, what was kept against its digest: ERR_CORRUPT. A guess at
 * how the blob was made is tried by writing what it makes; NOTES gets what came out of it. */
int layer_blob_write(struct store *store, struct objects *objects,
		     const struct digest *diffid, const struct descriptor *came,
		     const struct layer_blob_options *options, struct destination *dest,
		     struct progress *progress, struct blob_notes *notes,
		     struct layer_blob *ret, struct err *err) MUST_CHECK;

/* A line on stderr on what became of layer N (from 1) of COUNT. */
void layer_blob_tell(const struct layer_blob *blob, const struct descriptor *came,
		     size_t n, size_t count, bool quiet);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * A layer as others hold it: its compressed form. The very bytes it came in where they can
 * be had, else a new compression of the same tar.
 */
#ifndef TOOLS_LAYER_BLOB_H
#define TOOLS_LAYER_BLOB_H

#include "store/inflate.h"
#include "store/object.h"
#include "tools/oci/destination.h"
#include "tools/progress.h"

struct layer_blob_options {
	bool given;             /* KIND is wanted; else the kind it came in */
	enum inflate_kind kind; /* not INFLATE_OTHER */
	int level;              /* 0: the default, and the bytes it came in will do */
};

enum layer_blob_how {
	LAYER_BLOB_PLAIN = 1, /* the tar itself */
	LAYER_BLOB_KEPT,      /* the bytes that were kept at import */
	LAYER_BLOB_ANEW,      /* compressed now */
	LAYER_BLOB_THERE,     /* the destination has it (image_there.h) */
};

struct layer_blob {
	struct digest digest;
	uint64_t size;
	enum inflate_kind kind;
	enum layer_blob_how how;
	bool same; /* it is the blob that the manifest names */
};

/* The media type of OCI for a layer in this compression. */
const char *layer_blob_media_type(enum inflate_kind kind);

/* Writes the layer to DEST. CAME: its descriptor in the image's manifest. The plain bytes
 * are checked against the DiffID, what was kept against its digest: ERR_CORRUPT. */
int layer_blob_write(struct store *store, struct objects *objects,
		     const struct digest *diffid, const struct descriptor *came,
		     const struct layer_blob_options *options, struct destination *dest,
		     struct progress *progress, struct layer_blob *ret,
		     struct err *err) MUST_CHECK;

#endif

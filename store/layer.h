/* SPDX-License-Identifier: Apache-2.0
 * A layer in, a layer out.
 *
 * In: bytes -> digest check -> decode -> DiffID -> scan -> objects, recipe, tree, all in a
 * session; nothing is visible before the session commits. Decoding runs in a thread of its
 * own, compression in the session's pool. Several layers may be ingested at once into one
 * session, each by its own thread.
 *
 * Out: the identical tar.
 */
#ifndef STORE_LAYER_H
#define STORE_LAYER_H

#include "store/inflate.h"
#include "store/recipe.h"
#include "store/session.h"
#include "store/tar_scan.h"
#include "store/tree_model.h"

/* What the source says of the layer; zero or UINT64_MAX means: it does not say. Everything
 * said is checked. */
struct layer_expect {
	struct digest blob;   /* of the compressed bytes */
	uint64_t blob_size;   /* compressed bytes */
	struct digest diffid; /* of the tar */
	bool any_filter;      /* accept xz, bzip2, ... (tar:) */
};

struct layer_limits {
	struct tar_limits tar;
	uint64_t ratio;      /* 2000: decoded over compressed bytes, checked ... */
	uint64_t ratio_from; /* ... above 4 GiB decoded */
};

void layer_limits_default(struct layer_limits *limits);

/* Bytes of one layer's tree image. */
#define LAYER_TREE_MAX (2ull << 30)

struct layer {
	struct record_layer record;
	struct record_blob blob;
	struct buf tree; /* the tree image; the caller releases it */
};

/* Told now and then, from the ingesting thread: compressed bytes read so far. Returns < 0
 * (ERR_CANCELED set) to stop. May be NULL. */
typedef int layer_progress_fn(void *arg, uint64_t compressed, struct err *err);

/* Reads the layer from IN (owned from here on, also on failure), puts objects, recipe and
 * tree frames into the session and adds the LAYER and BLOB items. NAME is for error texts
 * ("layer sha256:..."). LIMITS NULL: the defaults. ERR_INVALID, ERR_LIMIT: bad input. */
int layer_ingest(struct session *s, struct stream *in, const char *name,
		 const struct layer_expect *expect, const struct layer_limits *limits,
		 layer_progress_fn *progress, void *progress_arg, struct layer *ret,
		 struct err *err) MUST_CHECK;

void layer_release(struct layer *l);

/* The layer's tar, from recipe and objects. */
int layer_open(struct store *s, struct objects *o, const struct digest *diffid,
	       struct stream **ret, struct record_layer *ret_record,
	       struct err *err) MUST_CHECK;

/* The same from byte AT on. */
int layer_open_at(struct store *s, struct objects *o, const struct digest *diffid,
		  uint64_t at, struct stream **ret, struct err *err) MUST_CHECK;

/* Rebuilds the layer's tree image from its recipe alone (repair, or a newer tree writer).
 * OUT is empty and gets the image. */
int layer_rebuild_tree(struct store *s, const struct record_layer *layer, struct buf *out,
		       struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Blobs as clients ask for them, by digest: what waits among the uploads, objects of the store
 * (documents, kept layers, parts of artifacts), and layers as plain tars. Whatever is given
 * out is exactly what the digest names.
 */
#ifndef TOOLS_SERVE_BLOBS_H
#define TOOLS_SERVE_BLOBS_H

#include "store/object.h"
#include "tools/serve/uploads.h"

enum blobs_where {
	BLOBS_SPOOLED = 1,
	BLOBS_OBJECT,
	BLOBS_TAR, /* the digest is a DiffID */
};

struct blobs {
	struct store *store;
	struct objects *objects;
	struct uploads *uploads; /* NULL: there are none */
};

struct blobs_found {
	enum blobs_where where;
	struct digest digest;
	uint64_t size;
	struct spooled *spooled;
};

/* ERR_NOTFOUND: it is not to be had with these bytes. The result is released. */
int blobs_find(const struct blobs *b, const struct digest *digest,
	       struct blobs_found *ret, struct err *err) MUST_CHECK;
void blobs_release(const struct blobs *b, struct blobs_found *found);

/* Its bytes from AT on. Takes FOUND over, also on failure. B must live until the stream is
 * closed. */
int blobs_open(const struct blobs *b, struct blobs_found *found, uint64_t at,
	       struct stream **ret, struct err *err) MUST_CHECK;

/* As blobs_find, without the uploads and without keeping anything. */
int blobs_stored(const struct blobs *b, const struct digest *digest, uint64_t *ret_size,
		 struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Manifests that are kept for their own sake: signatures, build caches, indexes of such. The
 * store does not understand them; whoever puts one says what belongs to it, so that gc keeps
 * that too: objects, blobs of layers, tars of layers, images, other artifacts.
 *
 * An artifact is kept while it has a name, another one that is kept lists it, or what it is
 * about is kept.
 */
#ifndef STORE_ARTIFACT_H
#define STORE_ARTIFACT_H

#include "store/object.h"
#include "store/session.h"

#define ARTIFACT_NEEDS_MAX 65536

/* Puts the manifest's bytes verbatim and the list of what it needs. SUBJECT: what it is
 * about; NULL: nothing. ERR_LIMIT: it needs too much. */
int artifact_put(struct session *s, const void *manifest, size_t len,
		 const struct digest *subject, const struct digest *needs, size_t count,
		 struct digest *ret, struct err *err) MUST_CHECK;

/* Appends the digests of what it needs, one after the other, to BUF. */
int artifact_needs(struct objects *o, const struct record_artifact *artifact,
		   struct buf *buf, struct err *err) MUST_CHECK;

#endif

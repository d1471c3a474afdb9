/* SPDX-License-Identifier: Apache-2.0
 * Parts of artifacts on their way into the store: bytes that it does not understand.
 */
#ifndef TOOLS_ARTIFACT_BLOB_H
#define TOOLS_ARTIFACT_BLOB_H

#include "store/base/stream.h"
#include "store/session.h"

/* Stores all of IN, which must have the digest WANT: ERR_INVALID. */
int artifact_blob_put(struct session *s, struct stream *in, const struct digest *want,
		      struct err *err) MUST_CHECK;

#endif

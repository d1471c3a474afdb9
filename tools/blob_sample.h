/* SPDX-License-Identifier: Apache-2.0
 * The first compressed bytes of a layer, noted while it is imported: by them its encoder is
 * guessed (store/encoding.h), so that export can make the same blob again.
 */
#ifndef TOOLS_BLOB_SAMPLE_H
#define TOOLS_BLOB_SAMPLE_H

#include "store/encoding.h"
#include "store/session.h"

/* On the caller's stack, for longer than its stream lives. */
struct blob_sample {
	struct stream base;
	struct stream *in;
	uint8_t *bytes;
	size_t len;
	bool whole;            /* the end was read, and all of it is here */
	struct hasher *hasher; /* of all that was read; NULL: not asked for */
};

/* *ret gives what IN has; IN belongs to it, also on failure. */
int blob_sample_open(struct blob_sample *s, struct stream *in, struct stream **ret,
		     struct err *err) MUST_CHECK;

/* When all was read: adds an ENCODING item for BLOB if the encoder can be guessed. */
int blob_sample_finish(const struct blob_sample *s, struct session *session,
		       const struct digest *blob, struct err *err) MUST_CHECK;

/* Reads a whole blob of a layer that the store has: adds BLOB and ENCODING items if its
 * digest is BLOB and its tar is DIFFID. IN is owned, also on failure. ERR_INVALID. */
int blob_sample_known(struct session *session, struct stream *in,
		      const struct digest *blob, uint64_t size,
		      const struct digest *diffid, struct err *err) MUST_CHECK;

/* Also of a zeroed one. */
void blob_sample_release(struct blob_sample *s);

#endif

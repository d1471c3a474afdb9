/* SPDX-License-Identifier: Apache-2.0
 * Keeps the compressed bytes of a layer beside the layer: an object named by their SHA-256,
 * from which export gives them out again.
 */
#ifndef TOOLS_BLOB_KEEPER_H
#define TOOLS_BLOB_KEEPER_H

#include "store/base/stream.h"
#include "store/session.h"

/* On the caller's stack, for longer than its stream lives. */
struct blob_keeper {
	struct stream base;
	struct stream *in;
	struct session_writer *writer;
};

/* *ret gives what IN has and keeps a copy; IN belongs to it, also on failure. */
int blob_keeper_open(struct blob_keeper *k, struct session *s, struct stream *in,
		     struct stream **ret, struct err *err) MUST_CHECK;

/* When all was read: the object is there once the session commits. ERR_INVALID if what was
 * read is not EXPECT. */
int blob_keeper_finish(struct blob_keeper *k, struct session *s,
		       const struct digest *expect, struct err *err) MUST_CHECK;

/* Also of a zeroed one. */
void blob_keeper_release(struct blob_keeper *k);

/* Reads a whole blob of a layer that the store has: keeps it if its digest is BLOB and its
 * tar is DIFFID, and adds the BLOB item. IN is owned, also on failure. ERR_INVALID. */
int blob_keeper_known(struct session *s, struct stream *in, const struct digest *blob,
		      uint64_t size, const struct digest *diffid,
		      struct err *err) MUST_CHECK;

#endif

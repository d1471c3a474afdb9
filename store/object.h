/* SPDX-License-Identifier: Apache-2.0
 * Reading content by digest: finds the frame, decodes it once for all who wait (single
 * flight), keeps decoded frames in a bounded cache, copies the wanted bytes.
 *
 * Thread-safe. No read returns bytes of a frame whose checksum is wrong: ERR_CORRUPT. A
 * missing pack or a bad checksum makes one more lookup (the object may have been moved)
 * before it is reported.
 */
#ifndef STORE_OBJECT_H
#define STORE_OBJECT_H

#include "store/base/stream.h"
#include "store/store.h"

struct objects;

/* CACHE_BYTES bounds the decoded frames kept (frames in use are over it). */
int objects_new(struct store *s, size_t cache_bytes, struct objects **ret,
		struct err *err) MUST_CHECK;
void objects_free(struct objects *o); /* NULL is ignored */

AUTO_DEFINE(objects, struct objects, objects_free)
#define auto_objects AUTO(objects)

/* Logical size. ERR_NOTFOUND. */
int objects_size(struct objects *o, const struct digest *d, uint64_t *ret,
		 struct err *err) MUST_CHECK;

/* Copies up to LEN bytes from OFF on; *ret_len is less only at the end of the content. */
int objects_read(struct objects *o, const struct digest *d, uint64_t off, void *data,
		 size_t len, size_t *ret_len, struct err *err) MUST_CHECK;

/* The content from byte AT on, as a stream (object_stream.c); O outlives it. Whether it is there
 * shows when it is read. */
int objects_open(struct objects *o, const struct digest *d, uint64_t at,
		 struct stream **ret, struct err *err) MUST_CHECK;

/* Appends the whole content to BUF (bounded by buf->max): documents. */
int objects_read_all(struct objects *o, const struct digest *d, struct buf *buf,
		     struct err *err) MUST_CHECK;

/* Starts decoding of the frame that holds the first bytes of D, without waiting, if a
 * readahead thread is idle. Never fails. */
void objects_readahead(struct objects *o, const struct digest *d);

/* Whether objects_readahead would do anything now. */
bool objects_readahead_idle(const struct objects *o);

/* Whether reading the first bytes of D needs no decoding any more. What cannot be found is
 * nothing to wait for either. */
bool objects_is_decoded(struct objects *o, const struct digest *d);

/* Has the frame that holds the first bytes of D read from disk, unless it is decoded. Does not
 * wait for that, and never fails. */
void objects_fetch(struct objects *o, const struct digest *d);

struct objects_stats {
	uint64_t hits, misses, decoded_bytes, cached_bytes, errors;
};
void objects_stats(struct objects *o, struct objects_stats *ret);

#endif

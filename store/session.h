/* SPDX-License-Identifier: Apache-2.0
 * An import session: everything one import (or snapshot) brings in, visible all at once or
 * never. It appends to a pack of its own (flock), remembers what it added, and commits
 * packs, layers, chains, documents, image and name in one journal record.
 *
 *	session_begin
 *	  session_put_object ...      from any number of threads
 *	  session_put_frame ...       recipes, trees
 *	  session_put_document ...
 *	  session_add (layer, chain, blob, image, ref items)
 *	session_commit | session_abort
 *
 * Objects: content that the store or this session already has is not stored again. New
 * small content is grouped with its like (by file name extension) into frames of
 * at most SESSION_GROUP bytes; large content is cut into chunks, and each chunk is looked up by
 * itself. Full groups are compressed by a pool of threads and appended to the pack.
 * Memory: about SESSION_MEMORY for data in flight (then session_put_object waits), plus
 * about 80 bytes per new object.
 */
#ifndef STORE_SESSION_H
#define STORE_SESSION_H

#include "store/store.h"

#define SESSION_GROUP  (2u << 20)
#define SESSION_MEMORY (32u << 20)

struct session;

struct session_options {
	int level;        /* zstd level; 0: CODEC_LEVEL_DEFAULT */
	unsigned threads; /* compressing threads; 0: one per CPU */
};

/* Starts the pool; a free pack (or a new one) is taken for the first frame, so a session
 * that finds everything known touches none. OPTIONS may be NULL. */
int session_begin(struct store *store, const struct session_options *options,
		  struct session **ret, struct err *err) MUST_CHECK;

/* Drops everything: the pack is cut back. NULL is ignored. */
void session_abort(struct session *s);

AUTO_DEFINE(session, struct session, session_abort)
#define auto_session AUTO(session)

struct store *session_store(struct session *s);

/* Whether the store or this session has the object. */
bool session_has_object(struct session *s, const struct digest *d);

/* Stores whole content whose digest the caller has computed (it is trusted). NAME: the
 * file's base name, for grouping; may be NULL. Content above CHUNK_THRESHOLD is chunked.
 * *ret_new: bytes that were new (0 if known), may be NULL. Thread-safe; DATA may be reused
 * on return. */
int session_put_object(struct session *s, const struct digest *d, const void *data,
		       size_t len, const char *name, uint64_t *ret_new,
		       struct err *err) MUST_CHECK;

/* The same for content that does not fit in memory: written in pieces, its digest computed
 * on the way and given by finish. If the whole content proves to be known, its new chunks
 * stay as unused bytes of the pack. Not thread-safe per writer. A writer that is not finished
 * is freed before its session ends. Zero runs of logical
 * content are passed with session_write_zeros, which costs no memory traffic beyond
 * hashing. */
struct session_writer;
int session_writer_new(struct session *s, const char *name, struct session_writer **ret,
		       struct err *err) MUST_CHECK;
int session_write(struct session_writer *w, const void *data, size_t len,
		  struct err *err) MUST_CHECK;
int session_write_zeros(struct session_writer *w, uint64_t len,
			struct err *err) MUST_CHECK;
int session_writer_finish(struct session_writer *w, struct digest *ret,
			  uint64_t *ret_size, uint64_t *ret_new,
			  struct err *err) MUST_CHECK;
void session_writer_free(struct session_writer *w); /* NULL is ignored */
AUTO_DEFINE(session_writer, struct session_writer, session_writer_free)
#define auto_session_writer AUTO(session_writer)

/* Compresses and appends a frame without a table (PACK_RECIPE, PACK_TREE). Thread-safe. */
int session_put_frame(struct session *s, enum pack_frame_type type, const void *data,
		      size_t len, struct pack_place *ret, struct err *err) MUST_CHECK;

/* Stores a document verbatim under its SHA-256 (computed here, given back). */
int session_put_document(struct session *s, const void *data, size_t len,
			 struct digest *ret, struct err *err) MUST_CHECK;

/* An object of this session is wanted for itself: what the store does not have of these makes
 * the session commit, if there are items at all, even if all items are known. Thread-safe. */
int session_keep(struct session *s, const struct digest *d, struct err *err) MUST_CHECK;

/* Adds an item for the commit; strings and arrays are copied. Thread-safe. RECORD_LAYER and
 * RECORD_CHAIN get their tree numbers at commit (`number` is ignored); layers, chains, blobs,
 * images and artifacts that are there already are dropped; RECORD_REF that changes nothing is dropped
 * too, and so is RECORD_KEY (its time is set here). A layer added here replaces nothing but one that is damaged (LAYER_DAMAGED). */
int session_add(struct session *s, const struct record_item *item,
		struct err *err) MUST_CHECK;

/* Keys that this session adds (RECORD_KEY) may take the place of ones that lead to other
 * chains. Without it such a commit fails: ERR_BUSY, as somebody was faster. */
void session_replace_keys(struct session *s);

/* Looks at what this session has added so far, then at the store. */
int session_layer_get(struct session *s, const struct digest *diffid,
		      struct record_layer *ret, struct err *err) MUST_CHECK;

/* Writes out all open groups and waits for the pool. Frames put so far can then be read
 * back with packs of session_store (by their place). */
int session_flush(struct session *s, struct err *err) MUST_CHECK;

/* Flush, sync, commit. Frees the session in any case. If nothing was added, nothing is
 * written and the pack is as before. A document that the store did not have counts as
 * added, if there are items at all. */
int session_commit(struct session *s, struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * What the parts of a session share: session.c (begin, put, end), session_pack.c (frames
 * into packs), session_chunks.c (large content), session_writer.c (streamed content),
 * session_commit.c (items, commit). Included by these only.
 */
#ifndef STORE_SESSION_PRIVATE_H
#define STORE_SESSION_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/base/workers.h"
#include "store/chunk.h"
#include "store/group.h"
#include "store/pending.h"
#include "store/session.h"

_Static_assert(SESSION_GROUP == GROUP_SIZE, "a group is one frame");

/* A pack of this session and where its frames begin. */
struct session_pack {
	struct pack_writer *writer;
	uint64_t from;
};

struct session_item {
	struct record_item item;
	void *memory; /* what the item's pointers point into */
};

struct session_encoder;

struct session {
	struct store *store;
	int level;
	struct workers *workers;
	struct groups *groups;
	struct pins *pins;
	uint64_t pins_state; /* when the session began */
	struct pending *pending;

	/* Set once, by whoever fails first; FAILURE is complete when FAILED is seen. */
	_Atomic bool failed;
	struct err failure;

	pthread_mutex_t lock; /* failure, encoders, items, documents */
	struct session_encoder *encoders;
	struct session_item *items;
	size_t item_count, item_cap;
	struct digest *documents; /* (and kept objects) that the store did not have */
	size_t document_count;

	pthread_mutex_t pack_lock;
	struct session_pack *packs; /* the last one is appended to */
	size_t pack_count;
	bool replace_keys;
	bool pack_settled; /* no other pack is taken, however long this one gets */
};

/* ---- session.c ---- */

/* The first failure of any part, as the caller's own. */
int session_check(struct session *s, struct err *err) MUST_CHECK;

/* Remembers a failure: from here on every call gives it. ERR must be set. */
void session_poison(struct session *s, const struct err *err);

/* Stores content of at most GROUP_SIZE bytes in the bin, unless known. */
int session_put_piece(struct session *s, unsigned bin, const struct digest *d,
		      const void *data, size_t len, uint64_t *ret_new,
		      struct err *err) MUST_CHECK;

/* Claims a chunked object; *ret_known: nothing is to be done. */
int session_claim_chunked(struct session *s, const struct digest *d, bool *ret_known,
			  uint32_t *ret_id, struct err *err) MUST_CHECK;

void session_free(struct session *s);

/* ---- session_pack.c ---- */

/* Compresses and appends one frame to the current pack, taking another pack when that is
 * full. Thread-safe. */
int session_pack_append(struct session *s, enum pack_frame_type type,
			const struct pack_entry *table, uint32_t count, const void *data,
			size_t len, struct pack_place *ret, struct err *err) MUST_CHECK;

/* The same for a frame of another pack, as it was read. */
int session_pack_copy(struct session *s, const struct pack_frame *f,
		      struct pack_place *ret, struct err *err) MUST_CHECK;

/* Takes a pack now, for all that is still to come: the store lock may then be held while
 * frames are appended. */
int session_pack_settle_on(struct session *s, struct err *err) MUST_CHECK;

int session_pack_sync(struct session *s, struct err *err) MUST_CHECK;
/* Both leave the session without packs: CLOSE keeps what was appended, ABORT cuts it. */
void session_pack_close(struct session *s);
void session_pack_abort(struct session *s);
void session_pack_free_encoders(struct session *s);

/* ---- session_chunks.c ---- */

/* Large content on its way into chunks. */
struct session_chunks {
	struct session *session;
	unsigned bin;
	struct buf list; /* chunk_list.h */
	uint64_t size;   /* of the content so far */
	uint64_t fresh;  /* bytes of it that were new */
};

void session_chunks_begin(struct session_chunks *c, struct session *s);
void session_chunks_end(struct session_chunks *c);

/* Cuts DATA, which follows what was fed before. Unless it is the LAST, the bytes from
 * *ret_used on (less than CHUNK_MAX) are to be given again with more behind them. */
int session_chunks_feed(struct session_chunks *c, const uint8_t *data, size_t len,
			bool last, size_t *ret_used, struct err *err) MUST_CHECK;
int session_chunks_hole(struct session_chunks *c, uint64_t len,
			struct err *err) MUST_CHECK;

/* Stores the list: the claimed object ID has the content D. */
int session_chunks_finish(struct session_chunks *c, const struct digest *d, uint32_t id,
			  struct err *err) MUST_CHECK;

/* ---- session_commit.c ---- */

void session_commit_free_items(struct session *s);

/* Adds PACK items for all that was appended. */
int session_commit_packs(struct session *s, struct commit *c, struct err *err) MUST_CHECK;

/* After a store_commit that failed with FAILURE: 0 if it has happened all the same. The packs
 * are closed or cut back. */
int session_commit_settle(struct session *s, const struct err *failure,
			  struct err *err) MUST_CHECK;

#endif

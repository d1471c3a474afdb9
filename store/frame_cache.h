/* SPDX-License-Identifier: Apache-2.0
 * Decoded frames in memory: read and checked once for all who want one at the same time
 * (single flight), kept until room is needed, least recently used first. Thread-safe.
 *
 * Knows places, not objects. A frame never changes, so nothing is ever invalidated.
 */
#ifndef STORE_FRAME_CACHE_H
#define STORE_FRAME_CACHE_H

#include <stdbool.h>

#include "store/pack.h"

struct frame_cache;

/* A decoded body. Borrowed from frame_cache_get to frame_cache_put. */
struct frame {
	const uint8_t *data;
	size_t len;
	enum pack_frame_type type;
};

/* BYTES bounds the memory of frames; those in use may exceed it. */
int frame_cache_new(struct packs *packs, size_t bytes, struct frame_cache **ret,
		    struct err *err) MUST_CHECK;
/* No frame is in use any more. NULL is ignored. */
void frame_cache_free(struct frame_cache *c);

AUTO_DEFINE(frame_cache, struct frame_cache, frame_cache_free)
#define auto_frame_cache AUTO(frame_cache)

/* Waits if another thread is decoding the frame just then; all of them get the same error.
 * A failure is not remembered: the next call tries again. Errors are pack_read_body's. */
int frame_cache_get(struct frame_cache *c, const struct pack_place *at,
		    struct frame **ret, struct err *err) MUST_CHECK;
void frame_cache_put(struct frame_cache *c, struct frame *f); /* NULL is ignored */

/* Whether the frame is there, or on its way. Does not make it any younger. */
bool frame_cache_has(struct frame_cache *c, const struct pack_place *at);

struct frame_cache_stats {
	uint64_t hits, misses, decoded_bytes, cached_bytes;
};
void frame_cache_stats(struct frame_cache *c, struct frame_cache_stats *ret);

#endif

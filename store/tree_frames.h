/* SPDX-License-Identifier: Apache-2.0
 * A layer's tree image in its pack: cut into pieces, each a PACK_TREE frame that says where
 * the next one is (FORMAT.md "Trees in packs"). Derived data: a missing or damaged one is
 * rebuilt from the layer's recipe.
 *
 *	body := "LCTF0001" | u64 bytes of the image from here on | u32 pack, u32 frame length,
 *	        u64 frame offset of the next piece (all zero: this is the last) | bytes
 */
#ifndef STORE_TREE_FRAMES_H
#define STORE_TREE_FRAMES_H

#include "store/session.h"

#define TREE_FRAME_MAGIC  "LCTF0001"
#define TREE_FRAME_HEADER 32
#define TREE_FRAME_PIECE  (1u << 20) /* bytes of the image in one frame */

/* Puts the image into the session's pack; *ret is its first frame. Thread-safe. */
int tree_frames_put(struct session *s, const void *image, size_t len,
		    struct pack_place *ret, struct err *err) MUST_CHECK;

/* Reads it back, appended to OUT (bounded by out->max). ERR_CORRUPT, also for a loop;
 * ERR_NOTFOUND: AT is no place (pack 0) or its pack is gone. Any thread. */
int tree_frames_get(struct packs *packs, const struct pack_place *at, struct buf *out,
		    struct err *err) MUST_CHECK;

/* Where its frames lie. */
typedef int tree_frames_fn(void *arg, const struct pack_place *at, struct err *err);
int tree_frames_each(struct packs *packs, const struct pack_place *at,
		     tree_frames_fn *each, void *arg, struct err *err) MUST_CHECK;

#endif

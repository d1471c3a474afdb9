/* SPDX-License-Identifier: Apache-2.0
 * gc: gives back what nothing needs any more.
 *
 * Needed is what has a name or a key, is in use (the caller says what is mounted or leased; a tree
 * file that any process has open counts too; running sessions tell by pins.h), or was
 * committed or used within the time of grace. Keys that nobody used for long go where the
 * caller says so (keep_keys, max_size), unless their result is needed anyway. From there:
 * images to their documents and chains, chains to the chains below and to layers, layers to
 * their recipes, recipes to objects, chunked objects to chunks, objects to frames of packs.
 * Artifacts (artifact.h) keep what they list.
 *
 * In this order, each step a commit of its own, so that a crash anywhere leaves a store with
 * nothing missing, only with something to be collected by the next gc:
 *
 *	1. keys that nobody uses: UNKEY; layers, chains, blobs, images that are not needed:
 *	   GONE; decided under the store lock
 *	2. what objects and frames the rest needs: read without any lock
 *	3. a pack with less than half of it needed: the rest is copied to other packs; then, in
 *	   one commit, layers that came since are looked at, what they or running sessions need
 *	   is copied too, PACK and PACK_GONE; then the file is removed
 *	4. what crashes left: packs nobody knows, tails of packs, tree files without a tree
 *	5. a journal that mostly tells of what is gone becomes one record
 *
 * Imports go on all the time (they wait for single commits); readers that held on to a place
 * look it up again. One gc at a time, and none while verify or repair runs: it waits.
 * Memory: about 20 bytes for each object of the store.
 */
#ifndef STORE_GC_H
#define STORE_GC_H

#include "store/store.h"

/* Seconds of grace for who is not told another time. */
#define GC_GRACE_DEFAULT (24 * 3600)

struct gc_options {
	bool dry_run;      /* only look: RESULT says what step 1 and 3 would do */
	int64_t grace;     /* seconds; 0: none */
	int64_t keep_keys; /* seconds; keys that were not used for so long go. 0: none */
	uint64_t max_size; /* bytes of packs; while there are more, what only the grace or
			    * a key keeps goes, least recently used first. 0: no matter */
	/* Chains and layers in use. */
	const struct digest *roots;
	size_t root_count;
	/* Told of frames that are copied as they are, before that is committed. May be NULL. */
	void (*copied)(void *arg, const struct pack_place *from,
		       const struct pack_place *to);
	/* Told of what goes in step 1 ("key", "layer", "chain", "image", "blob",
	 * "artifact"). May be NULL. */
	void (*tell)(void *arg, const char *kind, const struct digest *id);
	void *arg;
	unsigned
		live_percent; /* packs with less than this part needed are rewritten; 0: 50 */
	int level;            /* of what is compressed anew; 0: CODEC_LEVEL_DEFAULT */
};

struct gc_result {
	uint64_t layers, chains, images, blobs, artifacts, keys; /* gone */
	uint64_t objects, live_objects;                          /* before; needed */
	uint64_t packs_dropped, packs_rewritten;
	uint64_t packs_busy; /* ought to be rewritten, but somebody appends to them */
	uint64_t bytes_before, bytes_after; /* of packs, as the filesystem has them */
};

int gc_run(struct store *s, const struct gc_options *o, struct gc_result *ret,
	   struct err *err) MUST_CHECK;

/* When the tree of a chain or layer was last used: the time of its file. 0: not known. */
int64_t gc_last_use(struct store *s, uint32_t number);

#endif

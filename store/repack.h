/* SPDX-License-Identifier: Apache-2.0
 * repack: content that is there already, compressed harder. Objects are put side by side with
 * what is like them (the same file of other layers and versions, their neighbours in the
 * directory) into larger frames, at a level that no import could wait for.
 *
 * Objects move in batches, each a commit of its own: DROP and PACK in one record, so every
 * reader finds each object in one place or the other. A crash loses the batch that was being
 * made, no more. Then packs that are mostly empty go as with gc (and with its code), and so do
 * recipes and trees that lie in them, compressed anew. A file in the store tells which frames
 * need no repacking any more (repack_done.h).
 *
 * Readers and imports go on all the time. gc, verify and repair wait for a round to end; a round
 * is about 2 GiB of packs, which bounds what old and new take together, too. Content of
 * alternates is not touched. Memory: that of gc, 24 bytes for each object, and about 300 MiB.
 */
#ifndef STORE_REPACK_H
#define STORE_REPACK_H

#include "store/store.h"

#define REPACK_LEVEL_DEFAULT 19
#define REPACK_LEVEL_MAX     22

struct repack_options {
	bool dry_run;    /* only count: RESULT says what would be looked at */
	int level;       /* of zstd; 0: REPACK_LEVEL_DEFAULT */
	int64_t min_age; /* leave what was committed or used in these seconds; 0: none */
	uint64_t max_seconds; /* no new batch after that; 0: no matter */
	unsigned threads;     /* 0: one per CPU */
	/* Told how many bytes there are to do, and when some are done. May be NULL. */
	void (*expect)(void *arg, uint64_t bytes);
	void (*advance)(void *arg, uint64_t bytes);
	void *arg;
};

struct repack_result {
	uint64_t objects, bytes; /* moved, or to be moved; bytes of content */
	uint64_t left;           /* objects that there was no time for */
	uint64_t damaged;        /* objects that could not be read: verify tells */
	uint64_t packs_dropped, packs_rewritten, packs_busy; /* as with gc */
	uint64_t bytes_before, bytes_after; /* of packs, as the filesystem has them */
};

int repack_run(struct store *s, const struct repack_options *o, struct repack_result *ret,
	       struct err *err) MUST_CHECK;

#endif

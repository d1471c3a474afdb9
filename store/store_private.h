/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the store share: store.c (open, commit), store_init.c (making one),
 * store_gate.c (what may be opened), store_apply.c (items into the catalog), store_recover.c
 * (replay, rebuild). Included by these and by verify and repair.
 */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include <pthread.h>

#include "store/digest_map.h"
#include "store/store.h"

#define STORE_VERSION_FILE "version"
#define STORE_LOCK_FILE    "lock"
#define STORE_GC_LOCK_FILE "gc.lock"
#define STORE_PACKS_DIR    "packs"
#define STORE_TREES_DIR    "trees"

struct store {
	char *path;
	int dirfd, packs_dirfd, trees_dirfd;
	bool writable;
	struct packs *packs;
	struct alternates *alternates;
	/* Both may be NULL with STORE_NO_RECOVERY, until they are rebuilt. */
	struct journal *journal;
	struct catalog *catalog;

	pthread_mutex_t lock; /* threads of this process; the file keeps others out */
	int lock_fd;
};

/* The store lock. */
int store_lock(struct store *s, struct err *err) MUST_CHECK;
void store_unlock(struct store *s);

/* ---- store_gc_lock.c ---- */

/* Keeps gc out (SHARED; verify), or all but this (gc, repair). Waits. Closing *RET_FD lets go.
 * A store without the lock's file is read without: *RET_FD -1. */
int store_gc_lock(struct store *s, bool shared, int *ret_fd, struct err *err) MUST_CHECK;

/* ---- store_gate.c ---- */

/* Reads `version`. ERR_NOTFOUND: no store; ERR_FAILED: a newer one. */
int store_gate_version(int dirfd, const char *path, bool writing,
		       struct err *err) MUST_CHECK;
int store_gate_write_version(int dirfd, struct err *err) MUST_CHECK;

/* Refuses filesystems on which neither locks nor shared mappings hold. */
int store_gate_filesystem(int dirfd, const char *path, struct err *err) MUST_CHECK;

/* ---- store_apply.c ---- */

struct store_apply {
	struct store *store;
	struct catalog_txn *txn;
	bool objects_known; /* tables of packs need not be read */
	bool skip_damage;   /* go on behind damaged frames */
	/* Packs that a later item says are gone: what they had does not count, as it may come
	 * again from the pack that took their place. NULL: none. */
	const struct digest_map *packs_gone;
	uint64_t objects; /* counts those that were put */
};

/* A pack's number as a key of PACKS_GONE. */
void store_apply_pack_key(uint32_t pack, struct digest *ret);

int store_apply_item(struct store_apply *a, const struct record_item *item,
		     struct err *err) MUST_CHECK;

/* ---- store_recover.c; with the store lock, but for _needed ---- */

struct store_recover_options {
	uint64_t least_seq; /* a journal that ends before this commit has lost some */
	/* If set, this one record instead of the journal, numbered SEQ. The catalog then
	 * passes for stale until a journal with its content is there. */
	const struct buf *items;
	uint64_t seq;
};

/* Builds a new catalog from journal and packs and puts it in place. Damaged frames are
 * skipped. */
int store_recover_rebuild(struct store *s, const struct store_recover_options *o,
			  struct err *err) MUST_CHECK;

/* Whether the catalog is missing, unusable or behind the journal. */
int store_recover_needed(struct store *s, bool *ret, struct err *err) MUST_CHECK;

/* Makes the catalog usable and current: replays, or rebuilds. */
int store_recover(struct store *s, struct err *err) MUST_CHECK;

/* ---- store_compact.c ---- */

/* Makes the catalog smaller if that gains something: see catalog_waste. Takes the
 * store lock. What goes wrong (the disk is full) is nobody's error: the catalog stays as it
 * is, and the next commit tries again. */
void store_compact(struct store *s, const struct catalog_waste *limits);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * The store as a whole: a directory, its version gate, its lock, recovery, commit.
 *
 *	<store>/version        "layercache store\nread 1\nwrite 1\n"
 *	<store>/lock           flock: held exclusively during a commit, never longer
 *	<store>/journal        journal.h
 *	<store>/packs/         pack.h
 *	<store>/catalog/       catalog.h (rebuildable)
 *	<store>/trees/         forest.h (derived, bounded)
 *	<store>/alternates     alternates.h (may be missing)
 *
 * One struct store per process and store directory. Thread-safe unless said otherwise.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "store/alternates.h"
#include "store/catalog.h"
#include "store/journal.h"
#include "store/pack.h"

#define STORE_READ_VERSION  1
#define STORE_WRITE_VERSION 1

enum store_open_flags {
	STORE_WRITE = 1,  /* may commit; otherwise nothing in the directory changes */
	STORE_CREATE = 2, /* make the store if it is not there (implies STORE_WRITE) */
	/* Do not bring the catalog up to date (repair does it itself). */
	STORE_NO_RECOVERY = 4,
};

struct store;

/* Makes a store: 0700 directory with its parents, or 2770 and group GID when GID is not
 * (gid_t)-1. An existing store is left as it is; a directory that is not empty and not a
 * store is refused. */
int store_init(const char *path, gid_t gid, struct err *err) MUST_CHECK;

/* Opens the store: checks the version (a newer write version: read-only or refused with one
 * line; a newer read version: refused), refuses network filesystems by their type, opens
 * catalog, packs and journal, and replays what the catalog misses (a missing catalog: all
 * of it). ERR_NOTFOUND if there is no store. */
int store_open(const char *path, unsigned flags, struct store **ret,
	       struct err *err) MUST_CHECK;
void store_close(struct store *s);

AUTO_DEFINE(store, struct store, store_close)
#define auto_store AUTO(store)

/* Borrowed parts; valid until store_close. */
const char *store_path(const struct store *s); /* absolute, resolved */
int store_dirfd(const struct store *s);
int store_packs_dirfd(const struct store *s);
int store_trees_dirfd(const struct store *s);
struct catalog *store_catalog(struct store *s);
struct packs *store_packs(struct store *s);
struct alternates *store_alternates(struct store *s);
bool store_writable(const struct store *s);

/* Where content is: here, or in an alternate. T: a transaction of the store's catalog.
 * ERR_NOTFOUND without a text cost. */
int store_object_get(struct store *s, struct catalog_txn *t, const struct digest *d,
		     struct object_place *ret, struct err *err) MUST_CHECK;

/* The generation: grows with every commit of any process. One catalog read. */
int store_generation(struct store *s, uint64_t *ret, struct err *err) MUST_CHECK;

/* A commit: takes the store lock, applies journal records of other processes that the
 * catalog misses, then hands a write transaction and an item buffer to FILL. FILL looks at
 * the current state (e.g. drops items somebody else has committed meanwhile, takes tree
 * numbers with store_commit_number) and adds items with store_commit_add. If FILL adds
 * nothing, nothing is written. Otherwise the record is appended to the journal (durable:
 * the commit point), applied to the catalog and the catalog is committed.
 *
 * OBJECTS: if not NULL, the objects in the RECORD_PACK ranges of this commit, so that the
 * tables need not be read back from the packs (sorted in place). */
struct commit;
typedef int store_fill_fn(struct commit *c, void *arg, struct err *err);
int store_commit(struct store *s, store_fill_fn *fill, void *arg,
		 struct catalog_object *objects, size_t object_count,
		 struct err *err) MUST_CHECK;
struct catalog_txn *store_commit_txn(struct commit *c);
int store_commit_add(struct commit *c, const struct record_item *item,
		     struct err *err) MUST_CHECK;
/* A fresh tree number. */
uint32_t store_commit_number(struct commit *c);

/* Applies one decoded item to the catalog (used by commit, recovery and repair). PACK items
 * read the frames' tables from the pack unless OBJECTS_KNOWN. */
int store_apply(struct store *s, struct catalog_txn *t, const struct record_item *item,
		bool objects_known, struct err *err) MUST_CHECK;

#endif

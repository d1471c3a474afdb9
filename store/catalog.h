/* SPDX-License-Identifier: Apache-2.0
 * The catalog: LMDB tables that answer questions about packs and journal quickly. A cache:
 * it can be deleted at any time and is rebuilt by replaying the journal over the packs
 * (store_open does that by itself when `catalog/` is missing). The only user of LMDB.
 *
 * Transactions: any number of readers in any number of processes, each seeing one state;
 * one writer at a time, under the store lock. A read transaction lives shorter than one
 * request. Read transactions may be used from any thread, one thread at a time (NOTLS).
 * Everything returned is a copy: no pointer into the map leaves this module, except to the
 * callbacks of the _each functions, for the duration of the call.
 *
 * The environment is opened once per process, after fork, with a fixed 1 TiB map; durable
 * (no NOSYNC, no WRITEMAP). Stale readers are cleared at open and when readers run out. A
 * new catalog replaces the directory: who has the old one open goes over to the new one with
 * its next transaction (within a second if who replaced it was killed right then).
 */
#ifndef STORE_CATALOG_H
#define STORE_CATALOG_H

#include "store/digest.h"
#include "store/pack.h"
#include "store/record.h"

struct catalog;
struct catalog_txn;

/* Opens `catalog/` in the store directory. WRITABLE creates it. ERR_NOTFOUND: there is none;
 * ERR_CORRUPT: it cannot be used. Opened again in one process, it is shared. */
int catalog_open(const char *store_path, bool writable, struct catalog **ret,
		 struct err *err) MUST_CHECK;
void catalog_close(struct catalog *c); /* NULL is ignored */

/* A new, empty catalog beside the one in use, to be filled and then put in its place; not
 * durable before that. Both need the store lock. INSTALL and DISCARD free it. */
int catalog_build(const char *store_path, struct catalog **ret,
		  struct err *err) MUST_CHECK;
int catalog_install(struct catalog *c, struct err *err) MUST_CHECK;
void catalog_discard(struct catalog *c); /* NULL is ignored */
/* Removes what was left beside the one in use by a process that was killed. Needs the store
 * lock. */
void catalog_clean(struct catalog *c);

/* When a catalog is to be written anew: it is larger than LEAST bytes, by more than PERCENT
 * larger than with full pages and none that is free, and has GROWN percent more entries than
 * when it was last written so. Full pages are split soon: without the last, small commits to a
 * large catalog would write all of it again and again. */
struct catalog_waste {
	unsigned percent, grown;
	size_t least;
};

/* Whether it is to be: an estimate, made in no time. */
int catalog_compact_gains(struct catalog *c, const struct catalog_waste *limits,
			  bool *ret, struct err *err) MUST_CHECK;
/* Puts a copy with full pages in place. Needs the store lock, and room for the copy; the one
 * in use stays as it is if anything fails. */
int catalog_compact(struct catalog *c, struct err *err) MUST_CHECK;

/* Goes over to an installed catalog now. ERR_NOTFOUND: there is none any more. */
int catalog_refresh(struct catalog *c, struct err *err) MUST_CHECK;

int catalog_begin(struct catalog *c, bool write, struct catalog_txn **ret,
		  struct err *err) MUST_CHECK;
/* Durable when it returns. Frees the transaction in any case. */
int catalog_commit(struct catalog_txn *t, struct err *err) MUST_CHECK;
void catalog_abort(struct catalog_txn *t); /* NULL is ignored; also ends a read */

AUTO_DEFINE(catalog_txn, struct catalog_txn, catalog_abort)
#define auto_catalog_txn AUTO(catalog_txn)

/* ---- the watermark: how far the journal has been applied ---- */

struct catalog_mark {
	uint64_t journal_end;  /* 0: nothing was ever applied */
	uint64_t journal_last; /* where the record that ends there begins */
	uint64_t seq;          /* the store's generation: grows with every commit */
	uint32_t next_number;  /* next tree number */
};

int catalog_mark_get(struct catalog_txn *t, struct catalog_mark *ret,
		     struct err *err) MUST_CHECK;
int catalog_mark_set(struct catalog_txn *t, const struct catalog_mark *mark,
		     struct err *err) MUST_CHECK;

/* ---- objects ---- */

enum object_kind {
	OBJECT_WHOLE = 1,   /* a slice of a DATA frame */
	OBJECT_CHUNKED = 2, /* a slice of a CHUNKS frame: the list of its chunks */
	OBJECT_DOCUMENT = 3 /* a slice of a DOCUMENT frame */
};

/* Where content is: slice [off, off + len) of the raw body of a frame. */
struct object_place {
	struct pack_place frame;
	uint32_t off, len;
	enum object_kind kind;
};

/* ERR_NOTFOUND without a text cost: err may be NULL on hot paths. */
int catalog_object_get(struct catalog_txn *t, const struct digest *d,
		       struct object_place *ret, struct err *err) MUST_CHECK;

struct catalog_object {
	struct digest digest;
	struct object_place place;
};

/* Adds many; the array is sorted in place first. An object that is already there keeps its
 * old place (the first committer wins). */
int catalog_object_put(struct catalog_txn *t, struct catalog_object *objects,
		       size_t count, struct err *err) MUST_CHECK;

/* Missing is fine. */
int catalog_object_remove(struct catalog_txn *t, const struct digest *d,
			  struct err *err) MUST_CHECK;

/* The only object whose digest starts with the BITS high bits of PREFIX (<= 64).
 * ERR_NOTFOUND; ERR_FAILED if there are two. */
int catalog_object_by_prefix(struct catalog_txn *t, uint64_t prefix, unsigned bits,
			     struct digest *ret, struct err *err) MUST_CHECK;

/* Every object in digest order. */
typedef int catalog_object_fn(void *arg, const struct digest *d,
			      const struct object_place *place, struct err *err);
int catalog_object_each(struct catalog_txn *t, catalog_object_fn *each, void *arg,
			struct err *err) MUST_CHECK;

/* ---- layers, chains, blobs, images ---- */

int catalog_layer_get(struct catalog_txn *t, const struct digest *diffid,
		      struct record_layer *ret, struct err *err) MUST_CHECK;
int catalog_chain_get(struct catalog_txn *t, const struct digest *chainid,
		      struct record_chain *ret, struct err *err) MUST_CHECK;
int catalog_blob_get(struct catalog_txn *t, const struct digest *blob,
		     struct record_blob *ret, struct err *err) MUST_CHECK;
int catalog_image_get(struct catalog_txn *t, const struct digest *manifest,
		      struct record_image *ret, struct err *err) MUST_CHECK;

int catalog_layer_put(struct catalog_txn *t, const struct record_layer *layer,
		      struct err *err) MUST_CHECK;
int catalog_chain_put(struct catalog_txn *t, const struct record_chain *chain,
		      struct err *err) MUST_CHECK;
int catalog_blob_put(struct catalog_txn *t, const struct record_blob *blob,
		     struct err *err) MUST_CHECK;
int catalog_image_put(struct catalog_txn *t, const struct record_image *image,
		      struct err *err) MUST_CHECK;

/* Missing is fine. */
int catalog_layer_remove(struct catalog_txn *t, const struct digest *diffid,
			 struct err *err) MUST_CHECK;
int catalog_chain_remove(struct catalog_txn *t, const struct digest *chainid,
			 struct err *err) MUST_CHECK;
int catalog_blob_remove(struct catalog_txn *t, const struct digest *blob,
			struct err *err) MUST_CHECK;
int catalog_image_remove(struct catalog_txn *t, const struct digest *manifest,
			 struct err *err) MUST_CHECK;

/* Each in digest order, starting at the first one >= FROM (NULL: the first). EACH returns
 * < 0 to stop with an error, > 0 to stop without; the value is returned. */
typedef int catalog_layer_fn(void *arg, const struct record_layer *layer,
			     struct err *err);
typedef int catalog_chain_fn(void *arg, const struct record_chain *chain,
			     struct err *err);
typedef int catalog_blob_fn(void *arg, const struct record_blob *blob, struct err *err);
typedef int catalog_image_fn(void *arg, const struct record_image *image,
			     struct err *err);
int catalog_layer_each(struct catalog_txn *t, const struct digest *from,
		       catalog_layer_fn *each, void *arg, struct err *err) MUST_CHECK;
int catalog_chain_each(struct catalog_txn *t, const struct digest *from,
		       catalog_chain_fn *each, void *arg, struct err *err) MUST_CHECK;
int catalog_blob_each(struct catalog_txn *t, const struct digest *from,
		      catalog_blob_fn *each, void *arg, struct err *err) MUST_CHECK;
int catalog_image_each(struct catalog_txn *t, const struct digest *from,
		       catalog_image_fn *each, void *arg, struct err *err) MUST_CHECK;

/* ---- keys of build steps ---- */

int catalog_key_get(struct catalog_txn *t, const struct digest *key,
		    struct record_key *ret, struct err *err) MUST_CHECK;
int catalog_key_put(struct catalog_txn *t, const struct record_key *key,
		    struct err *err) MUST_CHECK;
/* Missing is fine. */
int catalog_key_remove(struct catalog_txn *t, const struct digest *key,
		       struct err *err) MUST_CHECK;
/* As catalog_layer_each. */
typedef int catalog_key_fn(void *arg, const struct record_key *key, struct err *err);
int catalog_key_each(struct catalog_txn *t, const struct digest *from,
		     catalog_key_fn *each, void *arg, struct err *err) MUST_CHECK;

/* ---- how blobs were made, by the blob's digest ---- */

int catalog_encoding_get(struct catalog_txn *t, const struct digest *blob,
			 struct record_encoding *ret, struct err *err) MUST_CHECK;
int catalog_encoding_put(struct catalog_txn *t, const struct record_encoding *encoding,
			 struct err *err) MUST_CHECK;
/* Missing is fine. */
int catalog_encoding_remove(struct catalog_txn *t, const struct digest *blob,
			    struct err *err) MUST_CHECK;
/* As catalog_layer_each. */
typedef int catalog_encoding_fn(void *arg, const struct record_encoding *encoding,
				struct err *err);
int catalog_encoding_each(struct catalog_txn *t, const struct digest *from,
			  catalog_encoding_fn *each, void *arg,
			  struct err *err) MUST_CHECK;

/* ---- manifests that are kept for their own sake ---- */

int catalog_artifact_get(struct catalog_txn *t, const struct digest *manifest,
			 struct record_artifact *ret, struct err *err) MUST_CHECK;
int catalog_artifact_put(struct catalog_txn *t, const struct record_artifact *artifact,
			 struct err *err) MUST_CHECK;
/* Missing is fine. */
int catalog_artifact_remove(struct catalog_txn *t, const struct digest *manifest,
			    struct err *err) MUST_CHECK;
/* As catalog_layer_each. */
typedef int catalog_artifact_fn(void *arg, const struct record_artifact *artifact,
				struct err *err);
int catalog_artifact_each(struct catalog_txn *t, const struct digest *from,
			  catalog_artifact_fn *each, void *arg,
			  struct err *err) MUST_CHECK;

/* ---- names ---- */

/* ref->name and ref->targets live in *ret_memory, which the caller frees. */
int catalog_ref_get(struct catalog_txn *t, const char *name, struct record_ref *ret,
		    void **ret_memory, struct err *err) MUST_CHECK;
int catalog_ref_put(struct catalog_txn *t, const struct record_ref *ref,
		    struct err *err) MUST_CHECK;
int catalog_ref_remove(struct catalog_txn *t, const char *name,
		       struct err *err) MUST_CHECK; /* missing is fine */
/* In byte order of the names, from FROM (NULL: the first) on. */
typedef int catalog_ref_fn(void *arg, const struct record_ref *ref, struct err *err);
int catalog_ref_each(struct catalog_txn *t, const char *from, catalog_ref_fn *each,
		     void *arg, struct err *err) MUST_CHECK;

/* ---- trees and packs ---- */

enum tree_owner {
	TREE_OF_LAYER = 1,
	TREE_OF_CHAIN = 2,
};

struct catalog_tree {
	uint32_t number;
	enum tree_owner owner;
	struct digest id;     /* DiffID or ChainID */
	bool stale;           /* superseded: answers ESTALE */
	uint32_t version;     /* tree writer version; 0: never built */
	struct digest sha256; /* of the tree file; zero: never built */
};

int catalog_tree_get(struct catalog_txn *t, uint32_t number, struct catalog_tree *ret,
		     struct err *err) MUST_CHECK;
int catalog_tree_put(struct catalog_txn *t, const struct catalog_tree *tree,
		     struct err *err) MUST_CHECK;

/* Missing is fine. */
int catalog_tree_remove(struct catalog_txn *t, uint32_t number,
			struct err *err) MUST_CHECK;

/* By number. */
typedef int catalog_tree_fn(void *arg, const struct catalog_tree *tree, struct err *err);
int catalog_tree_each(struct catalog_txn *t, catalog_tree_fn *each, void *arg,
		      struct err *err) MUST_CHECK;

/* Committed length of a pack; ERR_NOTFOUND if nothing of it is committed. */
int catalog_pack_get(struct catalog_txn *t, uint32_t number, uint64_t *ret_length,
		     struct err *err) MUST_CHECK;
int catalog_pack_put(struct catalog_txn *t, uint32_t number, uint64_t length,
		     struct err *err) MUST_CHECK;
/* The pack is gone: only its number stays, so that it is not given again. The functions here
 * do not show it any more, except for the one below. */
int catalog_pack_remove(struct catalog_txn *t, uint32_t number,
			struct err *err) MUST_CHECK;
/* The highest number that any pack has or had; 0: none. */
int catalog_pack_last(struct catalog_txn *t, uint32_t *ret, struct err *err) MUST_CHECK;
typedef int catalog_pack_fn(void *arg, uint32_t number, uint64_t length, struct err *err);
int catalog_pack_each(struct catalog_txn *t, catalog_pack_fn *each, void *arg,
		      struct err *err) MUST_CHECK;

#endif

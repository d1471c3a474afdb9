/* SPDX-License-Identifier: Apache-2.0
 * What the parts of repack share: repack.c (the order of things), repack_names.c (where files
 * lie in trees), repack_plan.c (which objects, and in which order), repack_move.c (into new
 * frames), repack_done.c (what needs no repacking).
 */
#ifndef STORE_REPACK_PRIVATE_H
#define STORE_REPACK_PRIVATE_H

#include "store/gc_private.h"
#include "store/repack.h"
#include "store/repack_done.h"

/* ---- repack_names.c ---- */

/* Where an object lies among others; in order of DIR, PREFIX, HASH, ORD, chunks of large files
 * of ROOT before all. */
struct repack_name {
	uint64_t prefix; /* of the file's name; without one, the frame it is in */
	uint32_t hash;   /* of the file's name */
	uint32_t root;   /* of its image: the layer at the bottom has this number */
	uint32_t dir;    /* its directory's number in the order of paths */
	uint32_t ord;    /* of a chunk: its number in the file, from 1; else 0 */
};

#define REPACK_NO_DIR UINT32_MAX

/* A name for each object of MARK, by its number; the caller frees *ret. Objects that no tree
 * tells of are without a directory. */
int repack_names_read(struct gc_mark *m, struct repack_name **ret,
		      struct err *err) MUST_CHECK;

/* NAME with every number in it made 0, as versions differ by these. OUT has room for LEN. */
size_t repack_names_plain(const char *name, size_t len, char *out);

/* ---- repack_plan.c ---- */

struct repack_item {
	struct repack_name name;
	uint32_t object; /* number in MARK */
};

struct repack_pack {
	uint32_t number;
	uint64_t length;          /* committed */
	uint64_t objects, bytes;  /* to be moved */
	struct pack_writer *lock; /* of one that is emptied now */
};

struct repack_plan {
	struct gc_mark mark;
	struct buf items; /* struct repack_item */
	struct buf packs; /* struct repack_pack, by number */
	uint64_t objects, bytes;
};

void repack_plan_init(struct repack_plan *p, struct store *s);
void repack_plan_release(struct repack_plan *p);

/* What could be repacked in packs behind AFTER, up to LAST; sums by pack, in order of number. */
int repack_plan_find(struct repack_plan *p, const struct repack_options *o,
		     const struct repack_done *done, uint32_t after, uint32_t last,
		     struct err *err) MUST_CHECK;
/* Keeps only packs that could be locked, and at most a round of them; *ret_last is the last
 * one that was looked at. */
int repack_plan_lock(struct repack_plan *p, uint32_t *ret_last,
		     struct err *err) MUST_CHECK;
void repack_plan_unlock(struct repack_plan *p);
/* Puts the items in order. */
int repack_plan_sort(struct repack_plan *p, struct err *err) MUST_CHECK;

/* ---- repack_move.c ---- */

struct repack_run {
	struct store *store;
	const struct repack_options *options;
	struct repack_result *result;
	struct repack_done done;
	int level;
	uint32_t last;     /* pack that was there when it began */
	uint64_t deadline; /* in ns of the monotonic clock; 0: none */
};

/* Moves the items, as far as the time goes. What was committed before a failure stays. */
int repack_move(struct repack_run *run, const struct repack_plan *p,
		struct err *err) MUST_CHECK;

bool repack_is_late(const struct repack_run *run);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * What the parts of gc share: gc.c (the order of things), gc_roots.c (what is needed, of all
 * that has a row in the catalog), gc_keys.c (which keys stay), gc_mark.c (what of that packs have), gc_copy.c (what a pack
 * has that is needed, into another), gc_packs.c (which packs, and their commit), gc_sweep.c
 * (leftovers), gc_journal.c (the journal as one record), gc_why.c (why something stays).
 */
#ifndef STORE_GC_PRIVATE_H
#define STORE_GC_PRIVATE_H

#include "store/digest_map.h"
#include "store/gc_why.h"
#include "store/pins.h"
#include "store/session_private.h"
#include "store/store_private.h"

/* ---- gc_roots.c ---- */

/* Kept by grace or a key alone. */
struct gc_soft {
	int64_t used;
	uint64_t size; /* what the layer brought new, uncompressed */
};

struct gc_roots {
	struct store *store;
	const struct gc_options *options;
	struct gc_result *result;
	int64_t cutoff;     /* what was used at this time or later is kept */
	int64_t key_cutoff; /* of keys the same */
	struct digest_map images, chains, layers, artifacts; /* struct gc_kept */
	struct digest_map
		listed;      /* struct gc_kept: by names and artifacts, whatever it is */
	struct buf soft;     /* struct gc_soft, of layers and keys */
	struct buf old_keys; /* struct digest: those that go */
	struct gc_why *why;  /* NULL: nobody asks */
};

/* Finds and commits what is gone; with dry_run only finds. Can be run again. */
void gc_roots_init(struct gc_roots *g);
void gc_roots_release(struct gc_roots *g);
int gc_roots_run(struct gc_roots *g, struct err *err) MUST_CHECK;
/* Only finds what is needed, without the notes of sessions. */
int gc_roots_find(struct gc_roots *g, struct catalog_txn *t, struct err *err) MUST_CHECK;
/* The cut-offs by the options and the clock. */
void gc_roots_times(struct gc_roots *g);

/* Keeps what the digest names: an image, layer or chain; nothing is fine. */
int gc_roots_keep(struct gc_roots *g, struct catalog_txn *t, const struct digest *id,
		  struct err *err) MUST_CHECK;
/* Notes what would go if less were kept. */
int gc_roots_soft(struct gc_roots *g, int64_t used, uint64_t size,
		  struct err *err) MUST_CHECK;
/* Notes that something that is kept names it. */
int gc_roots_list(struct gc_roots *g, const struct digest *id,
		  struct err *err) MUST_CHECK;

/* ---- gc_keys.c ---- */

/* Which keys go, once all but the time of grace is known, and what the others need. */
int gc_keys_find(struct gc_roots *g, struct catalog_txn *t, struct err *err) MUST_CHECK;

/* ---- gc_artifacts.c ---- */

struct gc_mark;

/* Which artifacts are needed, once all else is known, and what they need. */
int gc_artifacts_find(struct gc_roots *g, struct catalog_txn *t,
		      const struct pins_seen *pins, struct err *err) MUST_CHECK;
/* Marks what artifacts need of packs. */
int gc_artifacts_mark(struct gc_mark *m, struct catalog_txn *t,
		      struct err *err) MUST_CHECK;

/* ---- gc_why.c ---- */

/* For each root that keeps ID and what that needs: is it what was asked for? WHY NULL: no. */
int gc_why_root(struct gc_why *why, struct catalog_txn *t, const struct gc_reason *reason,
		const struct digest *id, struct err *err) MUST_CHECK;
/* The same where nothing else is kept because of it. */
int gc_why_alone(struct gc_why *why, const struct gc_reason *reason,
		 enum gc_why_kind kind, const struct digest *id,
		 struct err *err) MUST_CHECK;

/* ---- gc_mark.c ---- */

enum gc_flags {
	GC_LIVE = 1,
	GC_CHUNKED = 2,
	GC_EXPANDED = 4, /* its chunks are marked */
	GC_TWICE = 8,    /* another frame has it too */
	GC_DROPPED = 16, /* not in the catalog any more */
};

/* A frame that has objects. */
struct gc_frame {
	struct pack_place at;
	uint64_t bytes, live; /* of its objects */
};

/* A layer that is marked, and a pack that its recipe or tree has frames in. */
struct gc_layer {
	struct digest diffid;
	uint64_t mark; /* of the places in its record */
};

struct gc_user {
	uint32_t pack, layer; /* number in layers */
};

struct gc_pack {
	uint32_t number;
	uint64_t length; /* committed */
};

struct gc_mark {
	struct store *store;
	/* By object, in order of the digest; two that share these 8 bytes are marked
	 * together. */
	uint64_t *keys;
	uint32_t *frame, *len;
	uint8_t *flags;
	size_t count, capacity;
	struct buf frames;     /* struct gc_frame */
	uint32_t *frame_slots; /* by place; number + 1 */
	unsigned frame_slot_bits;
	struct digest_map layers;      /* struct gc_layer */
	struct buf users;              /* struct gc_user */
	struct buf plain;              /* struct pack_place: of live recipes and trees */
	struct buf packs;              /* struct gc_pack: as they were with this table */
	const struct digest_map *only; /* layers that count, of dry_run; NULL: all */
	const struct digest_map *only_images, *only_artifacts;
	/* scratch */
	struct codec *codec;
	struct buf frame_bytes, index, body;
	bool table_whole; /* no more objects are added */
};

void gc_mark_init(struct gc_mark *m, struct store *s);
void gc_mark_release(struct gc_mark *m);

/* Reads the table of objects and marks by all that has rows. */
int gc_mark_run(struct gc_mark *m, struct err *err) MUST_CHECK;
/* Marks by rows that have come since, as TXN sees them. */
int gc_mark_more(struct gc_mark *m, struct catalog_txn *t, struct err *err) MUST_CHECK;
/* Marks what sessions have noted, and chunks of it. */
int gc_mark_pinned(struct gc_mark *m, const struct pins_seen *pins,
		   struct err *err) MUST_CHECK;

/* Finds objects that lie in more frames than the one that the catalog leads to. */
int gc_mark_twice(struct gc_mark *m, struct err *err) MUST_CHECK;
/* The same in what was committed since. */
int gc_mark_twice_more(struct gc_mark *m, struct catalog_txn *t,
		       struct err *err) MUST_CHECK;

/* D is needed, if the table has it. */
void gc_mark_object(struct gc_mark *m, const struct digest *d);
/* gc_mark_keys.c: the same for the documents of all keys. */
int gc_mark_keys(struct gc_mark *m, struct catalog_txn *t, struct err *err) MUST_CHECK;

/* The object's number; -1: not there when the table was read. */
int64_t gc_mark_find(const struct gc_mark *m, const struct digest *d);
static inline const struct gc_frame *gc_mark_frame(const struct gc_mark *m, size_t object)
{
	return (const struct gc_frame *)(const void *)m->frames.data + m->frame[object];
}

/* Sums up frames by live objects. */
void gc_mark_weigh(struct gc_mark *m);

/* ---- gc_copy.c ---- */

/* One pack being emptied. */
struct gc_copy {
	struct gc_mark *mark;
	const struct gc_options *options;
	struct session *session;
	uint32_t pack;
	/* Objects out of frames of which little is needed, until they fill one. */
	struct buf data, data_table, lists, lists_table;
	struct buf left;   /* struct gc_left */
	bool left_whole;   /* some of them may be chunks */
	struct buf others; /* struct digest: in the pack, but the catalog led elsewhere */
	struct buf moved;  /* struct gc_moved */
};

/* An object that was not copied. */
struct gc_left {
	struct digest digest;
	uint32_t object;
	struct pack_place at;
};

/* A layer whose recipe and tree lie elsewhere now. */
struct gc_moved {
	struct digest diffid;
	struct pack_place recipe, tree, new_recipe, new_tree;
};

void gc_copy_init(struct gc_copy *c, struct gc_mark *m, const struct gc_options *o,
		  struct session *s, uint32_t pack);
void gc_copy_release(struct gc_copy *c);
/* All that is live of the pack up to LENGTH. */
int gc_copy_run(struct gc_copy *c, uint64_t length, struct err *err) MUST_CHECK;
/* Whether the catalog still leads elsewhere for what was passed over as not being the pack's.
 * ERR_BUSY if not: then the pack must stay. */
int gc_copy_check(struct gc_copy *c, struct catalog_txn *t, struct err *err) MUST_CHECK;
/* What has become live since. */
int gc_copy_late(struct gc_copy *c, struct err *err) MUST_CHECK;

/* ---- gc_packs.c ---- */

/* Drops and rewrites packs; with dry_run only counts. */
int gc_packs_run(struct gc_mark *m, const struct gc_options *o, struct gc_result *result,
		 struct err *err) MUST_CHECK;

/* Bytes of all files in `packs/`. */
int gc_packs_size(struct store *s, uint64_t *ret, struct err *err) MUST_CHECK;

/* ---- gc_sweep.c ---- */

int gc_sweep(struct store *s, struct err *err) MUST_CHECK;

/* ---- gc_journal.c ---- */

int gc_journal_compact(struct store *s, struct err *err) MUST_CHECK;

#endif

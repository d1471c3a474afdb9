/* SPDX-License-Identifier: Apache-2.0
 * What the parts of verify and repair share. Included by these only:
 *
 *	check_verify.c   verify: the order of things
 *	check_report.c   problems and failures, from any thread
 *	check_ranges.c   which parts of which packs
 *	check_frames.c   frames in pack order: checksums, content against SHA-256
 *	check_state.c    what the journal says the catalog has to hold
 *	check_objects.c  the catalog's table of objects against the packs
 *	check_links.c    chains, blobs, images and names: what they stand on is there
 *	check_layers.c   recipes against DiffIDs, large content against SHA-256
 *	check_trees.c    tree images, in packs and in `trees/`
 *	check_repair.c   repair: the order of things
 *	check_source.c   what is known: by the journal, or by what is left
 *	check_salvage.c  layers of which only the recipes are left
 *	check_damage.c   what the loss of content means for layers and names
 *	check_dump.c     the catalog as one journal record
 */
#ifndef STORE_CHECK_PRIVATE_H
#define STORE_CHECK_PRIVATE_H

#include <pthread.h>

#include "store/base/workers.h"
#include "store/check.h"
#include "store/digest_map.h"
#include "store/store_private.h"
#include "store/tree_read.h"

/* Decoded frames kept while layers are read. */
#define CHECK_CACHE (24u << 20)

/* ---- check_report.c ---- */

struct check_report {
	check_problem_fn *tell; /* may be NULL */
	void *arg;
	pthread_mutex_t lock; /* all below */
	uint64_t problems;
	bool failed; /* the work itself, not the store: everybody stops */
	struct err failure;
};

void check_report_init(struct check_report *r, check_problem_fn *tell, void *arg);
void check_report_release(struct check_report *r);

/* Counts and tells a problem; after the first thousand it only counts. Thread-safe, as all
 * of these. */
void check_problem(struct check_report *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Decides whether a failed call (CODE < 0) shows damage of the store: then it is told,
 * behind the text of FMT, and the result is 0. Else CODE. */
int check_judge(struct check_report *r, int code, const struct err *err, const char *fmt,
		...) PRINTF_LIKE(4, 5) MUST_CHECK;

/* Whether an error is damage rather than a failure of ours. */
bool check_is_damage(int code, const struct err *err);

void check_fail(struct check_report *r, const struct err *err);
bool check_failed(struct check_report *r);
/* The failure, if there was one. */
int check_outcome(struct check_report *r, struct err *err) MUST_CHECK;

/* Runs WORK for each number below COUNT in as many threads as there are CPUs. WORK returns
 * < 0 to stop all. */
typedef int check_work_fn(void *arg, size_t number, struct err *err);
int check_run(struct check_report *r, size_t count, check_work_fn *work, void *arg,
	      struct err *err) MUST_CHECK;

/* ---- check_ranges.c ---- */

struct check_range {
	uint32_t pack;
	uint64_t from, to; /* from < to */
};

/* Zeroed: empty. */
struct check_ranges {
	struct check_range *items;
	size_t count, capacity;
};

void check_ranges_release(struct check_ranges *r);
/* Empty ranges are ignored. */
int check_ranges_add(struct check_ranges *r, uint32_t pack, uint64_t from, uint64_t to,
		     struct err *err) MUST_CHECK;
/* Takes away all of a pack. */
void check_ranges_remove(struct check_ranges *r, uint32_t pack);
/* Puts them in order, none touching another. The functions below need that. */
void check_ranges_settle(struct check_ranges *r);
bool check_ranges_have(const struct check_ranges *r, uint32_t pack, uint64_t off);
/* Where the last range of the pack ends; 0: it has none. */
uint64_t check_ranges_end(const struct check_ranges *r, uint32_t pack);
/* Adds what is in A and not in B to RET (settled). */
int check_ranges_subtract(const struct check_ranges *a, const struct check_ranges *b,
			  struct check_ranges *ret, struct err *err) MUST_CHECK;

/* ---- check_frames.c ---- */

struct check_frames {
	struct store *store;
	struct check_report *report;
	const struct check_ranges *ranges;
	unsigned sample;    /* percent of the frames that are decoded and hashed */
	uint64_t cursor;    /* see check_options */
	uint64_t bytes_max; /* see check_options */
	bool quiet;         /* damage goes to BAD only */

	/* Told of every frame that is as its checksums say, from several threads, in no
	 * order. RAW: its content; NULL if it was left out of the sample (lists of chunks
	 * never are). Returns < 0 to stop all. */
	int (*frame)(void *arg, const struct pack_place *at, const struct pack_frame *f,
		     const uint8_t *raw, struct err *err);
	/* Every damaged range; also of a frame with other content than its table says.
	 * Told under a lock. WHY may be empty. May be NULL. */
	int (*bad)(void *arg, uint32_t pack, uint64_t from, uint64_t to, const char *why,
		   struct err *err);
	void *arg;

	uint64_t frames, objects, bytes; /* results */
	uint64_t reached;                /* cursor for the next run; 0: came to the end */
};

int check_frames_run(struct check_frames *c, struct err *err) MUST_CHECK;

/* ---- check_state.c ---- */

/* What has to be in the catalog, of everything but objects: as short as can be told apart
 * (about 60 bytes per layer, chain, blob, image, name and tree). */
struct check_state {
	struct check_ranges ranges;
	struct digest_map dropped; /* objects that need not be there */
	struct digest_map rows[7];
	struct digest_map trees;
	uint32_t next_number;
	uint64_t end, seq; /* how far the journal was read into this */
};

void check_state_init(struct check_state *st);
void check_state_release(struct check_state *st);
/* Frees what only the comparison needs. */
void check_state_release_rows(struct check_state *st);

/* Applies records from where it stands up to number UNTIL; reads all to the journal's end.
 * ERR_CORRUPT: damage of the journal. */
int check_state_read(struct check_state *st, struct journal *j, uint64_t until,
		     struct err *err) MUST_CHECK;

/* Adds all committed ranges of packs. */
int check_state_committed(struct journal *j, struct check_ranges *ret,
			  struct err *err) MUST_CHECK;

/* Compares all tables but the objects'; the state has to be that of the transaction. */
int check_state_compare(struct check_state *st, struct catalog_txn *t,
			struct check_report *report, struct err *err) MUST_CHECK;

/* ---- check_objects.c ---- */

/* Objects of frames are looked up in the catalog as frames come by; each one of the catalog
 * has to be met in exactly one. */
struct check_objects {
	struct store *store;
	struct check_report *report;
	const struct check_ranges *ranges;
	const struct digest_map *dropped;
	pthread_mutex_t lock; /* the rest */
	struct check_ranges bad;
	uint64_t matched;
	struct digest_map large; /* struct check_large */
};

/* A chunked object whose SHA-256 is to be proved. */
struct check_large {
	struct digest digest;
	uint64_t size;
	bool done;
};

void check_objects_init(struct check_objects *c);
void check_objects_release(struct check_objects *c);
/* These two for struct check_frames. */
int check_objects_frame(void *arg, const struct pack_place *at,
			const struct pack_frame *f, const uint8_t *raw,
			struct err *err) MUST_CHECK;
int check_objects_bad(void *arg, uint32_t pack, uint64_t from, uint64_t to,
		      const char *why, struct err *err) MUST_CHECK;
/* After a whole run over all frames. */
int check_objects_finish(struct check_objects *c, struct err *err) MUST_CHECK;

/* Whether the bytes are a sound list, and each of its chunks is there (here or in an
 * alternate) and as long as the list says: else ERR_CORRUPT. */
int check_objects_list(struct store *s, struct catalog_txn *t, const uint8_t *bytes,
		       size_t len, uint64_t *ret_size, struct err *err) MUST_CHECK;

/* ---- check_links.c ---- */

struct check_counts {
	uint64_t layers, chains, images, refs;
};
int check_links(struct catalog_txn *t, struct check_report *report,
		struct check_counts *ret, struct err *err) MUST_CHECK;

/* ---- check_layers.c ---- */

/* Every layer: recipe and tree; WHOLE: the tar's SHA-256 too, and with it that of the LARGE
 * objects; those that no layer has are read by themselves. */
int check_layers(struct store *s, struct check_report *report, bool whole,
		 struct digest_map *large, struct err *err) MUST_CHECK;

/* ---- check_trees.c ---- */

/* The layer's tree in the pack: whole, sound, of the SHA-256 that was journalled. WHOLE:
 * the one that its recipe gives. Problems go to REPORT. */
int check_trees_layer(struct store *s, struct check_report *report,
		      const struct record_layer *layer, bool whole,
		      struct err *err) MUST_CHECK;

/* Every file in `trees/`. DROP: those that are of no use are removed. */
int check_trees_files(struct store *s, struct check_report *report, bool drop,
		      struct err *err) MUST_CHECK;

/* ---- check_dump.c ---- */

/* Appends the catalog's content as items to OUT, with PACK items for RANGES and DROP items
 * for DROPPED. *ret_next: the next tree number that a replay comes to. */
int check_dump(struct catalog_txn *t, const struct check_ranges *ranges,
	       const struct digest_map *dropped, struct buf *out, uint32_t *ret_next,
	       struct err *err) MUST_CHECK;

/* PACK items for RANGES. */
int check_dump_packs(const struct check_ranges *ranges, struct buf *out,
		     struct err *err) MUST_CHECK;

/* ---- check_source.c ---- */

struct check_source {
	bool salvaged; /* the journal is lost or damaged */
	bool lost;     /* and nothing else says all that it said */
	uint64_t seq;  /* of the last commit known of */
	struct check_ranges ranges;
	struct digest_map dropped; /* objects of DROP items */
	/* All but PACK and DROP items, in order. Of a journal that is whole only after
	 * check_source_items. */
	struct buf items;
};

void check_source_init(struct check_source *src);
void check_source_release(struct check_source *src);
/* With the store lock. */
int check_source_read(struct check_source *src, struct store *s,
		      struct check_report *told, struct err *err) MUST_CHECK;
int check_source_items(struct check_source *src, struct store *s,
		       struct err *err) MUST_CHECK;

/* ---- check_salvage.c ---- */

/* Recipes and trees met among the frames. */
struct check_salvage {
	struct store *store;
	struct check_report *told;
	pthread_mutex_t lock; /* the rest */
	struct buf recipes;   /* struct pack_place of index frames */
	struct buf trees;     /* struct check_salvage_tree */
};

struct check_salvage_tree {
	struct pack_place at;
	uint64_t len; /* bytes of the image from there on */
};

void check_salvage_init(struct check_salvage *v, struct store *s,
			struct check_report *told);
void check_salvage_release(struct check_salvage *v);
/* For struct check_frames. */
int check_salvage_frame(struct check_salvage *v, const struct pack_place *at,
			const struct pack_frame *f, const uint8_t *raw,
			struct err *err) MUST_CHECK;
/* Puts a layer into the catalog for each recipe that gives a whole tar and belongs to none. */
int check_salvage_layers(struct check_salvage *v, struct err *err) MUST_CHECK;

/* ---- check_damage.c ---- */

/* What the content that is not there any more means. */
struct check_damage {
	struct store *store;
	struct check_report *told;
	struct objects *objects;
	struct digest_map dropped; /* chunked objects that miss a chunk */
	struct digest_map lost;    /* objects that something names, and nobody has */
	struct buf changed;        /* struct record_layer, as they are to be */
	uint64_t damaged_layers;
	bool names; /* whether to look at names: something is missing */
};

void check_damage_init(struct check_damage *d, struct store *s,
		       struct check_report *told);
void check_damage_release(struct check_damage *d);
/* Objects in the tables of these ranges count as lost, unless the catalog has them. */
int check_damage_ranges(struct check_damage *d, const struct check_ranges *bad,
			struct err *err) MUST_CHECK;
/* Objects that were dropped before stay so, unless the catalog has them by now. */
int check_damage_dropped(struct check_damage *d, const struct digest_map *dropped,
			 struct err *err) MUST_CHECK;
int check_damage_assess(struct check_damage *d, struct err *err) MUST_CHECK;
/* Tells which names miss content. CHANGED is in the catalog by now. */
int check_damage_names(struct check_damage *d, struct err *err) MUST_CHECK;

#endif

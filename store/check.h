/* SPDX-License-Identifier: Apache-2.0
 * verify and repair: is everything that was committed still there and right, and if not,
 * what can be got back.
 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/object.h"
#include "store/store.h"

struct check_options {
	unsigned sample; /* percent of frames whose content is hashed; 100: all */
	/* 0: start; else continue where a run stopped (check_result.cursor) */
	uint64_t cursor;
	/* Stop once so many bytes of the packs were read; 0: never. A large store can be
	 * verified in slices that way. */
	uint64_t bytes_max;
};

struct check_result {
	uint64_t frames, objects, layers, chains, images, refs, bytes;
	uint64_t problems;
	uint64_t cursor; /* how far it came; 0: to the end */
};

/* One line per problem ("pack 00000001: frame at 4096: checksum mismatch"). */
typedef void check_problem_fn(void *arg, const char *text);

/* Needs no write access, takes no lock, and may run beside imports: what was committed when
 * it began is looked at. Memory: some 100 MiB, in part for decoded frames, and 60 bytes for
 * each layer, chain, image, name and large file.
 *
 * Checks: journal readable to its end; every committed frame's checksums; every object's
 * SHA-256 (sampled); catalog equal to what journal and packs say; every recipe complete
 * (all objects there) and, for 100 percent, its tar's SHA-256 equal to the DiffID; every
 * chain's layers, image's chain and documents, name's image there; tree frames decode,
 * pass tree_check, are for 100 percent what the recipe gives; so are files in `trees/`.
 * Everything but the frames is checked by the run that comes to the end of the packs.
 * PROBLEM may be NULL; it is never called by two threads at a time. Returns 0 also when
 * problems were found. */
int check_verify(struct store *s, const struct check_options *options,
		 check_problem_fn *problem, void *arg, struct check_result *ret,
		 struct err *err) MUST_CHECK;

struct repair_result {
	uint64_t layers, refs;   /* there now */
	uint64_t lost_objects;   /* named by something, and nowhere to be had */
	uint64_t damaged_layers; /* that miss content (LAYER_DAMAGED) */
	bool journal_salvaged;   /* it was lost or damaged */
};

/* Puts right what can be, under the store lock, and tells what it did and what stays
 * damaged. The store may have been opened with STORE_NO_RECOVERY and lack its catalog or
 * journal; a repair that is killed can be started again.
 *
 *  - The catalog is rebuilt from journal and packs; every frame is decoded and hashed.
 *  - Damaged frames are left out of the store for good (the journal is written anew), so
 *    that what they held passes for unknown and is stored again by the next import. Layers
 *    that miss content stay, with their trees and names, but count as damaged until they
 *    are imported again, or another import happens to bring the content.
 *  - A lost or damaged journal is written anew from the catalog and from its own remains. If
 *    these do not say all, the packs do in part: objects, and layers by their recipes. Names,
 *    images and chains are then lost and come back by import, which reads no layer twice.
 *  - Files in `trees/` that are damaged or of no use are removed, damaged tree frames left
 *    out: both are derived. */
int check_repair(struct store *s, check_problem_fn *told, void *arg,
		 struct repair_result *ret, struct err *err) MUST_CHECK;

#endif

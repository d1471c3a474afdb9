/* SPDX-License-Identifier: Apache-2.0
 * Groups: new content put side by side until it fills a frame's body.
 *
 * Small objects go to one of a few bins by file name extension; large files fill groups of
 * their own, one file after the other; chunk lists have a bin too. A full group is handed to
 * the owner, who makes a frame of it and gives the memory back. Thread-safe.
 *
 * Measured on four image sets (39,036 different files, 396 MB of them small, zstd 3): bins
 * change the size by less than 0.2 % against plain tar order (128.1 and 128.2 MB; sorting
 * everything by extension gives 128.2 too), but whoever reads only one kind of file (all
 * .js, all .pyc) touches a third fewer frames; more than 8 bins gain nothing.
 *
 * Against groups of 256 KiB, 512 KiB take 3 % off small files and 1 % off large ones, 1 MiB
 * 6 % and 3 %; 2 MiB, with larger hash tables than codec.c uses, 9 % and 6 %. (Recompressed
 * offline; in a store, 2 MiB against 1 MiB for large files gave 1.4 % of all data frames.)
 * A read of a small file decodes its whole group first, so these stay small. Of large files
 * the kernel asks for up to 1 MiB at once anyway. Reading all of node-app:v1 decodes 645 MB,
 * and 530 MB with 256 KiB for everything; what a lone small read costs was not measured.
 */
#ifndef STORE_GROUP_H
#define STORE_GROUP_H

#include "store/base/workers.h"
#include "store/pack.h"

#define GROUP_SIZE        (2u << 20)   /* of large files */
#define GROUP_SMALL_SIZE  (512u << 10) /* of small ones */
#define GROUP_ENTRIES_MAX 4096
#define GROUP_LISTS_SIZE  (64u << 10) /* a list is read before any byte of its content */

enum group_bin {
	GROUP_SMALL = 0,
	GROUP_LARGE = 8,
	GROUP_LISTS = 12,
	GROUP_BINS = 13,
};

/* What all open groups take together. */
#define GROUPS_OPEN_MEMORY \
	((GROUP_LARGE - GROUP_SMALL) * GROUP_SMALL_SIZE + \
	 (GROUP_LISTS - GROUP_LARGE) * GROUP_SIZE + GROUP_LISTS_SIZE)

struct group {
	struct workers_job job; /* for the owner; first */
	void *owner;
	enum pack_frame_type type; /* PACK_DATA or PACK_CHUNKS */
	struct group *next_free;
	uint32_t len, count;
	struct pack_entry table[GROUP_ENTRIES_MAX];
	uint32_t ids[GROUP_ENTRIES_MAX]; /* the caller's name for each entry */
	uint8_t data[GROUP_SIZE];
};

/* Takes over a full group. May wait; must not put anything into a group itself. */
typedef void group_full_fn(void *owner, struct group *g);

struct groups;

int groups_new(group_full_fn *full, void *owner, struct groups **ret,
	       struct err *err) MUST_CHECK;
/* Frees all groups that are open or were recycled. NULL is ignored. */
void groups_free(struct groups *gs);

/* The bin for a small file of this base name (NULL: unknown). */
unsigned groups_small_bin(const char *name);

/* A bin for one large file, if possible not shared with another one that is being written;
 * to be given back. */
unsigned groups_large_take(struct groups *gs);
void groups_large_give(struct groups *gs, unsigned bin);

/* Copies content of at most GROUP_SIZE bytes into the bin's open group. */
int groups_put(struct groups *gs, unsigned bin, const struct digest *d, uint32_t id,
	       const void *data, size_t len, struct err *err) MUST_CHECK;

/* Hands over every open group. */
void groups_flush(struct groups *gs);

/* Gives a group's memory back, from any thread. */
void groups_recycle(struct groups *gs, struct group *g);

#endif

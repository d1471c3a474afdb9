/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the forest share: forest.c (getting trees), forest_table.c (those
 * mapped), forest_build.c (an image from packs), forest_number.c (what the journal knows of
 * it), forest_disk.c (files in `trees/`), forest_evict.c (their bound).
 */
#ifndef STORE_FOREST_PRIVATE_H
#define STORE_FOREST_PRIVATE_H

#include "store/forest.h"

/* ---- an image, wherever it is ---- */

struct forest_image {
	const uint8_t *bytes;
	uint64_t len;
	bool mapped;       /* from a file in `trees/`, else in MEMORY */
	struct buf memory; /* only while not mapped */
};

void forest_image_release(struct forest_image *i);

/* ---- forest_build.c ---- */

/* The image of a layer or chain, into OUT (empty). Layers' trees come from their frames, or
 * where these are damaged, and with FROM_RECIPES always, from their recipes. ERR_NOTFOUND:
 * there is no such layer or chain (any more). Thread-safe. */
int forest_build(struct store *s, const struct catalog_tree *what, bool from_recipes,
		 struct buf *out, struct err *err) MUST_CHECK;

/* ---- forest_number.c ---- */

/* What is known of a number. ERR_NOTFOUND; ERR_STALE. */
int forest_number_get(struct store *s, uint32_t number, struct catalog_tree *ret,
		      struct err *err) MUST_CHECK;

/* The number of a layer's or chain's tree. ERR_NOTFOUND. */
int forest_number_find(struct store *s, enum tree_owner owner, const struct digest *id,
		       uint32_t *ret, struct err *err) MUST_CHECK;

/* Journals that our writer made the image SHA256 of TREE. *ret: the tree as it is known from
 * now on, under a new number if it was known with other bytes. ERR_STALE: another process
 * has given it a new number meanwhile. ERR_BUSY: a newer writer has made it; that stands. */
int forest_number_settle(struct store *s, const struct catalog_tree *tree,
			 const struct digest *sha256, struct catalog_tree *ret,
			 struct err *err) MUST_CHECK;

/* ---- forest_disk.c ---- */

/* Opens a tree's file for reading, if it is what the journal says (TREE's sha256). A file
 * that is not is removed if the store is writable. ERR_NOTFOUND: there is none to be used. */
int forest_disk_open(struct store *s, const struct catalog_tree *tree, int *ret_fd,
		     struct err *err) MUST_CHECK;

/* The same, mapped. */
int forest_disk_map(struct store *s, const struct catalog_tree *tree,
		    struct forest_image *ret, struct err *err) MUST_CHECK;

/* Makes the file, replacing what is there, all or nothing. */
int forest_disk_write(struct store *s, const struct catalog_tree *tree, const void *bytes,
		      size_t len, struct err *err) MUST_CHECK;

/* Says that the file was used just now. Never fails: it is only about order. */
void forest_disk_touch(struct store *s, uint32_t number);
void forest_disk_remove(struct store *s, uint32_t number);

/* Digits and ".erofs". */
#define FOREST_NAME_SIZE 16
void forest_disk_name(uint32_t number, char name[FOREST_NAME_SIZE]);
/* False if NAME is no tree's. */
bool forest_disk_parse(const char *name, uint32_t *ret_number);

/* ---- forest_evict.c ---- */

struct forest_evict {
	int dirfd; /* `trees/` */
	uint64_t bound;
	/* Brings the times of files that this process uses up to date. */
	void (*touch)(void *arg);
	/* Lets go of a tree that this process has mapped; false if it is in use. */
	bool (*release)(void *arg, uint32_t number);
	void *arg;
};

/* Whether some process (this one too) has the tree's file open. */
bool forest_disk_in_use(struct store *s, uint32_t number);

/* Removes files until BOUND holds, and what crashed writers left. */
int forest_evict(const struct forest_evict *e, struct err *err) MUST_CHECK;

#endif

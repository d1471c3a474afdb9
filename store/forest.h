/* SPDX-License-Identifier: Apache-2.0
 * The trees of a store by number: mapped, shared, built when missing.
 *
 * A layer's tree image is kept compressed in the pack beside its recipe (PACK_TREE frames)
 * and is written out to `trees/<8 hex digits>.erofs` at its first use; a chain's tree is
 * merged from its layers' trees then. Files in `trees/` are derived and can be deleted at
 * any time; a rebuilt one is bit-identical (its SHA-256 is journalled at the first build),
 * else the thing gets a new number and the old one is stale.
 *
 * A file is hashed once after each boot and whenever somebody wrote to it; one that is not
 * what the journal says is removed and made anew. Where the store is only read, or its disk
 * is full, trees are built in memory and nothing is journalled; a tree that a newer version
 * of the program has made stays as it was journalled, too. `generation` is always that of
 * the bytes in use.
 *
 * Thread-safe; one build of a tree at a time, others wait for it. Processes may build the
 * same tree at once: they agree on its number and its bytes.
 */
#ifndef STORE_FOREST_H
#define STORE_FOREST_H

#include "store/store.h"
#include "store/tree_merge.h"
#include "store/tree_read.h"

struct forest;

/* BOUND: bytes of tree files kept in `trees/` (0: 1 GiB), looked after when a file is made.
 * The least recently used ones go first; one that is open anywhere (mapped by a process,
 * mounted by the kernel, below a loop device) stays. S is borrowed. */
int forest_new(struct store *s, uint64_t bound, struct forest **ret,
	       struct err *err) MUST_CHECK;
void forest_free(struct forest *f);

AUTO_DEFINE(forest, struct forest, forest_free)
#define auto_forest AUTO(forest)

/* A tree in use: mapped until forest_put of the last user. */
struct forest_tree {
	struct tree tree;
	uint32_t number;
	uint32_t generation; /* 32 bits of the image's SHA-256 */
	enum tree_owner owner;
	struct digest id; /* DiffID or ChainID */
};

/* By number, without looking into the catalog if it is mapped: ERR_STALE if superseded or if
 * what it was of is gone, ERR_NOTFOUND if never given. ERR_CORRUPT: neither the layers'
 * frames nor their recipes can be read. */
int forest_get(struct forest *f, uint32_t number, struct forest_tree **ret,
	       struct err *err) MUST_CHECK;
/* By what it is of. ERR_NOTFOUND. */
int forest_get_layer(struct forest *f, const struct digest *diffid,
		     struct forest_tree **ret, struct err *err) MUST_CHECK;
int forest_get_chain(struct forest *f, const struct digest *chainid,
		     struct forest_tree **ret, struct err *err) MUST_CHECK;
void forest_put(struct forest *f, struct forest_tree *t); /* NULL is ignored */

/* The tree's file as an open read-only descriptor (for a kernel EROFS mount); made again if
 * it was removed. The caller closes it. Of a tree in memory: a file in memory (memfd). */
int forest_file(struct forest *f, struct forest_tree *t, int *ret_fd,
		struct err *err) MUST_CHECK;

/* Merges the given layers' images (bottom first) into a tree image appended to OUT: used
 * by import to check a chain before it is committed. */
int forest_merge(const struct tree *const *layers, size_t count, struct buf *out,
		 struct err *err) MUST_CHECK;

#endif

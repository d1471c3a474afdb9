/* SPDX-License-Identifier: Apache-2.0
 * A tree of the store as plain files of a directory, without FUSE and without privilege.
 *
 * Everything below the directory is made relative to open directories and never through a
 * symlink, so that neither what is in the tree nor who else works there can lead outside,
 * and paths may be as long as they like. Contents are read in the order in which they lie in
 * the packs, by a few threads, and hashed against their digests while they are written.
 *
 * What the system does not permit (owners, device nodes, some xattrs) is left out and
 * counted; whatever else fails ends it, and nothing is left of the tree. Runs of zeros are
 * holes. Nothing is synced.
 */
#ifndef TOOLS_CHECKOUT_CHECKOUT_H
#define TOOLS_CHECKOUT_CHECKOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/forest.h"
#include "store/object.h"
#include "tools/progress.h"

/* What could not be had, in entries. */
struct checkout_left {
	uint64_t owners;  /* belong to who runs this instead */
	uint64_t set_ids; /* of these: would have been setuid or setgid */
	uint64_t devices;
	uint64_t xattrs; /* single ones */
	uint64_t links;  /* of a layer: hardlinks into the layers below it */
};

struct checkout_counts {
	uint64_t directories; /* the root is one */
	uint64_t files;
	uint64_t symlinks;
	uint64_t specials;  /* device nodes, FIFOs, sockets */
	uint64_t hardlinks; /* second and further names */
	uint64_t bytes;     /* of files */
	struct checkout_left left;
};

struct checkout_options {
	bool exact;                /* leave nothing out: fail instead */
	struct progress *progress; /* NULL: none */
};

/* Writes TREE to DIR, which must not exist, or be empty. A DIR that did not exist appears
 * when it is complete. A chain's tree is written as its tar has it, a layer's fit to be
 * the lower directory of an overlay: whiteouts as devices 0:0, trusted.overlay.opaque.
 * ERR_CANCELED after a signal (interrupt.h); ERR_BUSY: another one writes there. */
int checkout_write(struct store *store, struct objects *objects,
		   const struct forest_tree *tree, const char *dir,
		   const struct checkout_options *options, struct checkout_counts *ret,
		   struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * A directory tree in memory while it is being made: by the entries of one layer (overlay
 * form) or by merging layers into a chain. Dentries (names) and inodes are separate, so
 * hardlinks are real. Compact arrays: about 150 bytes per file, names included.
 *
 * Not thread-safe. Everything belongs to the model and lives until tree_model_free.
 */
#ifndef STORE_TREE_MODEL_H
#define STORE_TREE_MODEL_H

#include <stdbool.h>
#include <sys/types.h>

#include "store/base/buf.h"
#include "store/digest.h"
#include "store/tar_scan.h"

/* Index of an inode; the root is TREE_ROOT. */
typedef uint32_t tree_ref;
#define TREE_ROOT 0u
#define TREE_NONE UINT32_MAX

/* Inodes (replaced ones may count) and names that a model can have: beyond, ERR_LIMIT. */
#define TREE_MODEL_INODES_MAX (1u << 24)
#define TREE_MODEL_NAMES_MAX  (1u << 25)
#define TREE_MODEL_PATH_MAX   4096
#define TREE_MODEL_NAME_MAX   255

enum tree_inode_flags {
	TREE_OPAQUE = 1,  /* directory of a layer that hides everything below it */
	TREE_IMPLIED = 2, /* directory without an entry of its own: 0755 0:0, mtime 0, and
			      * what is below says what it is. Not set where the layer itself
			      * removes what is below (".wh.D" with "D/x"): such a directory
			      * is made anew, with just these attributes */
	TREE_WHITEOUT = 4, /* hides a name below; S_IFCHR 0:0 in the layer's tree */
	TREE_UNRESOLVED =
		8, /* hardlink to a path of a lower layer (attr.link): S_IFREG without
			      * content, not shown in layers/ */
	TREE_DEVICE_ZERO =
		16, /* a character device 0:0 from the tar: data, no whiteout */
};

struct tree_xattr {
	const char
		*name; /* full name, escaping applied (DESIGN: trusted.overlay.X of a tar
			   * is trusted.overlay.overlay.X here), NUL-terminated */
	const void *value;
	uint32_t value_len;
};

struct tree_attr {
	uint32_t mode; /* S_IFMT and permission bits */
	uint32_t uid, gid;
	int64_t mtime;
	uint32_t mtime_nsec;
	uint32_t rdev_major, rdev_minor;
	uint64_t size;        /* files: content; symlinks: target length */
	uint32_t flags;       /* enum tree_inode_flags */
	struct digest digest; /* files with size > 0 */
	/* Symlink target. TREE_UNRESOLVED: path of the link's target from the root, symlinks of
	 * the layer followed; what these lead to may have ".." in it. */
	const char *link;
	const struct tree_xattr *xattrs; /* from the model: sorted, no name twice */
	uint32_t xattr_count;
};

struct tree_model;

/* An empty tree: a root directory with TREE_IMPLIED. */
int tree_model_new(struct tree_model **ret, struct err *err) MUST_CHECK;
void tree_model_free(struct tree_model *m); /* NULL is ignored */

AUTO_DEFINE(tree_model, struct tree_model, tree_model_free)
#define auto_tree_model AUTO(tree_model)

/* ---- as a layer: entries in tar order ---- */

/* Applies one tar entry to the tree of one layer, by the rules of OCI image layers:
 *  - the path is cleaned ("./a", "/a", "a/"); "..", empty names, names over 255 bytes and
 *    paths over 4096 are ERR_INVALID / ERR_LIMIT; an entry for the root sets its attributes;
 *  - ".wh.NAME" becomes a whiteout, unless the layer itself has NAME (before or after): then
 *    the whiteout only makes a directory NAME opaque; ".wh..wh..opq" makes the directory
 *    opaque; other ".wh..wh.*" are ignored with all below them, only files in
 *    ".wh..wh.plnk/" can be the target of hardlinks (aufs); ".wh." alone is ERR_INVALID;
 *  - missing parents are made (TREE_IMPLIED); a parent that is a symlink within this layer is
 *    followed inside the root (40 links at most, else ERR_INVALID); a parent that is another
 *    non-directory is replaced by a directory;
 *  - a directory over a directory replaces attributes and keeps children; anything else over
 *    anything else replaces it; a directory over a non-directory of this layer is opaque;
 *  - a hardlink to a name of this layer joins that inode (its own header's attributes are
 *    ignored); to a name that the layer does not have: TREE_UNRESOLVED; to a directory:
 *    ERR_INVALID;
 *  - xattrs: trusted.overlay.* escaped; character devices 0:0 flagged TREE_DEVICE_ZERO.
 * DIGEST is the content's for files with size > 0. *ret (may be NULL): the inode (of a
 * hardlink: the one it joined), TREE_NONE if there is none (whiteouts, ignored entries). The
 * inode of an entry that a later one replaces may become that of a still later one.
 * ERR_LIMIT: too many inodes, or names, links and xattrs beyond all measure. */
int tree_model_apply(struct tree_model *m, const struct tar_entry *e,
		     const struct digest *digest, tree_ref *ret,
		     struct err *err) MUST_CHECK;

/* Sets the digest of an inode whose content was not known when it was applied; in the order
 * of the entries. */
void tree_model_set_digest(struct tree_model *m, tree_ref inode, const struct digest *d);

/* ---- direct ---- */

/* Looks up NAME in DIR. TREE_NONE if missing. */
tree_ref tree_model_lookup(struct tree_model *m, tree_ref dir, const char *name,
			   size_t len);
/* A new inode (strings, xattrs copied), with no name yet. Nothing is escaped here. Of xattrs
 * with the same name the last one counts. */
int tree_model_inode(struct tree_model *m, const struct tree_attr *attr, tree_ref *ret,
		     struct err *err) MUST_CHECK;
/* Gives INODE the name NAME in DIR, replacing (with everything below) what had it. A
 * directory has one name at most. ERR_LIMIT: the path is over 4096 bytes long. */
int tree_model_link(struct tree_model *m, tree_ref dir, const char *name, size_t len,
		    tree_ref inode, struct err *err) MUST_CHECK;
/* Takes a name away, with everything below it; missing is fine. */
void tree_model_unlink(struct tree_model *m, tree_ref dir, const char *name, size_t len);

void tree_model_get(struct tree_model *m, tree_ref inode, struct tree_attr *ret);
/* Replaces attributes (mode type unchanged) and xattrs. */
int tree_model_set(struct tree_model *m, tree_ref inode, const struct tree_attr *attr,
		   struct err *err) MUST_CHECK;
/* Names of a non-directory; of a directory 2 and one more for each directory in it. */
uint32_t tree_model_nlink(struct tree_model *m, tree_ref inode);
uint32_t tree_model_count(struct tree_model *m); /* inodes reachable from the root */
/* Every tree_ref is below this: the size of an array with one item per inode. */
uint32_t tree_model_refs(struct tree_model *m);
uint32_t tree_model_children(struct tree_model *m, tree_ref dir); /* names in DIR */

/* Children in no particular order; names are not NUL-terminated and live as long as the
 * model. EACH must not change the tree; what it returns, if not 0, ends the walk and is
 * returned. */
typedef int tree_model_fn(void *arg, const char *name, size_t len, tree_ref inode,
			  struct err *err);
int tree_model_each(struct tree_model *m, tree_ref dir, tree_model_fn *each, void *arg,
		    struct err *err) MUST_CHECK;

/* Who writes a large tree need not have all of it in memory until the end. Names shall not be
 * looked up, given or taken away any more: */
void tree_model_seal(struct tree_model *m);
/* Then, no inode be asked for; names and link targets that were told live on: */
void tree_model_drop_inodes(struct tree_model *m);

/* What the layer needs to say about itself: enum layer_flags (record.h). The root does not
 * count as an implied directory: hardly any layer has an entry for it. */
uint32_t tree_model_layer_flags(struct tree_model *m);

#endif

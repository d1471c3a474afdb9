/* SPDX-License-Identifier: Apache-2.0
 * What the parts of a snapshot share: the state of the stream that is being made.
 */
#ifndef STORE_SNAPSHOT_PRIVATE_H
#define STORE_SNAPSHOT_PRIVATE_H

#include "store/base/stream.h"
#include "store/link_map.h"
#include "store/snapshot.h"
#include "store/walk.h"
#include "store/xattr_list.h"

/* Files up to this size are read whole before their header is told, so that one that
 * changes meanwhile can be read again. */
#define SNAPSHOT_WHOLE_MAX (8u << 20)

#define SNAPSHOT_NOTHING 0u /* no nid */

/* A directory on the way down to the present entry, and what it is in the parent's tree. */
struct snapshot_level {
	uint64_t below;  /* what the layer will lie on; SNAPSHOT_NOTHING */
	uint64_t lower;  /* upper: what the overlay shows through; SNAPSHOT_NOTHING */
	size_t pending;  /* bytes of `pending` before its own entry */
	bool counted;    /* every name of `below` was asked for: */
	size_t expected; /* of these, the ones that the walk has still to give */
};

/* An entry and what the parent has in its place. */
struct snapshot_place {
	uint64_t below, lower;
	struct tree_node node; /* of `below`, if that is something */
};

struct snapshot {
	struct stream base;
	const struct snapshot_options *options;
	struct snapshot_stats *stats;
	struct walk *walk;
	struct link_map links;
	struct xattr_list xattrs, others; /* of the entry; of its like in the parent */
	struct buf levels;                /* struct snapshot_level */

	/* Directories that equal the parent's, and are told only if something in them is. */
	struct buf pending;
	struct buf before; /* made but not yet read: first this, ... */
	struct buf out;    /* ... then this, ... */
	size_t before_used, out_used;
	bool tell; /* the pending directories are to be told */
	bool ended;
	bool exact; /* what is left out must be just the parent's */

	/* ... then content that does not fit in memory: of a file or an object. */
	int fd; /* -1: OBJECT, if anything is left */
	struct digest object;
	uint64_t left, size;
	struct walk_stat start;
	char path[WALK_PATH_MAX];

	/* A subtree of the parent that is told under another name. */
	struct buf moved; /* a stack of directories, snapshot_moved.c */
	char moved_path[WALK_PATH_MAX];
};

static inline bool snapshot_is_whole(const struct snapshot *s)
{
	return !s->options->upper && !s->options->parent;
}

/* What becomes of an entry. */
enum snapshot_fate {
	SNAPSHOT_KEPT, /* it is in the layer */
	SNAPSHOT_SAME, /* it is the parent's */
	SNAPSHOT_GONE, /* it is not there, or a whiteout */
};

/* ---- snapshot.c ---- */

int snapshot_changed(const char *path, struct err *err);
enum tar_type snapshot_type(uint32_t mode);
/* Appends the entry's header to OUT. ST gives what E does not say yet. */
int snapshot_put_entry(struct snapshot *s, struct buf *out, struct tar_entry *e,
		       const char *path, const struct walk_stat *st,
		       struct err *err) MUST_CHECK;
/* Appends ".wh.NAME" in DIR ("" for the top) to the layer. */
int snapshot_put_whiteout(struct snapshot *s, const char *dir, size_t dir_len,
			  const char *name, struct err *err) MUST_CHECK;
#define SNAPSHOT_OPAQUE ".wh..opq" /* as NAME: the directory is opaque */
/* E is not there: a whiteout, if the parent has it. */
int snapshot_put_removed(struct snapshot *s, const struct walk_entry *e,
			 const struct snapshot_place *p, struct err *err) MUST_CHECK;
bool snapshot_excluded(const struct snapshot *s, const char *path);
/* The next LEN bytes to be told are those of an object. */
void snapshot_put_object(struct snapshot *s, const struct digest *d, uint64_t size,
			 const char *path);

/* ---- snapshot_file.c ---- */

int snapshot_put_file(struct snapshot *s, const struct walk_entry *e,
		      const struct snapshot_place *p, enum snapshot_fate *ret,
		      struct err *err) MUST_CHECK;
/* E is gone since it was listed: no error unless that leaves the layer wrong. */
int snapshot_gone(const struct walk_entry *e, const struct snapshot_place *p,
		  struct err *err);

/* ---- snapshot_parent.c ---- */

int snapshot_place_find(struct snapshot *s, const struct walk_entry *e,
			struct snapshot_place *ret, struct err *err) MUST_CHECK;
/* Ends the directories that the walk has left. */
int snapshot_leave(struct snapshot *s, size_t depth, struct err *err) MUST_CHECK;
/* Whether ST is what the parent has there, as far as an inode shows it. */
bool snapshot_same_inode(const struct snapshot *s, const struct walk_stat *st,
			 const struct snapshot_place *p);
/* Reads the parent's xattrs into `others`, as a tar has them. */
int snapshot_other_xattrs(struct snapshot *s, uint64_t nid, struct err *err) MUST_CHECK;
/* *ret_same: the stat cache says that the entry is what the parent has there. */
int snapshot_recognise(struct snapshot *s, const struct walk_entry *e,
		       const struct snapshot_place *p, bool *ret_same,
		       struct err *err) MUST_CHECK;
int snapshot_put_dir(struct snapshot *s, const struct walk_entry *e,
		     const struct snapshot_place *p, struct err *err) MUST_CHECK;

/* ---- snapshot_upper.c ---- */

/* What overlayfs' xattrs say of an entry of an upper directory. */
struct snapshot_upper {
	bool opaque, whiteout, metacopy;
	size_t redirect_len; /* 0: none */
	char redirect[WALK_PATH_MAX];
};

/* Takes them out of `xattrs` and un-escapes what was escaped. */
int snapshot_upper_sort(struct snapshot *s, const struct snapshot_place *p,
			struct snapshot_upper *ret, struct err *err) MUST_CHECK;
/* The directory that shows through E; SNAPSHOT_NOTHING. */
int snapshot_upper_dir(struct snapshot *s, const struct walk_entry *e,
		       const struct snapshot_place *p, const struct snapshot_upper *u,
		       uint64_t *ret, struct err *err) MUST_CHECK;
/* The content of E, a file of SIZE bytes without data. */
int snapshot_upper_content(struct snapshot *s, const struct walk_entry *e, uint64_t size,
			   const struct snapshot_place *p, const struct snapshot_upper *u,
			   struct digest *ret, struct err *err) MUST_CHECK;

/* ---- snapshot_moved.c ---- */

/* Lets all that is in directory NID of the parent, but NAMES (sorted), be told below PATH. */
int snapshot_moved_start(struct snapshot *s, uint64_t nid, const char *path,
			 const char *const *names, size_t count,
			 struct err *err) MUST_CHECK;
/* Makes the next entry; there is one while `moved` is not empty. */
int snapshot_moved_next(struct snapshot *s, struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * What the parts of a checkout share. In the order of the work: checkout_target.c has the
 * directory that is written to; checkout_names.c makes directories and whatever is no file;
 * checkout_files.c writes the files; checkout.c joins further names to them and has the order
 * of things. checkout_attrs.c gives all of these their attributes, and checkout_dirs.c keeps
 * directories open.
 */
#ifndef TOOLS_CHECKOUT_CHECKOUT_PRIVATE_H
#define TOOLS_CHECKOUT_CHECKOUT_PRIVATE_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "store/base/buf.h"
#include "store/nid_map.h"
#include "tools/checkout/checkout.h"

/* A name of the tree; NAME points into the image and is not terminated. */
struct checkout_name {
	const char *name; /* NULL: it was left out */
	uint32_t dir;     /* index in checkout->dirs */
	uint32_t len;
};

/* Directories by index: parents before what is in them, the root is 0. */
struct checkout_dir {
	uint64_t nid;
	struct checkout_name at;
};

struct checkout_file {
	uint64_t nid;
	struct checkout_name at;
	uint64_t frame; /* where its content is: */
	uint32_t pack;  /* 0: it is empty */
	uint32_t off;
};

/* Another name of something: of names[FIRST]. */
struct checkout_link {
	struct checkout_name at;
	uint32_t first;
};

struct checkout {
	struct store *store;
	struct objects *objects;
	const struct forest_tree *tree;
	const struct checkout_options *options;
	int root;                      /* the directory that is written to */
	struct buf dirs, files, links; /* of the structs above */
	struct nid_map named;          /* what has several names: index in NAMES */
	struct buf names;              /* struct checkout_name: the first ones */
	struct checkout_counts counts; /* all but LEFT */
	struct {
		_Atomic uint64_t owners, set_ids, devices, xattrs, links;
	} left;
};

static inline const struct checkout_dir *checkout_dir_at(const struct checkout *c,
							 uint32_t i)
{
	return (const struct checkout_dir *)(const void *)c->dirs.data + i;
}

static inline size_t checkout_dir_count(const struct checkout *c)
{
	return c->dirs.len / sizeof(struct checkout_dir);
}

#define CHECKOUT_NAME_SIZE 256

/* NAME terminated. */
static inline const char *checkout_name_text(const struct checkout_name *n,
					     char text[CHECKOUT_NAME_SIZE])
{
	size_t len = n->len < CHECKOUT_NAME_SIZE ? n->len : CHECKOUT_NAME_SIZE - 1;

	memcpy(text, n->name, len);
	text[len] = '\0';
	return text;
}

/* ---- checkout.c ---- */

/* For errors: the path of a name, cut at the front if it is too long. Returns TEXT. */
#define CHECKOUT_PATH_SIZE 300
const char *checkout_path(const struct checkout *c, const struct checkout_name *n,
			  char text[CHECKOUT_PATH_SIZE]);
/* "cannot <what> '<path>': <errnum>". */
int checkout_failed(const struct checkout *c, const struct checkout_name *n,
		    const char *what, int errnum, struct err *err);
/* Counts what cannot be had, or fails with checkout_failed's text if all is wanted. */
int checkout_leave(const struct checkout *c, _Atomic uint64_t *count,
		   const struct checkout_name *n, const char *what, int errnum,
		   struct err *err) MUST_CHECK;

/* ---- checkout_target.c ---- */

struct checkout_target {
	char *path;      /* where the tree is wanted */
	char *part;      /* where it is written; NULL: in PATH, which was there */
	int fd;          /* the directory, locked and for nobody else */
	struct stat was; /* PATH, if it was there */
};

/* ERR_INVALID: it is there, and not an empty directory. */
int checkout_target_open(const char *path, struct checkout_target *ret,
			 struct err *err) MUST_CHECK;
/* The tree is complete: moves it to where it is wanted. */
int checkout_target_finish(struct checkout_target *t, struct err *err) MUST_CHECK;
/* Removes the directory, which must be empty, or makes it what it was. */
int checkout_target_undo(struct checkout_target *t, struct err *err) MUST_CHECK;
void checkout_target_release(struct checkout_target *t);

/* ---- checkout_dirs.c ---- */

#define CHECKOUT_DIRS_OPEN 32u

/* Some open directories of the tree. One thread at a time. */
struct checkout_dirs {
	const struct checkout *c;
	bool removing; /* make them fit for that */
	struct {
		int fd;
		uint32_t dir; /* 0: free */
	} open[CHECKOUT_DIRS_OPEN];
	struct buf way;
};

void checkout_dirs_init(struct checkout_dirs *d, const struct checkout *c);
void checkout_dirs_release(struct checkout_dirs *d);
/* *ret_fd is borrowed until the next call. */
int checkout_dirs_get(struct checkout_dirs *d, uint32_t dir, int *ret_fd,
		      struct err *err) MUST_CHECK;

/* ---- checkout_names.c ---- */

/* Makes everything but files and further names, and lists these. */
int checkout_names(struct checkout *c, struct err *err) MUST_CHECK;

/* ---- checkout_files.c ---- */

int checkout_files(struct checkout *c, struct err *err) MUST_CHECK;

/* ---- checkout_attrs.c ---- */

/* Owner, xattrs, mode and times of what is open as FD, or, with FD -1, of a symlink or special
 * file in the directory PARENT, which is not followed. In this order: a change of owner
 * takes set-id bits and capabilities away. */
int checkout_attrs(struct checkout *c, const struct checkout_name *at, int fd, int parent,
		   const struct tree_node *node, struct err *err) MUST_CHECK;

#endif

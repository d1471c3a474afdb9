/* SPDX-License-Identifier: Apache-2.0
 * The first round of a checkout: directories, symlinks, special files. */
#include "tools/checkout/checkout_private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "store/tree_model.h"
#include "tools/interrupt.h"

#define LINK_SIZE 4096

/* A directory whose entries are being made. */
struct round {
	struct checkout *c;
	uint32_t dir;
	int fd;
};

/* ---- one entry ---- */

static int make_dir(struct round *w, const struct checkout_name *at,
		    const struct tree_node *node, struct err *err)
{
	const struct checkout_dir dir = {node->nid, *at};
	char name[CHECKOUT_NAME_SIZE];
	int r;

	if (checkout_dir_count(w->c) >= w->c->tree->tree.inodes)
		return err_set(err, ERR_CORRUPT, "directories are in a circle");
	/* It is listed first, so that it is removed in any case. */
	r = buf_append(&w->c->dirs, &dir, sizeof(dir), err);
	if (r == 0 && mkdirat(w->fd, checkout_name_text(at, name), 0700) < 0)
		return checkout_failed(w->c, at, "make", errno, err);
	return r;
}

static int make_file(struct round *w, const struct checkout_name *at,
		     const struct tree_node *node, struct err *err)
{
	const struct checkout_file file = {.nid = node->nid, .at = *at};

	w->c->counts.files++;
	w->c->counts.bytes += node->size;
	return buf_append(&w->c->files, &file, sizeof(file), err);
}

static int make_symlink(struct round *w, const struct checkout_name *at,
			const struct tree_node *node, struct err *err)
{
	char name[CHECKOUT_NAME_SIZE], text[LINK_SIZE];
	const char *target;
	size_t len;
	int r = tree_readlink(&w->c->tree->tree, node->nid, &target, &len, err);

	if (r < 0)
		return r;
	if (len >= sizeof(text) || memchr(target, '\0', len))
		return err_set(err, ERR_CORRUPT, "a symlink is damaged");
	memcpy(text, target, len);
	text[len] = '\0';
	if (symlinkat(text, w->fd, checkout_name_text(at, name)) < 0)
		return checkout_failed(w->c, at, "make", errno, err);
	w->c->counts.symlinks++;
	return checkout_attrs(w->c, at, -1, w->fd, node, err);
}

static int make_special(struct round *w, const struct checkout_name *at,
			const struct tree_node *node, bool *ret_left, struct err *err)
{
	bool zero = node->flags & (TREE_WHITEOUT | TREE_DEVICE_ZERO);
	dev_t device = zero ? 0 : makedev(node->rdev_major, node->rdev_minor);
	char name[CHECKOUT_NAME_SIZE];

	if (mknodat(w->fd, checkout_name_text(at, name), (node->mode & S_IFMT) | 0600,
		    device) == 0) {
		w->c->counts.specials++;
		return checkout_attrs(w->c, at, -1, w->fd, node, err);
	}
	if (errno != EPERM)
		return checkout_failed(w->c, at, "make", errno, err);
	*ret_left = true;
	return checkout_leave(w->c, &w->c->left.devices, at, "make the device", EPERM,
			      err);
}

static int make(struct round *w, const struct checkout_name *at,
		const struct tree_node *node, bool *ret_left, struct err *err)
{
	switch (node->mode & S_IFMT) {
	case S_IFDIR:
		return make_dir(w, at, node, err);
	case S_IFREG:
		return make_file(w, at, node, err);
	case S_IFLNK:
		return make_symlink(w, at, node, err);
	}
	return make_special(w, at, node, ret_left, err);
}

/* ---- several names ---- */

/* The first of several names is made, the others are joined to it later. */
static int note_name(struct checkout *c, const struct checkout_name *at, uint64_t nid,
		     bool left, struct err *err)
{
	const struct checkout_name gone = {.dir = at->dir};
	uint32_t number = (uint32_t)(c->names.len / sizeof(*at));
	int r = nid_map_set(&c->named, nid, number, err);

	return r < 0 ? r : buf_append(&c->names, left ? &gone : at, sizeof(*at), err);
}

static int note_link(struct checkout *c, const struct checkout_name *at, uint32_t first,
		     struct err *err)
{
	const struct checkout_link link = {*at, first};

	return buf_append(&c->links, &link, sizeof(link), err);
}

static int take_node(struct round *w, const struct checkout_name *at,
		     const struct tree_node *node, struct err *err)
{
	bool several = !S_ISDIR(node->mode) && node->nlink > 1, left = false;
	uint32_t first = several ? nid_map_get(&w->c->named, node->nid) : UINT32_MAX;
	int r;

	if (node->flags & TREE_UNRESOLVED)
		return checkout_leave(w->c, &w->c->left.links, at,
				      "make without the layers below the hardlink",
				      ENOENT, err);
	if (first != UINT32_MAX)
		return note_link(w->c, at, first, err);
	r = make(w, at, node, &left, err);
	return r < 0 || !several ? r : note_name(w->c, at, node->nid, left, err);
}

/* ---- the walk ---- */

static int take_entry(void *arg, const char *name, size_t len, uint64_t nid,
		      uint32_t type, uint64_t next, struct err *err)
{
	struct round *w = arg;
	const struct checkout_name at = {name, w->dir, (uint32_t)len};
	struct tree_node node;
	int r;

	(void)type;
	(void)next;
	if ((len == 1 && name[0] == '.') || (len == 2 && memcmp(name, "..", 2) == 0))
		return 0;
	if (len >= CHECKOUT_NAME_SIZE || memchr(name, '/', len) ||
	    memchr(name, '\0', len))
		return err_set(err, ERR_CORRUPT, "a directory has a bad name");
	r = interrupt_check(err);
	if (r == 0)
		r = tree_node(&w->c->tree->tree, nid, &node, err);
	return r < 0 ? r : take_node(w, &at, &node, err);
}

int checkout_names(struct checkout *c, struct err *err)
{
	const struct checkout_dir root = {.nid = TREE_ROOT_NID, .at = {.name = ""}};
	struct checkout_dirs open;
	int r = buf_append(&c->dirs, &root, sizeof(root), err);

	checkout_dirs_init(&open, c);
	for (uint32_t i = 0; r == 0 && i < checkout_dir_count(c); i++) {
		const struct checkout_dir dir = *checkout_dir_at(c, i);
		struct round w = {.c = c, .dir = i};

		r = checkout_dirs_get(&open, i, &w.fd, err);
		if (r == 0)
			r = tree_readdir(&c->tree->tree, dir.nid, 0, take_entry, &w, err);
	}
	checkout_dirs_release(&open);
	c->counts.directories = checkout_dir_count(c);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0
 * A tree as plain files: the order of things, and the way back when something fails. */
#include "tools/checkout/checkout_private.h"

#include <fcntl.h>
#include <string.h>

#include "store/base/io.h"
#include "tools/interrupt.h"

#define LIST_MAX ((size_t)1 << 34) /* bytes; the tree itself bounds them */

/* ---- errors ---- */

const char *checkout_path(const struct checkout *c, const struct checkout_name *n,
			  char text[CHECKOUT_PATH_SIZE])
{
	size_t at = CHECKOUT_PATH_SIZE - 1;

	text[at] = '\0';
	while (n->len) {
		if (n->len + 1 > at - 3) {
			at -= 3;
			memcpy(text + at, "...", 3);
			break;
		}
		at -= n->len;
		memcpy(text + at, n->name, n->len);
		text[--at] = '/';
		n = &checkout_dir_at(c, n->dir)->at;
	}
	return text[at] ? text + at : "/";
}

int checkout_failed(const struct checkout *c, const struct checkout_name *n,
		    const char *what, int errnum, struct err *err)
{
	char path[CHECKOUT_PATH_SIZE];

	return err_sys(err, errnum, "cannot %s '%s'", what, checkout_path(c, n, path));
}

int checkout_leave(const struct checkout *c, _Atomic uint64_t *count,
		   const struct checkout_name *n, const char *what, int errnum,
		   struct err *err)
{
	if (c->options->exact)
		return checkout_failed(c, n, what, errnum, err);
	atomic_fetch_add(count, 1);
	return 0;
}

/* ---- further names ---- */

static int join(struct checkout *c, struct checkout_dirs dirs[2],
		const struct checkout_link *link, struct err *err)
{
	const struct checkout_name *first =
		(const struct checkout_name *)(const void *)c->names.data + link->first;
	char from[CHECKOUT_NAME_SIZE], to[CHECKOUT_NAME_SIZE];
	int from_dir, to_dir, r = interrupt_check(err);

	if (r < 0)
		return r;
	if (!first->name) { /* it was a device that could not be made */
		atomic_fetch_add(&c->left.devices, 1);
		return 0;
	}
	r = checkout_dirs_get(&dirs[0], first->dir, &from_dir, err);
	if (r == 0)
		r = checkout_dirs_get(&dirs[1], link->at.dir, &to_dir, err);
	if (r < 0)
		return r;
	if (linkat(from_dir, checkout_name_text(first, from), to_dir,
		   checkout_name_text(&link->at, to), 0) < 0)
		return checkout_failed(c, &link->at, "link", errno, err);
	c->counts.hardlinks++;
	return 0;
}

static int join_all(struct checkout *c, struct err *err)
{
	const struct checkout_link *links = (const void *)c->links.data;
	struct checkout_dirs dirs[2];
	int r = 0;

	checkout_dirs_init(&dirs[0], c);
	checkout_dirs_init(&dirs[1], c);
	for (size_t i = 0; i < c->links.len / sizeof(*links) && r == 0; i++)
		r = join(c, dirs, &links[i], err);
	checkout_dirs_release(&dirs[0]);
	checkout_dirs_release(&dirs[1]);
	return r;
}

/* ---- attributes of directories ---- */

/* Last of all, and those inside before those around them: what is made in a directory changes
 * its time, and its mode may forbid it. */
static int finish_dirs(struct checkout *c, struct err *err)
{
	struct checkout_dirs open;
	int r = 0;

	checkout_dirs_init(&open, c);
	for (size_t i = checkout_dir_count(c); i-- && r == 0;) {
		const struct checkout_dir *dir = checkout_dir_at(c, (uint32_t)i);
		struct tree_node node;
		int fd;

		r = interrupt_check(err);
		if (r == 0)
			r = tree_node(&c->tree->tree, dir->nid, &node, err);
		if (r == 0)
			r = checkout_dirs_get(&open, (uint32_t)i, &fd, err);
		if (r == 0)
			r = checkout_attrs(c, &dir->at, fd, -1, &node, err);
	}
	checkout_dirs_release(&open);
	return r;
}

/* ---- the way back ---- */

static int empty_dir(const struct checkout *c, const struct checkout_name *at, int fd,
		     struct err *err)
{
	auto_dir DIR *dir = NULL;
	const struct dirent *e;
	int r = io_opendir(fd, ".", &dir, err);

	if (r < 0)
		return r;
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    unlinkat(fd, e->d_name, 0) < 0)
			return checkout_failed(c, at, "empty", errno, err);
	return 0;
}

static int remove_dir(struct checkout_dirs *open, uint32_t i, struct err *err)
{
	const struct checkout_name *at = &checkout_dir_at(open->c, i)->at;
	char name[CHECKOUT_NAME_SIZE];
	int fd, r = checkout_dirs_get(open, i, &fd, err);

	if (r == 0)
		r = empty_dir(open->c, at, fd, err);
	if (r == 0 && i)
		r = checkout_dirs_get(open, at->dir, &fd, err);
	if (r < 0 || !i)
		return r;
	return unlinkat(fd, checkout_name_text(at, name), AT_REMOVEDIR) < 0
		       ? checkout_failed(open->c, at, "remove", errno, err)
		       : 0;
}

/* Directories are removed by the list of them, so that no depth matters. The last one may not
 * have been made. */
static int remove_all(struct checkout *c, struct err *err)
{
	size_t count = checkout_dir_count(c);
	struct checkout_dirs open;
	int r = fchmod(c->root, 0700) < 0 ? err_sys(err, errno, "cannot remove it") : 0;

	checkout_dirs_init(&open, c);
	open.removing = true;
	for (size_t i = count; i-- && r == 0;) {
		r = remove_dir(&open, (uint32_t)i, err);
		if (r < 0 && i + 1 == count && i && err->sys == ENOENT)
			r = 0;
	}
	checkout_dirs_release(&open);
	return r;
}

/* Nothing is left, or it is said what. ERR is why, and gets this prepended. */
static int undo(struct checkout *c, struct checkout_target *t, struct err *why)
{
	struct err err = {0};
	int r = remove_all(c, &err);

	if (r == 0)
		r = checkout_target_undo(t, &err);
	if (r < 0)
		err_wrap(why, "part of the tree is left in '%s' (%s)",
			 t->part ? t->part : t->path, err.msg);
	return -why->code;
}

/* ---- all together ---- */

static void checkout_init(struct checkout *c)
{
	buf_init(&c->dirs, LIST_MAX);
	buf_init(&c->files, LIST_MAX);
	buf_init(&c->links, LIST_MAX);
	buf_init(&c->names, LIST_MAX);
}

static void checkout_release(struct checkout *c)
{
	buf_release(&c->dirs);
	buf_release(&c->files);
	buf_release(&c->links);
	buf_release(&c->names);
	nid_map_release(&c->named);
}

static int write_tree(struct checkout *c, struct err *err)
{
	int r = checkout_names(c, err);

	if (r == 0)
		r = checkout_files(c, err);
	if (r == 0)
		r = join_all(c, err);
	return r < 0 ? r : finish_dirs(c, err);
}

static void count(const struct checkout *c, struct checkout_counts *ret)
{
	*ret = c->counts;
	ret->left = (struct checkout_left){
		.owners = atomic_load(&c->left.owners),
		.set_ids = atomic_load(&c->left.set_ids),
		.devices = atomic_load(&c->left.devices),
		.xattrs = atomic_load(&c->left.xattrs),
		.links = atomic_load(&c->left.links),
	};
}

int checkout_write(struct store *store, struct objects *objects,
		   const struct forest_tree *tree, const char *dir,
		   const struct checkout_options *options, struct checkout_counts *ret,
		   struct err *err)
{
	struct checkout c = {
		.store = store, .objects = objects, .tree = tree, .options = options};
	struct checkout_target target;
	struct err why = {0};
	int r = checkout_target_open(dir, &target, err);

	if (r < 0)
		return r;
	checkout_init(&c);
	c.root = target.fd;
	r = write_tree(&c, &why);
	if (r == 0)
		r = checkout_target_finish(&target, &why);
	if (r < 0)
		r = undo(&c, &target, &why);
	if (r < 0)
		err_copy(err, &why);
	else
		count(&c, ret);
	checkout_release(&c);
	checkout_target_release(&target);
	return r;
}

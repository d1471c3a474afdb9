/* SPDX-License-Identifier: Apache-2.0
 * Paths through a tree model. */
#include "store/tree_walk.h"

/* Links to long paths through links to long paths would make one entry cost as much as a
 * layer. */
#define STEPS_MAX 8192

void tree_walk_init(struct tree_walk *w, struct tree_model *m, tree_ref dir,
		    const char *path, size_t len)
{
	w->m = m;
	w->dir = len && *path == '/' ? TREE_ROOT : dir;
	w->links = w->steps = 0;
	w->depth = 1;
	w->rest[0].p = path;
	w->rest[0].len = len;
}

/* The next component of the innermost path; empty ones are skipped. */
static bool component(struct tree_walk *w, const char **ret, size_t *ret_len)
{
	while (w->depth) {
		const char *p = w->rest[w->depth - 1].p;
		size_t len = w->rest[w->depth - 1].len, n;
		const char *slash;

		while (len && *p == '/')
			p++, len--;
		if (!len) {
			w->depth--;
			continue;
		}
		slash = memchr(p, '/', len);
		n = slash ? (size_t)(slash - p) : len;
		w->rest[w->depth - 1].p = p + n;
		w->rest[w->depth - 1].len = len - n;
		*ret = p;
		*ret_len = n;
		return true;
	}
	return false;
}

static tree_ref parent_of(const struct tree_model *m, tree_ref dir)
{
	name_ref self = m->inodes[dir].dir.self;

	return self == TREE_NONE ? TREE_ROOT : m->names[self].dir;
}

bool tree_walk_next(struct tree_walk *w, const char **ret, size_t *ret_len)
{
	while (component(w, ret, ret_len)) {
		const char *p = *ret;

		w->steps++;
		if (p[0] != '.' || *ret_len > 2 || (*ret_len == 2 && p[1] != '.'))
			return true;
		if (*ret_len == 2)
			w->dir = parent_of(w->m, w->dir);
	}
	return false;
}

bool tree_walk_follow(struct tree_walk *w, tree_ref symlink)
{
	const char *target = w->m->inodes[symlink].link;

	if (++w->links > TREE_WALK_LINKS_MAX || w->steps > STEPS_MAX)
		return false;
	if (*target == '/')
		w->dir = TREE_ROOT;
	w->rest[w->depth].p = target;
	w->rest[w->depth].len = strlen(target);
	w->depth++;
	return true;
}

static int append(struct buf *path, const char *p, size_t len, struct err *err)
{
	int r = 0;

	while (len && *p == '/')
		p++, len--;
	while (len && p[len - 1] == '/')
		len--;
	if (!len)
		return 0;
	if (path->len)
		r = buf_append_u8(path, '/', err);
	return r < 0 ? r : buf_append(path, p, len, err);
}

int tree_walk_spell(const struct tree_walk *w, const char *name, size_t len,
		    struct buf *path, struct err *err)
{
	int r = tree_model_path(w->m, w->dir, path, err);

	if (r == 0)
		r = append(path, name, len, err);
	for (unsigned i = w->depth; r == 0 && i > 0; i--)
		r = append(path, w->rest[i - 1].p, w->rest[i - 1].len, err);
	return r;
}

static tree_ref finish(struct tree_walk *w)
{
	const char *name;
	size_t len;

	while (tree_walk_next(w, &name, &len)) {
		tree_ref child = tree_model_lookup(w->m, w->dir, name, len);

		if (child == TREE_NONE)
			return TREE_NONE;
		if (tree_model_is_dir(w->m, child))
			w->dir = child;
		else if (!S_ISLNK(w->m->inodes[child].mode) ||
			 !tree_walk_follow(w, child))
			return TREE_NONE;
	}
	return w->dir;
}

tree_ref tree_walk_path(struct tree_model *m, tree_ref dir, const char *path, size_t len)
{
	struct tree_walk w;

	tree_walk_init(&w, m, dir, path, len);
	return finish(&w);
}

tree_ref tree_walk_symlink(struct tree_model *m, tree_ref dir, tree_ref symlink)
{
	struct tree_walk w;

	tree_walk_init(&w, m, dir, "", 0);
	return tree_walk_follow(&w, symlink) ? finish(&w) : TREE_NONE;
}

/* SPDX-License-Identifier: Apache-2.0
 * A snapshot against its parent's tree: what lies below an entry, whether it is the same,
 * and what of a directory is gone. */
#include "store/snapshot_private.h"

#include <string.h>
#include <sys/stat.h>

#include "store/tree_model.h"

#define ESCAPE "overlay.overlay."

static struct snapshot_level *top(struct snapshot *s)
{
	return (struct snapshot_level *)(void *)(s->levels.data + s->levels.len) - 1;
}

static size_t depth_of(const struct snapshot *s)
{
	return s->levels.len / sizeof(struct snapshot_level);
}

int snapshot_leave(struct snapshot *s, size_t depth, struct err *err)
{
	while (depth_of(s) > depth) {
		const struct snapshot_level *l = top(s);

		if (l->counted && l->expected)
			return err_set(err, ERR_FAILED,
				       "files vanish while they are read");
		if (s->pending.len > l->pending)
			s->pending.len = l->pending;
		s->levels.len -= sizeof(*l);
	}
	return 0;
}

/* ---- places ---- */

static int lookup(struct snapshot *s, uint64_t dir, const char *name, uint64_t *ret,
		  struct err *err)
{
	struct err why;
	int r;

	*ret = SNAPSHOT_NOTHING;
	if (dir == SNAPSHOT_NOTHING)
		return 0;
	r = tree_lookup(s->options->parent, dir, name, strlen(name), ret, &why);
	if (r == -ERR_NOTFOUND)
		*ret = SNAPSHOT_NOTHING;
	return r == 0 || r == -ERR_NOTFOUND ? 0 : err_copy(err, &why);
}

int snapshot_place_find(struct snapshot *s, const struct walk_entry *e,
			struct snapshot_place *ret, struct err *err)
{
	struct snapshot_level *l;
	int r = 0;

	*ret = (struct snapshot_place){0};
	if (!s->options->parent)
		return 0;
	if (e->depth == 0) {
		ret->below = ret->lower = TREE_ROOT_NID;
	} else {
		l = top(s);
		r = lookup(s, l->below, e->name, &ret->below, err);
		if (r == 0 && l->lower == l->below)
			ret->lower = ret->below;
		else if (r == 0)
			r = lookup(s, l->lower, e->name, &ret->lower, err);
		if (r == 0 && ret->below && l->counted && l->expected)
			l->expected--;
	}
	if (r == 0 && ret->below)
		r = tree_node(s->options->parent, ret->below, &ret->node, err);
	return r;
}

/* ---- comparing ---- */

static bool same_mtime(const struct snapshot *s, const struct walk_stat *st,
		       const struct tree_node *n)
{
	if (st->mtime == n->mtime && st->mtime_nsec == n->mtime_nsec)
		return true;
	return st->mtime >= s->options->epoch && n->mtime == s->options->epoch &&
	       n->mtime_nsec == 0;
}

bool snapshot_same_inode(const struct snapshot *s, const struct walk_stat *st,
			 const struct snapshot_place *p)
{
	const struct tree_node *n = &p->node;

	if (!p->below || st->mode != n->mode || st->uid != n->uid || st->gid != n->gid ||
	    !same_mtime(s, st, n))
		return false;
	if (S_ISDIR(st->mode))
		return true;
	/* An overlay ties copied-up names to no other name of the file below. */
	if (st->nlink != n->nlink || (s->options->upper && st->nlink > 1))
		return false;
	if (S_ISREG(st->mode))
		return st->size == n->size;
	if (S_ISCHR(st->mode) || S_ISBLK(st->mode))
		return st->rdev_major == n->rdev_major && st->rdev_minor == n->rdev_minor;
	return true;
}

/* Trees keep "trusted.overlay.X" of a tar as "trusted.overlay.overlay.X". */
static int add_other(void *arg, const char *prefix, const char *name, size_t name_len,
		     const void *value, size_t value_len, struct err *err)
{
	struct snapshot *s = arg;
	size_t skip = 0;

	if (strcmp(prefix, "trusted.") == 0 && name_len >= strlen(ESCAPE) &&
	    memcmp(name, ESCAPE, strlen(ESCAPE)) == 0)
		skip = strlen("overlay.");
	return xattr_list_append(&s->others, prefix, name + skip, name_len - skip, value,
				 value_len, err);
}

int snapshot_other_xattrs(struct snapshot *s, uint64_t nid, struct err *err)
{
	int r;

	xattr_list_clear(&s->others);
	r = tree_xattr_each(s->options->parent, nid, false, add_other, s, err);
	xattr_list_finish(&s->others);
	return r;
}

/* Whether the content, or what stands for it, is KNOWN. */
static int same_known(struct snapshot *s, const struct snapshot_place *p,
		      const struct stat_cache_known *known, bool *ret, struct err *err)
{
	struct digest d = {0};
	const char *target;
	size_t len;
	int r = 0;

	if (S_ISLNK(p->node.mode)) {
		r = tree_readlink(s->options->parent, p->below, &target, &len, err);
		if (r == 0)
			digest_of(target, len, &d);
	} else if (S_ISREG(p->node.mode) && p->node.size) {
		d = p->node.digest;
	}
	*ret = r == 0 && digest_equal(&d, &known->content);
	if (!*ret)
		return r;
	r = snapshot_other_xattrs(s, p->below, err);
	if (r == 0)
		r = xattr_list_digest(&s->others, &d, err);
	*ret = r == 0 && digest_equal(&d, &known->xattrs);
	return r;
}

int snapshot_recognise(struct snapshot *s, const struct walk_entry *e,
		       const struct snapshot_place *p, bool *ret_same, struct err *err)
{
	struct stat_cache_known known;
	int r;

	*ret_same = false;
	if (!s->options->cache || !snapshot_same_inode(s, &e->stat, p) ||
	    !stat_cache_find(s->options->cache, &e->stat, &known))
		return 0;
	r = same_known(s, p, &known, ret_same, err);
	s->stats->recognised += *ret_same;
	return r;
}

/* ---- what is gone ---- */

/* The names of the parent's directory beside those of the host's. */
struct gone {
	struct snapshot *s;
	const char *path;
	const char *const *names;
	size_t count, next;
	size_t there; /* names that both have */
	size_t kept;  /* names that stay because they are excluded */
	size_t gone;
	struct buf list; /* what is gone, NULs between */
};

static int is_excluded(const struct gone *g, const char *name, size_t len, bool *ret,
		       struct err *err)
{
	char path[WALK_PATH_MAX + 256];

	if (snprintf(path, sizeof(path), "%s%s%.*s", g->path, *g->path ? "/" : "",
		     (int)len, name) >= (int)sizeof(path))
		return err_set(err, ERR_LIMIT, "a path below '%s' is too long", g->path);
	*ret = snapshot_excluded(g->s, path);
	return 0;
}

static int name_compare(const char *a, const char *b, size_t b_len)
{
	size_t a_len = strlen(a), n = a_len < b_len ? a_len : b_len;
	int c = memcmp(a, b, n);

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

static int see_name(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		    uint64_t next, struct err *err)
{
	struct gone *g = arg;
	bool excluded = false;
	int r;

	(void)nid;
	(void)type;
	(void)next;
	if (len && name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return 0;
	while (g->next < g->count && name_compare(g->names[g->next], name, len) < 0)
		g->next++;
	if (g->next < g->count && name_compare(g->names[g->next], name, len) == 0) {
		g->there++;
		return 0;
	}
	r = is_excluded(g, name, len, &excluded, err);
	if (r < 0 || excluded) {
		g->kept++;
		return r;
	}
	g->gone++;
	r = buf_append(&g->list, name, len, err);
	return r < 0 ? r : buf_append_u8(&g->list, '\0', err);
}

static int put_whiteouts(struct snapshot *s, const char *path, const struct gone *g,
			 struct err *err)
{
	const char *name = (const char *)g->list.data;
	size_t len = strlen(path);
	int r = 0;

	if (g->gone > 1 && g->there == 0 && g->kept == 0) {
		top(s)->below = top(s)->lower = SNAPSHOT_NOTHING;
		return snapshot_put_whiteout(s, path, len, SNAPSHOT_OPAQUE, err);
	}
	for (size_t i = 0; r == 0 && i < g->gone; i++) {
		r = snapshot_put_whiteout(s, path, len, name, err);
		name += strlen(name) + 1;
	}
	return r;
}

/* Of the directory that was entered last, which is all there is. */
static int put_gone(struct snapshot *s, const struct walk_entry *e, struct err *err)
{
	struct gone g = {.s = s, .path = e->path};
	struct snapshot_level *l = top(s);
	struct err why;
	int r = walk_enter(s->walk, &g.names, &g.count, &why);

	if (r == -ERR_NOTFOUND)
		return snapshot_changed(e->path, err);
	if (r < 0)
		return err_copy(err, &why);
	buf_init(&g.list, 1u << 30);
	r = tree_readdir(s->options->parent, l->below, 0, see_name, &g, err);
	l->counted = true;
	l->expected = g.there;
	if (r == 0)
		r = put_whiteouts(s, e->path, &g, err);
	buf_release(&g.list);
	return r;
}

/* ---- directories ---- */

static int see_any(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		   uint64_t next, struct err *err)
{
	bool *any = arg;

	(void)nid;
	(void)type;
	(void)next;
	(void)err;
	*any = !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
	return *any;
}

static int has_children(struct snapshot *s, uint64_t nid, bool *ret, struct err *err)
{
	int r;

	*ret = false;
	if (nid == SNAPSHOT_NOTHING)
		return 0;
	r = tree_readdir(s->options->parent, nid, 0, see_any, ret, err);
	return r < 0 ? r : 0;
}

/* Leaves the directory's xattrs in `xattrs`; *ret_same: they are those of the parent. */
static int dir_xattrs(struct snapshot *s, const struct walk_entry *e,
		      const struct snapshot_place *p, struct snapshot_upper *u,
		      bool *ret_same, struct err *err)
{
	struct stat_cache_known known = {0};
	bool same = false;
	char path[320];
	int r;

	*u = (struct snapshot_upper){0};
	r = snapshot_recognise(s, e, p, ret_same, err);
	if (r < 0)
		return r;
	if (*ret_same) {
		struct xattr_list list = s->xattrs;

		s->xattrs = s->others;
		s->others = list;
		return 0;
	}
	walk_proc_path(s->walk, path);
	r = xattr_list_read(&s->xattrs, -1, path, e->path, err);
	if (r == 0 && s->options->upper)
		r = snapshot_upper_sort(s, p, u, err);
	if (r == 0 && s->options->cache)
		r = xattr_list_digest(&s->xattrs, &known.xattrs, err);
	if (r == 0)
		r = stat_cache_add(s->options->cache, &e->stat, &known, err);
	if (r == 0 && p->below && S_ISDIR(p->node.mode)) {
		r = snapshot_other_xattrs(s, p->below, err);
		same = xattr_list_equal(&s->xattrs, &s->others);
	}
	*ret_same = same;
	return r;
}

static int level_push(struct snapshot *s, uint64_t below, uint64_t lower, size_t pending,
		      struct err *err)
{
	const struct snapshot_level level = {
		.below = below, .lower = lower, .pending = pending};

	return buf_append(&s->levels, &level, sizeof(level), err);
}

/* All that shows through another directory is new here. */
static int start_moved(struct snapshot *s, const struct walk_entry *e, uint64_t lower,
		       struct err *err)
{
	const char *const *names;
	struct err why;
	size_t count;
	int r = walk_enter(s->walk, &names, &count, &why);

	if (r == -ERR_NOTFOUND)
		return snapshot_changed(e->path, err);
	if (r < 0)
		return err_copy(err, &why);
	return snapshot_moved_start(s, lower, e->path, names, count, err);
}

/* What is in the directory beside what the walk will give. */
static int put_inside(struct snapshot *s, const struct walk_entry *e, uint64_t below,
		      uint64_t lower, struct err *err)
{
	bool hides;
	int r;

	if (!s->options->upper)
		return below ? put_gone(s, e, err) : 0;
	if (below == lower)
		return 0;
	r = has_children(s, below, &hides, err);
	if (r == 0 && hides)
		r = snapshot_put_whiteout(s, e->path, strlen(e->path), SNAPSHOT_OPAQUE,
					  err);
	top(s)->below = SNAPSHOT_NOTHING;
	return r == 0 && lower ? start_moved(s, e, lower, err) : r;
}

int snapshot_put_dir(struct snapshot *s, const struct walk_entry *e,
		     const struct snapshot_place *p, struct err *err)
{
	uint64_t below = p->below && S_ISDIR(p->node.mode) ? p->below : SNAPSHOT_NOTHING;
	struct tar_entry entry = {.type = TAR_DIR};
	size_t pending = s->pending.len;
	uint64_t lower = below;
	struct snapshot_upper u;
	struct err why;
	bool same;
	int r = dir_xattrs(s, e, p, &u, &same, &why);

	if (r == -ERR_NOTFOUND) {
		walk_skip(s->walk);
		return snapshot_gone(e, p, err);
	}
	if (r < 0)
		return err_copy(err, &why);
	same = same && snapshot_same_inode(s, &e->stat, p);
	if (s->options->upper)
		r = snapshot_upper_dir(s, e, p, &u, &lower, err);
	/* The top is told only if it differs itself: what is in it needs it not. */
	s->tell = !same || (lower && lower != below);
	if (r == 0 && (e->depth || s->tell))
		r = snapshot_put_entry(s, &s->pending, &entry, e->path, &e->stat, err);
	if (r == 0)
		r = level_push(s, below, lower, pending, err);
	return r < 0 ? r : put_inside(s, e, below, lower, err);
}

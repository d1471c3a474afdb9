/* SPDX-License-Identifier: Apache-2.0
 * Two trees walked in step. The directories on the way down to the present one are kept as
 * lists of entries in two growing buffers used as stacks, so depth costs no stack. */
#include "store/tree_diff.h"

#include <string.h>
#include <sys/stat.h>

#include "store/base/buf.h"
#include "store/tree_model.h"

/* Names are at most 255 bytes; a chain may nest deeper than any tar path. */
#define PATH_BYTES_MAX   (64u << 10)
#define ENTRIES_MAX      (1u << 30)
#define NAMES_MAX        (1u << 30)
#define XATTRS_BYTES_MAX (4u << 20)

/* Flags that change what a node is; whether a directory is implied does not show. */
#define FLAGS_SHOWN (TREE_OPAQUE | TREE_WHITEOUT | TREE_DEVICE_ZERO)

struct item {
	uint64_t nid;
	uint32_t name; /* where in the names */
	uint32_t len;
};

/* A list of entries: items [next, end) are still to come. */
struct list {
	uint32_t next, end;
};

/* A directory that is in A, in B or in both. */
struct level {
	struct list a, b;
	uint32_t items, names; /* lengths of the buffers before it */
	uint32_t path_len;
};

struct side {
	const struct tree *tree;
	uint32_t dirs; /* entered so far: more than there are is a loop */
	struct buf xattrs;
};

struct diff {
	struct side a, b;
	tree_diff_fn *each;
	void *arg;
	struct buf items;  /* struct item */
	struct buf names;  /* bytes */
	struct buf levels; /* struct level */
	struct buf path;
};

static int damaged(struct err *err)
{
	return err_set(err, ERR_CORRUPT, "a tree is damaged");
}

/* ---- entries ---- */

static const struct item *item_at(const struct diff *d, uint32_t i)
{
	return (const struct item *)(const void *)d->items.data + i;
}

static uint32_t item_count(const struct diff *d)
{
	return (uint32_t)(d->items.len / sizeof(struct item));
}

static struct level *top(struct diff *d)
{
	return (struct level *)(void *)(d->levels.data + d->levels.len) - 1;
}

static bool is_dots(const char *name, size_t len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

static int add_item(void *arg, const char *name, size_t len, uint64_t nid, uint32_t type,
		    uint64_t next, struct err *err)
{
	struct diff *d = arg;
	struct item item = {nid, (uint32_t)d->names.len, (uint32_t)len};
	int r;

	(void)type;
	(void)next;
	if (len == 0)
		return damaged(err);
	if (is_dots(name, len))
		return 0;
	r = buf_append(&d->names, name, len, err);
	return r < 0 ? r : buf_append(&d->items, &item, sizeof(item), err);
}

/* NODE NULL or no directory: nothing is in it. */
static int read_list(struct diff *d, struct side *s, const struct tree_node *node,
		     struct list *ret, struct err *err)
{
	int r = 0;

	ret->next = item_count(d);
	if (node && S_ISDIR(node->mode)) {
		if (s->dirs++ >= s->tree->inodes)
			return damaged(err);
		r = tree_readdir(s->tree, node->nid, 0, add_item, d, err);
	}
	ret->end = item_count(d);
	return r;
}

static int enter(struct diff *d, const struct tree_node *a, const struct tree_node *b,
		 uint32_t path_len, struct err *err)
{
	struct level level = {
		.items = item_count(d),
		.names = (uint32_t)d->names.len,
		.path_len = path_len,
	};
	int r = read_list(d, &d->a, a, &level.a, err);

	if (r == 0)
		r = read_list(d, &d->b, b, &level.b, err);
	return r < 0 ? r : buf_append(&d->levels, &level, sizeof(level), err);
}

static void leave(struct diff *d)
{
	const struct level *level = top(d);

	d->items.len = level->items * sizeof(struct item);
	d->names.len = level->names;
	d->levels.len -= sizeof(*level);
}

static int compare_names(const struct diff *d, const struct item *a, const struct item *b)
{
	uint32_t len = a->len < b->len ? a->len : b->len;
	int c = memcmp(d->names.data + a->name, d->names.data + b->name, len);

	return c ? c : (a->len > b->len) - (a->len < b->len);
}

/* ---- comparing two nodes ---- */

/* One xattr in a side's buffer: the lengths, "<prefix><name>", the value. */
struct xattr_head {
	uint32_t name_len, value_len;
};

static int add_xattr(void *arg, const char *prefix, const char *name, size_t name_len,
		     const void *value, size_t value_len, struct err *err)
{
	struct side *s = arg;
	size_t prefix_len = strlen(prefix);
	struct xattr_head head = {(uint32_t)(prefix_len + name_len), (uint32_t)value_len};
	int r = buf_append(&s->xattrs, &head, sizeof(head), err);

	if (r == 0)
		r = buf_append(&s->xattrs, prefix, prefix_len, err);
	if (r == 0)
		r = buf_append(&s->xattrs, name, name_len, err);
	return r < 0 ? r : buf_append(&s->xattrs, value, value_len, err);
}

static bool has_xattr(const struct buf *in, const uint8_t *xattr, size_t len)
{
	for (size_t at = 0; at < in->len;) {
		struct xattr_head head;
		size_t n;

		memcpy(&head, in->data + at, sizeof(head));
		n = sizeof(head) + head.name_len + head.value_len;
		if (n == len && memcmp(in->data + at, xattr, n) == 0)
			return true;
		at += n;
	}
	return false;
}

/* The same set, in whatever order: names occur once, so equal sizes and every one of A found
 * in B will do. */
static bool same_sets(const struct buf *a, const struct buf *b)
{
	if (a->len != b->len)
		return false;
	if (a->len == 0 || memcmp(a->data, b->data, a->len) == 0)
		return true;
	for (size_t at = 0; at < a->len;) {
		struct xattr_head head;
		size_t n;

		memcpy(&head, a->data + at, sizeof(head));
		n = sizeof(head) + head.name_len + head.value_len;
		if (!has_xattr(b, a->data + at, n))
			return false;
		at += n;
	}
	return true;
}

static int compare_xattrs(struct diff *d, const struct tree_node *a,
			  const struct tree_node *b, bool *ret_same, struct err *err)
{
	int r;

	buf_clear(&d->a.xattrs);
	buf_clear(&d->b.xattrs);
	r = tree_xattr_each(d->a.tree, a->nid, false, add_xattr, &d->a, err);
	if (r == 0)
		r = tree_xattr_each(d->b.tree, b->nid, false, add_xattr, &d->b, err);
	if (r == 0)
		*ret_same = same_sets(&d->a.xattrs, &d->b.xattrs);
	return r;
}

static int compare_links(struct diff *d, const struct tree_node *a,
			 const struct tree_node *b, bool *ret_same, struct err *err)
{
	const char *x, *y;
	size_t x_len, y_len;
	int r = tree_readlink(d->a.tree, a->nid, &x, &x_len, err);

	if (r == 0)
		r = tree_readlink(d->b.tree, b->nid, &y, &y_len, err);
	if (r == 0)
		*ret_same = x_len == y_len && memcmp(x, y, x_len) == 0;
	return r;
}

static bool same_attributes(const struct tree_node *a, const struct tree_node *b)
{
	if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid ||
	    (a->flags & FLAGS_SHOWN) != (b->flags & FLAGS_SHOWN))
		return false;
	if (S_ISDIR(a->mode))
		return true;
	if (a->mtime != b->mtime || a->mtime_nsec != b->mtime_nsec)
		return false;
	if (S_ISREG(a->mode))
		return a->size == b->size &&
		       (a->size == 0 || digest_equal(&a->digest, &b->digest));
	return a->rdev_major == b->rdev_major && a->rdev_minor == b->rdev_minor;
}

static int compare_nodes(struct diff *d, const struct tree_node *a,
			 const struct tree_node *b, bool *ret_same, struct err *err)
{
	int r = 0;

	*ret_same = same_attributes(a, b);
	if (*ret_same && S_ISLNK(a->mode))
		r = compare_links(d, a, b, ret_same, err);
	if (r == 0 && *ret_same)
		r = compare_xattrs(d, a, b, ret_same, err);
	return r;
}

/* ---- the walk ---- */

/* "/" and the name behind the path of the directory. */
static int set_path(struct diff *d, uint32_t dir_len, const struct item *item,
		    uint32_t *ret_len, struct err *err)
{
	int r;

	d->path.len = dir_len;
	r = buf_append_u8(&d->path, '/', err);
	if (r == 0)
		r = buf_append(&d->path, d->names.data + item->name, item->len, err);
	*ret_len = (uint32_t)d->path.len;
	if (r == 0)
		r = buf_append_u8(&d->path, '\0', err);
	return r == -ERR_LIMIT ? err_set(err, ERR_LIMIT, "a path is too long") : r;
}

/* Hardlinks to files of layers below are not shown in a layer, and so are not there. */
static int get_node(const struct tree *t, const struct item *item, struct tree_node *node,
		    struct tree_node **ret, struct err *err)
{
	int r;

	*ret = NULL;
	if (!item)
		return 0;
	r = tree_node(t, item->nid, node, err);
	if (r == 0 && !(node->flags & TREE_UNRESOLVED))
		*ret = node;
	return r;
}

/* What to say of a pair; 0: nothing. */
static int judge(struct diff *d, const struct tree_node *a, const struct tree_node *b,
		 char *ret, struct err *err)
{
	bool same = true;
	int r = 0;

	if (a && b)
		r = compare_nodes(d, a, b, &same, err);
	if (a && b)
		*ret = same ? 0 : 'C';
	else
		*ret = a ? 'D' : 'A';
	return r;
}

static int visit(struct diff *d, const struct item *x, const struct item *y,
		 struct err *err)
{
	struct tree_node a_node, b_node, *a = NULL, *b = NULL;
	uint32_t len;
	char what = 0;
	int r = set_path(d, top(d)->path_len, x ? x : y, &len, err);

	if (r == 0)
		r = get_node(d->a.tree, x, &a_node, &a, err);
	if (r == 0)
		r = get_node(d->b.tree, y, &b_node, &b, err);
	if (r < 0 || (!a && !b))
		return r;
	r = judge(d, a, b, &what, err);
	if (r == 0 && what)
		r = d->each(d->arg, what, (const char *)d->path.data, a, b, err);
	/* With a directory goes all that is in it. */
	if (r == 0 && b && S_ISDIR(b->mode))
		r = enter(d, a, b, len, err);
	return r;
}

static int walk(struct diff *d, struct err *err)
{
	int r = 0;

	while (r == 0 && d->levels.len) {
		struct level *l = top(d);
		const struct item *a = NULL, *b = NULL;
		int c;

		if (l->a.next < l->a.end)
			a = item_at(d, l->a.next);
		if (l->b.next < l->b.end)
			b = item_at(d, l->b.next);
		if (!a && !b) {
			leave(d);
			continue;
		}
		c = a && b ? compare_names(d, a, b) : a ? -1 : 1;
		if (c <= 0)
			l->a.next++;
		if (c >= 0)
			l->b.next++;
		r = visit(d, c <= 0 ? a : NULL, c >= 0 ? b : NULL, err);
	}
	return r;
}

static int start(struct diff *d, struct err *err)
{
	struct tree_node a, b;
	char what = 0;
	int r = tree_node(d->a.tree, TREE_ROOT_NID, &a, err);

	if (r == 0)
		r = tree_node(d->b.tree, TREE_ROOT_NID, &b, err);
	if (r == 0)
		r = judge(d, &a, &b, &what, err);
	if (r == 0 && what)
		r = d->each(d->arg, what, "/", &a, &b, err);
	if (r == 0)
		r = enter(d, &a, &b, 0, err);
	return r == 0 ? walk(d, err) : r;
}

int tree_diff(const struct tree *a, const struct tree *b, tree_diff_fn *each, void *arg,
	      struct err *err)
{
	struct diff d = {.a.tree = a, .b.tree = b, .each = each, .arg = arg};
	int r;

	buf_init(&d.a.xattrs, XATTRS_BYTES_MAX);
	buf_init(&d.b.xattrs, XATTRS_BYTES_MAX);
	buf_init(&d.items, ENTRIES_MAX);
	buf_init(&d.names, NAMES_MAX);
	buf_init(&d.levels, PATH_BYTES_MAX * sizeof(struct level));
	buf_init(&d.path, PATH_BYTES_MAX);
	r = start(&d, err);
	buf_release(&d.path);
	buf_release(&d.levels);
	buf_release(&d.names);
	buf_release(&d.items);
	buf_release(&d.b.xattrs);
	buf_release(&d.a.xattrs);
	return r;
}

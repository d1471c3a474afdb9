/* SPDX-License-Identifier: Apache-2.0
 * Walks a model once and numbers what it finds, without recursion. */
#include "store/tree_order.h"

#include <string.h>
#include <sys/stat.h>

#include "store/tree_format.h"

/* The arrays are bounded by the model that they mirror. */
#define ARRAY_MAX (SIZE_MAX / 4)

struct walk {
	struct tree_model *m;
	struct tree_order *o;
	uint32_t *known; /* by tree_ref: number of the inode plus one, 0 unknown */
	struct buf open; /* u32: directories not yet listed, the next one last */
	struct buf list; /* struct child: the directory that is being listed */
};

struct child {
	uint64_t key; /* first eight bytes as a number: most comparisons end here */
	struct tree_order_entry entry;
};

/* ---- entries of one directory ---- */

static uint64_t key_of(const char *name, size_t len)
{
	uint8_t bytes[8] = {0};
	uint64_t key;

	memcpy(bytes, name, len < 8 ? len : 8);
	memcpy(&key, bytes, 8);
	return be64toh(key);
}

static int child_add(struct walk *w, const char *name, size_t len, uint32_t inode,
		     struct err *err)
{
	const struct child c = {key_of(name, len), {name, (uint32_t)len, inode}};

	return buf_append(&w->list, &c, sizeof(c), err);
}

/* For a start, `inode` is the model's. */
static int on_child(void *arg, const char *name, size_t len, tree_ref inode,
		    struct err *err)
{
	if (len == 0 || len > TREE_NAME_MAX)
		return err_set(err, ERR_LIMIT, "'%.*s': name of %zu bytes",
			       (int)(len < 80 ? len : 80), name, len);
	return child_add(arg, name, len, inode, err);
}

static int compare_children(const void *left, const void *right)
{
	const struct child *l = left, *r = right;
	const struct tree_order_entry *a = &l->entry, *b = &r->entry;
	int c;

	if (l->key != r->key)
		return l->key < r->key ? -1 : 1;
	c = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);
	return c ? c : (a->len > b->len) - (a->len < b->len);
}

/* Appends the listed directory's entries, sorted. */
static int entries_add(struct walk *w, struct err *err)
{
	struct tree_order *o = w->o;
	struct child *children = (struct child *)(void *)w->list.data;
	size_t count = w->list.len / sizeof(*children);
	int r = buf_reserve(&o->entry_buf, count * sizeof(*o->entries), err);

	if (r < 0)
		return r;
	o->entries = (struct tree_order_entry *)(void *)o->entry_buf.data;
	qsort(children, count, sizeof(*children), compare_children);
	for (size_t i = 0; i < count; i++)
		o->entries[o->entry_count++] = children[i].entry;
	o->entry_buf.len += count * sizeof(*o->entries);
	return 0;
}

/* ---- inodes ---- */

static int inode_add(struct walk *w, tree_ref ref, uint32_t parent, uint32_t entry,
		     struct err *err)
{
	struct tree_order *o = w->o;
	struct tree_order_inode inode = {.ref = ref, .entry = entry};
	struct tree_order_dir dir = {.inode = o->inode_count, .parent = parent};
	struct tree_attr attr;
	int r;

	tree_model_get(w->m, ref, &attr);
	inode.mode = attr.mode;
	r = buf_append(&o->inode_buf, &inode, sizeof(inode), err);
	if (r == 0 && S_ISDIR(attr.mode)) {
		r = buf_append(&o->dir_buf, &dir, sizeof(dir), err);
		o->dirs = (struct tree_order_dir *)(void *)o->dir_buf.data;
		o->dir_count += r == 0;
	}
	o->inodes = (struct tree_order_inode *)(void *)o->inode_buf.data;
	o->inode_count += r == 0;
	return r;
}

/* From the model's inode to ours, which is made when it is met first. */
static int resolve(struct walk *w, uint32_t dir, uint32_t entry, struct err *err)
{
	struct tree_order *o = w->o;
	struct tree_order_entry *e = &o->entries[entry];
	char path[TREE_ORDER_PATH_SIZE];
	uint32_t *known = &w->known[e->inode];
	int r = 0;

	if (*known == 0) {
		r = inode_add(w, e->inode, dir, entry, err);
		if (r == 0)
			*known = o->inode_count;
	} else if (S_ISDIR(o->inodes[*known - 1].mode)) {
		r = err_set(err, ERR_INVALID, "'%s': directory with a second name",
			    tree_order_path(o, *known - 1, path));
	}
	if (r == 0)
		e->inode = *known - 1;
	return r;
}

/* ---- the walk ---- */

static bool is_dots(const struct tree_order_entry *e)
{
	return e->name[0] == '.' && (e->len == 1 || (e->len == 2 && e->name[1] == '.'));
}

static int list_dir(struct walk *w, uint32_t number, struct err *err)
{
	struct tree_order *o = w->o;
	uint32_t inode = o->dirs[number].inode, first = o->entry_count;
	int r;

	buf_clear(&w->list);
	r = tree_model_each(w->m, o->inodes[inode].ref, on_child, w, err);
	if (r == 0)
		r = child_add(w, ".", 1, inode, err);
	if (r == 0)
		r = child_add(w, "..", 2, o->dirs[number].parent, err);
	if (r == 0)
		r = entries_add(w, err);
	if (r < 0)
		return r;
	o->dirs[number].first = first;
	o->dirs[number].count = o->entry_count - first;
	for (uint32_t i = first; i < o->entry_count && r == 0; i++) {
		if (!is_dots(&o->entries[i]))
			r = resolve(w, inode, i, err);
		if (r == 0)
			o->inodes[o->entries[i].inode].nlink++;
	}
	return r;
}

static int walk(struct walk *w, struct err *err)
{
	struct tree_order *o = w->o;
	int r = inode_add(w, TREE_ROOT, 0, 0, err);

	w->known[TREE_ROOT] = 1;
	if (r == 0)
		r = buf_append_zeros(&w->open, sizeof(uint32_t), err);
	while (r == 0 && w->open.len > 0) {
		uint32_t next, before = o->dir_count;

		w->open.len -= sizeof(next);
		memcpy(&next, w->open.data + w->open.len, sizeof(next));
		r = list_dir(w, next, err);
		for (uint32_t i = o->dir_count; i > before && r == 0; i--) {
			const uint32_t dir = i - 1;

			r = buf_append(&w->open, &dir, sizeof(dir), err);
		}
	}
	return r;
}

int tree_order_make(struct tree_model *m, struct tree_order *ret, struct err *err)
{
	auto_free uint32_t *known = calloc(tree_model_refs(m), sizeof(*known));
	struct walk w = {.m = m, .o = ret, .known = known};
	int r;

	*ret = (struct tree_order){0};
	buf_init(&ret->entry_buf, ARRAY_MAX);
	buf_init(&ret->inode_buf, ARRAY_MAX);
	buf_init(&ret->dir_buf, ARRAY_MAX);
	buf_init(&w.open, ARRAY_MAX);
	buf_init(&w.list, ARRAY_MAX);
	r = known ? walk(&w, err) : err_nomem(err);
	buf_release(&w.open);
	buf_release(&w.list);
	return r;
}

void tree_order_release(struct tree_order *o)
{
	buf_release(&o->entry_buf);
	buf_release(&o->inode_buf);
	buf_release(&o->dir_buf);
}

/* The directory that an entry is in. */
static uint32_t dir_of_entry(const struct tree_order *o, uint32_t entry)
{
	for (uint32_t i = 0; i < o->dir_count; i++) {
		const struct tree_order_dir *d = &o->dirs[i];

		if (entry >= d->first && entry - d->first < d->count)
			return d->inode;
	}
	return 0;
}

const char *tree_order_path(const struct tree_order *o, uint32_t inode,
			    char text[TREE_ORDER_PATH_SIZE])
{
	char *p = text + TREE_ORDER_PATH_SIZE - 1;

	*p = '\0';
	if (inode == 0)
		*--p = '/';
	for (; inode != 0; inode = dir_of_entry(o, o->inodes[inode].entry)) {
		const struct tree_order_entry *e = &o->entries[o->inodes[inode].entry];

		if ((size_t)(p - text) < e->len + 1 + 3) {
			p -= 3;
			memcpy(p, "...", 3);
			break;
		}
		p -= e->len;
		memcpy(p, e->name, e->len);
		*--p = '/';
	}
	return p;
}

/* SPDX-License-Identifier: Apache-2.0
 * The inodes of a tree model. A ref is never used twice, so what was replaced can still be
 * named again; but for what tree_model_recycle is given. */
#include "store/tree_model_private.h"

#include <sys/random.h>

#include "store/record.h"

#define INODES_MIN 64
#define TOLD_FLAGS (~(TREE_MODEL_OVERLAY_XATTRS | TREE_MODEL_KEPT))
/* Names, link targets and xattrs: so much, and so much more for each inode and name. Images
 * have a tenth of that; only what is made to fill memory has more. */
#define TEXT_MAX  (64u << 20)
#define TEXT_EACH 256u

static int root_add(struct tree_model *m, struct err *err)
{
	const struct tree_attr attr = {.mode = S_IFDIR | 0755, .flags = TREE_IMPLIED};
	tree_ref root;
	int r = tree_model_add(m, &attr, &root, err);

	if (r < 0)
		return r;
	m->inodes[root].names = 1;
	m->reachable = 1;
	return 0;
}

int tree_model_new(struct tree_model **ret, struct err *err)
{
	auto_tree_model struct tree_model *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_nomem(err);
	/* Without a seed, names made to collide would turn every lookup into a walk. */
	if (getrandom(&m->seed, sizeof(m->seed), GRND_NONBLOCK) != sizeof(m->seed))
		m->seed = (uint64_t)(uintptr_t)m;
	m->parent = m->recycled = TREE_NONE;
	tree_arena_init(&m->arena);
	tree_xattrs_init(&m->xattrs);
	r = root_add(m, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&m);
	return 0;
}

void tree_model_free(struct tree_model *m)
{
	if (!m)
		return;
	free(m->inodes);
	free(m->names);
	free(m->slots);
	tree_arena_release(&m->arena);
	tree_xattrs_release(&m->xattrs);
	free(m);
}

void tree_model_seal(struct tree_model *m)
{
	free(m->slots);
	m->slots = NULL;
}

void tree_model_drop_inodes(struct tree_model *m)
{
	free(m->inodes);
	m->inodes = NULL;
	m->inode_count = m->inode_cap = 0;
}

static int inodes_reserve(struct tree_model *m, uint32_t more, struct err *err)
{
	uint64_t need = (uint64_t)m->inode_count + more, cap = m->inode_cap;
	struct tree_inode *inodes;

	if (need > TREE_MODEL_INODES_MAX)
		return err_set(err, ERR_LIMIT, "a tree of more than %u inodes",
			       TREE_MODEL_INODES_MAX);
	if (need <= cap)
		return 0;
	cap = need > 2 * cap ? need : 2 * cap;
	cap = cap < INODES_MIN ? INODES_MIN : cap;
	inodes = reallocarray(m->inodes, cap, sizeof(*inodes));
	if (!inodes)
		return err_nomem(err);
	m->inodes = inodes;
	m->inode_cap = (uint32_t)cap;
	return 0;
}

int tree_model_reserve(struct tree_model *m, uint32_t inodes, uint32_t names,
		       struct err *err)
{
	int r = inodes_reserve(m, inodes, err);

	return r < 0 ? r : tree_model_names_reserve(m, names, err);
}

/* ---- xattrs ---- */

static bool is_sorted(const struct tree_xattr *x, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		if (strcmp(x[i - 1].name, x[i].name) >= 0)
			return false;
	return true;
}

/* One block: the array, then names and values behind each other. */
static int xattrs_copy(struct tree_model *m, const struct tree_xattr *from,
		       uint32_t count, const struct tree_xattr **ret, struct err *err)
{
	size_t size = count * sizeof(*from), len;
	struct tree_xattr *to;
	char *p;

	for (uint32_t i = 0; i < count; i++)
		size += strlen(from[i].name) + 1 + from[i].value_len;
	to = tree_arena_alloc(&m->arena, size, _Alignof(struct tree_xattr));
	if (!to)
		return err_nomem(err);
	p = (char *)(to + count);
	for (uint32_t i = 0; i < count; i++) {
		len = strlen(from[i].name) + 1;
		memcpy(p, from[i].name, len);
		to[i].name = p;
		p += len;
		len = from[i].value_len;
		if (len)
			memcpy(p, from[i].value, len);
		to[i].value = p;
		to[i].value_len = from[i].value_len;
		p += len;
	}
	*ret = to;
	return 0;
}

static int xattrs_sort(struct tree_model *m, const struct tree_xattr *x, uint32_t count,
		       struct err *err)
{
	int r = 0;

	tree_xattrs_clear(&m->xattrs);
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = tree_xattrs_add(&m->xattrs, "", x[i].name, strlen(x[i].name),
				    x[i].value, x[i].value_len, err);
	if (r == 0)
		tree_xattrs_finish(&m->xattrs);
	return r;
}

static bool has_overlay_xattr(const struct tree_xattr *x, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (strncmp(x[i].name, "trusted.overlay.", 16) == 0 ||
		    strncmp(x[i].name, "user.overlay.", 13) == 0)
			return true;
	return false;
}

static int xattrs_keep(struct tree_model *m, const struct tree_attr *attr,
		       struct tree_inode *i, struct err *err)
{
	const struct tree_xattr *x = attr->xattrs;
	uint32_t count = attr->xattr_count;
	int r;

	i->xattrs = NULL;
	i->xattr_count = 0;
	if (!count)
		return 0;
	if (!is_sorted(x, count)) {
		r = xattrs_sort(m, x, count, err);
		if (r < 0)
			return r;
		x = m->xattrs.items;
		count = m->xattrs.count;
	}
	r = xattrs_copy(m, x, count, &i->xattrs, err);
	if (r < 0)
		return r;
	i->xattr_count = count;
	if (has_overlay_xattr(x, count))
		i->flags |= TREE_MODEL_OVERLAY_XATTRS;
	return 0;
}

/* ---- attributes ---- */

int tree_model_text_check(const struct tree_model *m, struct err *err)
{
	uint64_t count = (uint64_t)m->inode_count + m->name_count;
	uint64_t max = TEXT_MAX + TEXT_EACH * count;

	if (m->arena.taken <= max)
		return 0;
	return err_set(err, ERR_LIMIT,
		       "names, links and xattrs of %u files take more than %llu MiB",
		       m->inode_count, (unsigned long long)max >> 20);
}

static bool has_link(const struct tree_inode *i)
{
	return S_ISLNK(i->mode) || i->flags & TREE_UNRESOLVED;
}

/* What any type has; the rest stays as it is. */
static int attr_keep(struct tree_model *m, const struct tree_attr *attr,
		     struct tree_inode *i, struct err *err)
{
	int r;

	i->mtime = attr->mtime;
	i->mtime_nsec = attr->mtime_nsec;
	i->mode = attr->mode;
	i->uid = attr->uid;
	i->gid = attr->gid;
	i->flags = attr->flags & TOLD_FLAGS;
	r = tree_model_text_check(m, err);
	return r < 0 ? r : xattrs_keep(m, attr, i, err);
}

static void content_keep(const struct tree_attr *attr, struct tree_inode *i)
{
	i->size = S_ISREG(attr->mode) ? attr->size : 0;
	if (has_link(i)) {
		i->link = attr->link ? attr->link : "";
		i->size = S_ISLNK(i->mode) ? strlen(i->link) : 0;
	} else if (S_ISREG(i->mode)) {
		i->digest = attr->digest;
	} else {
		i->rdev.major = attr->rdev_major;
		i->rdev.minor = attr->rdev_minor;
	}
}

int tree_model_add(struct tree_model *m, const struct tree_attr *attr, tree_ref *ret,
		   struct err *err)
{
	bool again = m->recycled != TREE_NONE;
	struct tree_inode *i, made;
	int r = again ? 0 : inodes_reserve(m, 1, err);

	if (r == 0)
		r = attr_keep(m, attr, &made, err);
	if (r < 0)
		return r;
	made.names = 0;
	if (S_ISDIR(made.mode)) {
		made.size = 0;
		made.dir.first = made.dir.self = TREE_NONE;
		made.dir.count = made.dir.subdirs = made.dir.path_len = 0;
	} else {
		content_keep(attr, &made);
	}
	*ret = again ? m->recycled : m->inode_count++;
	i = &m->inodes[*ret];
	if (again)
		m->recycled = i->next_recycled;
	*i = made;
	return 0;
}

void tree_model_recycle(struct tree_model *m, tree_ref inode)
{
	struct tree_inode *i = &m->inodes[inode];

	if (S_ISDIR(i->mode) || i->names || i->flags & TREE_MODEL_KEPT)
		return;
	i->next_recycled = m->recycled;
	m->recycled = inode;
}

static int link_keep(struct tree_model *m, struct tree_attr *attr, struct err *err)
{
	if (!S_ISLNK(attr->mode) && !(attr->flags & TREE_UNRESOLVED))
		return 0;
	if (!attr->link)
		return err_set(err, ERR_INVALID, "a link without a target");
	attr->link = tree_arena_string(&m->arena, attr->link, strlen(attr->link));
	return attr->link ? 0 : err_nomem(err);
}

int tree_model_inode(struct tree_model *m, const struct tree_attr *attr, tree_ref *ret,
		     struct err *err)
{
	struct tree_attr kept = *attr;
	int r = link_keep(m, &kept, err);

	return r < 0 ? r : tree_model_add(m, &kept, ret, err);
}

int tree_model_set(struct tree_model *m, tree_ref inode, const struct tree_attr *attr,
		   struct err *err)
{
	struct tree_inode *i = &m->inodes[inode], changed = *i;
	struct tree_attr kept = *attr;
	int r;

	kept.mode = (i->mode & S_IFMT) | (attr->mode & ~(uint32_t)S_IFMT);
	r = link_keep(m, &kept, err);
	if (r == 0)
		r = attr_keep(m, &kept, &changed, err);
	if (r < 0)
		return r;
	if (!S_ISDIR(i->mode))
		content_keep(&kept, &changed);
	*i = changed;
	return 0;
}

void tree_model_set_digest(struct tree_model *m, tree_ref inode, const struct digest *d)
{
	struct tree_inode *i = &m->inodes[inode];

	if (S_ISREG(i->mode) && !has_link(i) && i->size)
		i->digest = *d;
}

void tree_model_get(struct tree_model *m, tree_ref inode, struct tree_attr *ret)
{
	const struct tree_inode *i = &m->inodes[inode];

	*ret = (struct tree_attr){
		.mode = i->mode,
		.uid = i->uid,
		.gid = i->gid,
		.mtime = i->mtime,
		.mtime_nsec = i->mtime_nsec,
		.size = i->size,
		.flags = i->flags & TOLD_FLAGS,
		.xattrs = i->xattrs,
		.xattr_count = i->xattr_count,
	};
	if (has_link(i)) {
		ret->link = i->link;
	} else if (S_ISREG(i->mode)) {
		ret->digest = i->digest;
	} else if (!S_ISDIR(i->mode)) {
		ret->rdev_major = i->rdev.major;
		ret->rdev_minor = i->rdev.minor;
	}
}

uint32_t tree_model_nlink(struct tree_model *m, tree_ref inode)
{
	const struct tree_inode *i = &m->inodes[inode];

	return S_ISDIR(i->mode) ? 2 + i->dir.subdirs : i->names;
}

uint32_t tree_model_count(struct tree_model *m)
{
	return m->reachable;
}

uint32_t tree_model_refs(struct tree_model *m)
{
	return m->inode_count;
}

uint32_t tree_model_children(struct tree_model *m, tree_ref dir)
{
	return tree_model_is_dir(m, dir) ? m->inodes[dir].dir.count : 0;
}

uint32_t tree_model_layer_flags(struct tree_model *m)
{
	uint32_t flags = 0, all = m->inodes[TREE_ROOT].flags & ~(uint32_t)TREE_IMPLIED;

	for (tree_ref r = TREE_ROOT + 1; r < m->inode_count; r++)
		if (m->inodes[r].names)
			all |= m->inodes[r].flags;
	if (all & TREE_UNRESOLVED)
		flags |= LAYER_UNRESOLVED_LINKS;
	if (all & TREE_IMPLIED)
		flags |= LAYER_IMPLIED_DIRS;
	if (all & (TREE_DEVICE_ZERO | TREE_MODEL_OVERLAY_XATTRS))
		flags |= LAYER_OVERLAY_LOOKALIKE;
	return flags;
}

/* SPDX-License-Identifier: Apache-2.0
 * The names of a tree model: children of directories in lists, and one hash over all of
 * (directory, name). Open addressing with linear probing. */
#include "store/tree_model_private.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SLOT_BITS_MIN 8
#define NAMES_MIN     64

static uint32_t hash_of(const struct tree_model *m, tree_ref dir, const char *name,
			size_t len)
{
	uint64_t seed = m->seed + dir * 0x9e3779b97f4a7c15ull;

	return (uint32_t)XXH3_64bits_withSeed(name, len, seed);
}

/* The slot that holds the name, or the free one where it belongs. */
static struct name_slot *probe(const struct tree_model *m, uint32_t hash, tree_ref dir,
			       const char *name, size_t len)
{
	uint32_t mask = (uint32_t)((1ull << m->slot_bits) - 1);
	uint32_t i = hash & mask;

	for (; m->slots[i].name; i = (i + 1) & mask) {
		const struct tree_name *n;

		if (m->slots[i].hash != hash)
			continue;
		n = &m->names[m->slots[i].name - 1];
		if (n->dir == dir && n->len == len && memcmp(n->name, name, len) == 0)
			break;
	}
	return &m->slots[i];
}

static int slots_grow(struct tree_model *m, uint64_t names, struct err *err)
{
	unsigned bits = m->slot_bits ? m->slot_bits : SLOT_BITS_MIN;
	struct name_slot *slots;
	uint32_t mask;

	while (names > (3ull << bits) / 4)
		bits++;
	slots = calloc(1ull << bits, sizeof(*slots));
	if (!slots)
		return err_nomem(err);
	mask = (uint32_t)((1ull << bits) - 1);
	for (uint64_t at = 0; m->slots && at < 1ull << m->slot_bits; at++) {
		const struct name_slot *s = &m->slots[at];
		uint32_t i = s->hash & mask;

		if (!s->name || m->names[s->name - 1].inode == TREE_NONE)
			continue;
		while (slots[i].name)
			i = (i + 1) & mask;
		slots[i] = *s;
	}
	free(m->slots);
	m->slots = slots;
	m->slot_bits = bits;
	return 0;
}

int tree_model_names_reserve(struct tree_model *m, uint32_t more, struct err *err)
{
	uint64_t need = (uint64_t)m->name_count + more, cap = m->name_cap;
	struct tree_name *names;

	if (need > TREE_MODEL_NAMES_MAX)
		return err_set(err, ERR_LIMIT, "a tree of more than %u names",
			       TREE_MODEL_NAMES_MAX);
	if (need > cap) {
		cap = need > 2 * cap ? need : 2 * cap;
		cap = cap < NAMES_MIN ? NAMES_MIN : cap;
		names = reallocarray(m->names, cap, sizeof(*names));
		if (!names)
			return err_nomem(err);
		m->names = names;
		m->name_cap = (uint32_t)cap;
	}
	/* At most three slots of four in use. */
	if (!m->slot_bits || need > (3ull << m->slot_bits) / 4)
		return slots_grow(m, need, err);
	return 0;
}

tree_ref tree_model_lookup(struct tree_model *m, tree_ref dir, const char *name,
			   size_t len)
{
	const struct name_slot *s;

	if (!m->slot_bits || len > TREE_MODEL_NAME_MAX)
		return TREE_NONE;
	s = probe(m, hash_of(m, dir, name, len), dir, name, len);
	return s->name ? m->names[s->name - 1].inode : TREE_NONE;
}

/* ---- names that go ---- */

/* Takes the name out of its directory; the inode without any name goes to *DOOMED if it is
 * a directory that must be emptied. */
static void name_drop(struct tree_model *m, name_ref ref, tree_ref *doomed)
{
	struct tree_name *n = &m->names[ref];
	struct tree_inode *dir = &m->inodes[n->dir], *i = &m->inodes[n->inode];

	if (n->prev == TREE_NONE)
		dir->dir.first = n->next;
	else
		m->names[n->prev].next = n->next;
	if (n->next != TREE_NONE)
		m->names[n->next].prev = n->prev;
	dir->dir.count--;
	if (S_ISDIR(i->mode)) {
		dir->dir.subdirs--;
		i->dir.self = TREE_NONE;
		i->dir.doomed = *doomed;
		*doomed = n->inode;
	}
	/* What was a step of a path is none any more. */
	if (!S_ISREG(i->mode))
		m->parent = TREE_NONE;
	n->inode = TREE_NONE;
	if (--i->names == 0)
		m->reachable--;
}

static void names_drop(struct tree_model *m, tree_ref doomed)
{
	while (doomed != TREE_NONE) {
		tree_ref dir = doomed;

		doomed = m->inodes[dir].dir.doomed;
		while (m->inodes[dir].dir.first != TREE_NONE)
			name_drop(m, m->inodes[dir].dir.first, &doomed);
	}
}

static void name_take_away(struct tree_model *m, name_ref ref)
{
	tree_ref doomed = TREE_NONE;

	name_drop(m, ref, &doomed);
	names_drop(m, doomed);
}

void tree_model_clear(struct tree_model *m, tree_ref dir)
{
	m->inodes[dir].dir.doomed = TREE_NONE;
	names_drop(m, dir);
}

void tree_model_unlink(struct tree_model *m, tree_ref dir, const char *name, size_t len)
{
	const struct name_slot *s;

	if (!m->slot_bits || len > TREE_MODEL_NAME_MAX)
		return;
	s = probe(m, hash_of(m, dir, name, len), dir, name, len);
	if (s->name && m->names[s->name - 1].inode != TREE_NONE)
		name_take_away(m, s->name - 1);
}

/* ---- names that come ---- */

/* The place of a name, a new one if there is none; it may be taken. */
static int name_place(struct tree_model *m, tree_ref dir, const char *name, size_t len,
		      name_ref *ret, struct err *err)
{
	uint32_t hash = hash_of(m, dir, name, len);
	int r = tree_model_names_reserve(m, 1, err);
	struct name_slot *s;
	const char *kept;

	if (r < 0)
		return r;
	s = probe(m, hash, dir, name, len);
	if (!s->name) {
		r = tree_model_text_check(m, err);
		if (r < 0)
			return r;
		kept = tree_arena_bytes(&m->arena, name, len);
		if (!kept)
			return err_nomem(err);
		m->names[m->name_count++] = (struct tree_name){.name = kept,
							       .len = (uint32_t)len,
							       .dir = dir,
							       .inode = TREE_NONE};
		*s = (struct name_slot){hash, m->name_count};
	}
	*ret = s->name - 1;
	return 0;
}

static void name_give(struct tree_model *m, name_ref ref, tree_ref inode)
{
	struct tree_name *n = &m->names[ref];
	struct tree_inode *dir = &m->inodes[n->dir], *i = &m->inodes[inode];

	n->inode = inode;
	n->prev = TREE_NONE;
	n->next = dir->dir.first;
	if (n->next != TREE_NONE)
		m->names[n->next].prev = ref;
	dir->dir.first = ref;
	dir->dir.count++;
	if (S_ISDIR(i->mode)) {
		dir->dir.subdirs++;
		i->dir.self = ref;
		i->dir.path_len = dir->dir.path_len + (dir->dir.path_len != 0) + n->len;
	}
	if (i->names++ == 0)
		m->reachable++;
}

static int name_check(const struct tree_model *m, tree_ref dir, const char *name,
		      size_t len, tree_ref inode, struct err *err)
{
	const struct tree_inode *i = &m->inodes[inode];

	if (!tree_model_is_dir(m, dir))
		return err_set(err, ERR_INVALID, "'%.*s' would be in no directory",
			       (int)len, name);
	if (len == 0)
		return err_set(err, ERR_INVALID, "an empty name");
	if (len > TREE_MODEL_NAME_MAX)
		return err_set(err, ERR_LIMIT, "a name is longer than %d bytes: '%.*s'",
			       TREE_MODEL_NAME_MAX, TREE_MODEL_NAME_MAX, name);
	if (m->inodes[dir].dir.path_len + 1 + len > TREE_MODEL_PATH_MAX)
		return err_set(err, ERR_LIMIT,
			       "the path of '%.*s' is longer than %d bytes", (int)len,
			       name, TREE_MODEL_PATH_MAX);
	if (S_ISDIR(i->mode) && i->names)
		return err_set(err, ERR_INVALID,
			       "'%.*s' would be a directory's other name", (int)len,
			       name);
	return 0;
}

int tree_model_link(struct tree_model *m, tree_ref dir, const char *name, size_t len,
		    tree_ref inode, struct err *err)
{
	name_ref ref = TREE_NONE;
	int r = 0;

	/* A name given to who has it stays as it is, also a directory's. */
	if (m->inodes[inode].names && tree_model_lookup(m, dir, name, len) == inode)
		return 0;
	r = name_check(m, dir, name, len, inode, err);
	if (r == 0)
		r = name_place(m, dir, name, len, &ref, err);
	if (r < 0)
		return r;
	if (m->names[ref].inode != TREE_NONE)
		name_take_away(m, ref);
	name_give(m, ref, inode);
	return 0;
}

int tree_model_remember(struct tree_model *m, const char *name, size_t len,
			tree_ref inode, struct err *err)
{
	name_ref ref;
	int r = name_place(m, TREE_MODEL_PLNK, name, len, &ref, err);

	if (r < 0)
		return r;
	m->names[ref].inode = inode;
	m->inodes[inode].flags |= TREE_MODEL_KEPT;
	return 0;
}

/* ---- looking ---- */

int tree_model_each(struct tree_model *m, tree_ref dir, tree_model_fn *each, void *arg,
		    struct err *err)
{
	name_ref ref = tree_model_is_dir(m, dir) ? m->inodes[dir].dir.first : TREE_NONE;
	int r = 0;

	while (r == 0 && ref != TREE_NONE) {
		const struct tree_name *n = &m->names[ref];

		ref = n->next;
		r = each(arg, n->name, n->len, n->inode, err);
	}
	return r;
}

int tree_model_path(const struct tree_model *m, tree_ref dir, struct buf *path,
		    struct err *err)
{
	char text[TREE_MODEL_PATH_MAX];
	size_t at = sizeof(text);

	for (name_ref self; (self = m->inodes[dir].dir.self) != TREE_NONE;) {
		const struct tree_name *n = &m->names[self];

		if (n->len + 1 > at)
			return err_set(err, ERR_LIMIT, "a path is longer than %d bytes",
				       TREE_MODEL_PATH_MAX);
		if (at < sizeof(text))
			text[--at] = '/';
		at -= n->len;
		memcpy(text + at, n->name, n->len);
		dir = n->dir;
	}
	return buf_append(path, text + at, sizeof(text) - at, err);
}

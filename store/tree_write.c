/* SPDX-License-Identifier: Apache-2.0
 * From a tree in memory to an EROFS image: places and writes inodes in order, then the data
 * of directories, which needs to know where everything is. */
#include "store/tree_write.h"

#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "store/tree_format.h"
#include "store/tree_order.h"
#include "store/tree_xattr_area.h"

/* A longer tail goes into a block of its own: kept behind its inode, it would waste about
 * as much by not crossing a block boundary. */
#define TAIL_MAX 2560u

struct writer {
	struct tree_model *m;
	struct tree_order order;
	struct buf *out;
	struct buf links;   /* struct long_link */
	uint64_t blocks_at; /* where blocks begin */
};

/* A symlink whose target found no place behind its inode. */
struct long_link {
	uint32_t number; /* in order.inodes */
	const char *target;
};

/* An inode about to be written. */
struct shape {
	struct tree_attr attr; /* as in the image */
	uint32_t number;       /* in order.inodes */
	uint32_t xattr_len;
	uint32_t chunk_bits, chunks; /* of files */
	uint32_t tail;               /* bytes kept behind the inode */
	enum tree_layout layout;
};

static int refuse(struct writer *w, uint32_t inode, int code, struct err *err)
{
	char text[TREE_ORDER_PATH_SIZE];

	return err ? err_wrap(err, "'%s'", tree_order_path(&w->order, inode, text))
		   : code;
}

/* ---- the shape of an inode ---- */

/* Only flags that go with the type, and whatever must not be taken for a whiteout is
 * flagged. */
static void normalise(struct tree_attr *a)
{
	uint32_t flags = a->flags;
	uint32_t type = a->mode & S_IFMT;

	if (flags & TREE_WHITEOUT)
		type = S_IFCHR;
	else if (flags & TREE_UNRESOLVED)
		type = S_IFREG;
	a->mode = type | (a->mode & 07777);
	if (type != S_IFLNK && (type != S_IFREG || flags & TREE_UNRESOLVED))
		a->size = 0;
	if (type == S_IFDIR)
		flags &= TREE_OPAQUE | TREE_IMPLIED;
	else if (type == S_IFCHR && !(flags & TREE_WHITEOUT) && !a->rdev_major &&
		 !a->rdev_minor)
		flags = TREE_DEVICE_ZERO;
	else
		flags &= TREE_WHITEOUT | TREE_UNRESOLVED;
	if (type != S_IFCHR && type != S_IFBLK)
		a->rdev_major = a->rdev_minor = 0;
	if (flags & TREE_WHITEOUT)
		a->rdev_major = a->rdev_minor = 0;
	if (flags & TREE_DEVICE_ZERO)
		a->rdev_minor = TREE_ZERO_DEVICE;
	a->flags = flags;
}

static int check(const struct tree_attr *a, struct err *err)
{
	if (S_ISREG(a->mode) && a->size > TREE_FILE_MAX)
		return err_set(err, ERR_LIMIT, "file of %llu bytes",
			       (unsigned long long)a->size);
	if (S_ISLNK(a->mode) && a->size > TREE_LINK_MAX)
		return err_set(err, ERR_LIMIT, "link target of %llu bytes",
			       (unsigned long long)a->size);
	if (S_ISLNK(a->mode) && a->size == 0)
		return err_set(err, ERR_INVALID, "symlink without a target");
	if (a->rdev_major > TREE_DEVICE_MAJOR_MAX ||
	    a->rdev_minor > TREE_DEVICE_MINOR_MAX)
		return err_set(err, ERR_LIMIT, "device %u:%u", a->rdev_major,
			       a->rdev_minor);
	return 0;
}

static void shape_file(struct shape *s)
{
	s->layout = TREE_CHUNKS;
	while (s->chunk_bits < TREE_CHUNK_BITS_MAX &&
	       s->attr.size > 1ull << (s->chunk_bits + TREE_BLOCK_BITS))
		s->chunk_bits++;
	s->chunks =
		(uint32_t)(((s->attr.size - 1) >> (s->chunk_bits + TREE_BLOCK_BITS)) + 1);
}

/* Where the root is, is given: it does not move for its tail. */
static void shape_tail(struct shape *s, uint64_t size)
{
	uint32_t tail = (uint32_t)(size % TREE_BLOCK);
	uint64_t whole = TREE_INODE_CORE + (uint64_t)s->xattr_len + tail;
	uint64_t room = s->number == 0 ? TREE_BLOCK - TREE_SUPER_OFFSET - TREE_SUPER_SIZE
				       : TREE_BLOCK;

	if (tail == 0 || tail > TAIL_MAX || whole > room)
		return;
	s->layout = TREE_INLINE;
	s->tail = tail;
}

static int shape_make(struct writer *w, uint32_t number, uint64_t dir_size,
		      struct shape *ret, struct err *err)
{
	struct shape s = {.number = number, .layout = TREE_PLAIN};
	int r;

	tree_model_get(w->m, w->order.inodes[number].ref, &s.attr);
	if (S_ISLNK(s.attr.mode))
		s.attr.size = strlen(s.attr.link);
	normalise(&s.attr);
	r = check(&s.attr, err);
	if (r == 0)
		r = tree_xattr_area_size(&s.attr, &s.xattr_len, err);
	if (r < 0)
		return r;
	if (S_ISDIR(s.attr.mode))
		s.attr.size = dir_size;
	if (S_ISDIR(s.attr.mode) || S_ISLNK(s.attr.mode))
		shape_tail(&s, s.attr.size);
	else if (s.attr.size)
		shape_file(&s);
	*ret = s;
	return 0;
}

/* ---- inodes ---- */

static uint32_t device_encode(const struct tree_attr *a)
{
	return (a->rdev_minor & 0xff) | a->rdev_major << 8 |
	       (a->rdev_minor & ~0xffu) << 12;
}

static void core_encode(const struct shape *s, const struct tree_order_inode *i,
			uint8_t *p)
{
	const struct tree_attr *a = &s->attr;

	put_le16(p + TREE_INODE_FORMAT, (uint16_t)(1 | s->layout << 1));
	if (s->xattr_len)
		put_le16(p + TREE_INODE_XATTRS,
			 (uint16_t)((s->xattr_len - TREE_XATTR_HEADER) / 4 + 1));
	put_le16(p + TREE_INODE_MODE, (uint16_t)a->mode);
	put_le64(p + TREE_INODE_SIZE, a->size);
	put_le32(p + TREE_INODE_UNION,
		 s->layout == TREE_CHUNKS ? s->chunk_bits : device_encode(a));
	put_le32(p + TREE_INODE_NUMBER, s->number + 1);
	put_le32(p + TREE_INODE_UID, a->uid);
	put_le32(p + TREE_INODE_GID, a->gid);
	put_le64(p + TREE_INODE_MTIME, (uint64_t)a->mtime);
	put_le32(p + TREE_INODE_MTIME_NSEC, a->mtime_nsec);
	put_le32(p + TREE_INODE_NLINK, i->nlink);
	put_le32(p + TREE_INODE_FLAGS, a->flags);
}

/* Makes room for an inode of LEN bytes: zeros, at a slot. */
static int inode_place(struct writer *w, const struct shape *s, uint64_t len,
		       uint8_t **ret, struct err *err)
{
	struct buf *out = w->out;
	uint64_t pad = -out->len % TREE_SLOT;
	uint64_t at = out->len + pad;
	int r;

	if (s->layout == TREE_INLINE && at % TREE_BLOCK + len > TREE_BLOCK) {
		pad += TREE_BLOCK - at % TREE_BLOCK;
		at = out->len + pad;
	}
	if (at / TREE_SLOT > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "the tree is too large");
	r = buf_append_zeros(out, pad + len, err);
	if (r < 0)
		return r;
	w->order.inodes[s->number].nid = (uint32_t)(at / TREE_SLOT);
	*ret = out->data + at;
	return 0;
}

static int inode_write(struct writer *w, uint32_t number, struct tree_order_dir *dir,
		       struct err *err)
{
	struct shape s;
	uint8_t *p = NULL, *end;
	int r = shape_make(w, number, dir ? dir->size : 0, &s, err);

	if (r == 0)
		r = inode_place(w, &s,
				TREE_INODE_CORE + (uint64_t)s.xattr_len + s.tail +
					(uint64_t)s.chunks * 4,
				&p, err);
	if (r < 0)
		return refuse(w, number, r, err);
	w->order.inodes[number].mode = s.attr.mode;
	core_encode(&s, &w->order.inodes[number], p);
	if (s.xattr_len)
		tree_xattr_area_encode(&s.attr, p + TREE_INODE_CORE);
	end = p + TREE_INODE_CORE + s.xattr_len;
	if (s.chunks)
		memset(end, 0xff, (size_t)s.chunks * 4);
	else if (S_ISLNK(s.attr.mode) && s.tail)
		memcpy(end, s.attr.link, s.tail);
	else if (S_ISLNK(s.attr.mode))
		r = buf_append(&w->links, &(struct long_link){number, s.attr.link},
			       sizeof(struct long_link), err);
	else if (dir && s.tail)
		dir->tail = (uint64_t)(end - w->out->data);
	return r;
}

/* ---- directories ---- */

/* How many of the entries from FIRST to END go into one block, and the bytes they take. */
static uint32_t block_fill(const struct tree_order *o, uint32_t first, uint32_t end,
			   uint32_t *ret_used)
{
	uint32_t used = 0, i;

	for (i = first; i < end; i++) {
		uint32_t more = TREE_DIRENT_SIZE + o->entries[i].len;

		if (used + more > TREE_BLOCK)
			break;
		used += more;
	}
	*ret_used = used;
	return i - first;
}

static void dir_measure(const struct tree_order *o, struct tree_order_dir *d)
{
	uint32_t end = d->first + d->count, used = 0;

	d->size = 0;
	for (uint32_t i = d->first; i < end;) {
		i += block_fill(o, i, end, &used);
		d->size += i < end ? TREE_BLOCK : used;
	}
}

static uint8_t dirent_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return TREE_TYPE_DIR;
	case S_IFCHR:
		return TREE_TYPE_CHAR;
	case S_IFBLK:
		return TREE_TYPE_BLOCK;
	case S_IFIFO:
		return TREE_TYPE_FIFO;
	case S_IFSOCK:
		return TREE_TYPE_SOCKET;
	case S_IFLNK:
		return TREE_TYPE_SYMLINK;
	default:
		return TREE_TYPE_FILE;
	}
}

static void block_write(const struct tree_order *o, uint32_t first, uint32_t count,
			uint8_t *block)
{
	uint32_t name_at = count * TREE_DIRENT_SIZE;

	for (uint32_t i = 0; i < count; i++) {
		const struct tree_order_entry *e = &o->entries[first + i];
		const struct tree_order_inode *inode = &o->inodes[e->inode];
		uint8_t *p = block + (size_t)i * TREE_DIRENT_SIZE;

		put_le64(p + TREE_DIRENT_NID, inode->nid);
		put_le16(p + TREE_DIRENT_NAME, (uint16_t)name_at);
		p[TREE_DIRENT_TYPE] = dirent_type(inode->mode);
		memcpy(block + name_at, e->name, e->len);
		name_at += e->len;
	}
}

/* Starts a block at the end of the image and tells the inode, if it is its first. */
static int block_new(struct writer *w, uint32_t inode, bool first, struct err *err)
{
	uint64_t at = w->out->len;
	int r = buf_append_zeros(w->out, TREE_BLOCK, err);

	if (r == 0 && first)
		put_le32(w->out->data + (uint64_t)w->order.inodes[inode].nid * TREE_SLOT +
				 TREE_INODE_UNION,
			 (uint32_t)(at / TREE_BLOCK));
	return r;
}

static int dir_write(struct writer *w, const struct tree_order_dir *d, struct err *err)
{
	uint32_t end = d->first + d->count;
	int r = 0;

	for (uint32_t i = d->first, used, n; i < end && r == 0; i += n) {
		n = block_fill(&w->order, i, end, &used);
		if (i + n == end && d->tail) {
			block_write(&w->order, i, n, w->out->data + d->tail);
			break;
		}
		r = block_new(w, d->inode, i == d->first, err);
		if (r == 0)
			block_write(&w->order, i, n,
				    w->out->data + w->out->len - TREE_BLOCK);
	}
	return r;
}

static int link_write(struct writer *w, const struct long_link *l, struct err *err)
{
	int r = block_new(w, l->number, true, err);

	if (r == 0)
		memcpy(w->out->data + w->out->len - TREE_BLOCK, l->target,
		       strlen(l->target));
	return r;
}

/* ---- the image ---- */

/* The directory that inode NUMBER is, if it is the one whose turn it is. */
static struct tree_order_dir *dir_of(const struct tree_order *o, uint32_t number,
				     uint32_t *turn)
{
	if (*turn == o->dir_count || o->dirs[*turn].inode != number)
		return NULL;
	return &o->dirs[(*turn)++];
}

static int write_inodes(struct writer *w, struct err *err)
{
	struct tree_order *o = &w->order;
	int r = 0;

	for (uint32_t i = 0, dir = 0; i < o->inode_count && r == 0; i++) {
		struct tree_order_dir *d = dir_of(o, i, &dir);

		if (d)
			dir_measure(o, d);
		r = inode_write(w, i, d, err);
	}
	return r;
}

static int write_blocks(struct writer *w, struct err *err)
{
	const struct long_link *link = (const struct long_link *)(void *)w->links.data;
	const struct long_link *end = link + w->links.len / sizeof(*link);
	struct tree_order *o = &w->order;
	int r = buf_append_zeros(w->out, -w->out->len % TREE_BLOCK, err);

	w->blocks_at = w->out->len;
	for (uint32_t i = 0, dir = 0; i < o->inode_count && r == 0; i++) {
		const struct tree_order_dir *d = dir_of(o, i, &dir);

		if (d)
			r = dir_write(w, d, err);
		else if (link < end && link->number == i)
			r = link_write(w, link++, err);
	}
	return r;
}

static void write_headers(struct writer *w, uint32_t layer_flags)
{
	uint8_t *p = w->out->data, *super = p + TREE_SUPER_OFFSET;
	const uint32_t behind = TREE_SUPER_OFFSET + TREE_SUPER_SIZE;
	XXH128_canonical_t uuid;

	memcpy(p + TREE_HEADER_MAGIC, TREE_MAGIC, 8);
	put_le32(p + TREE_HEADER_VERSION, TREE_WRITER_VERSION);
	put_le32(p + TREE_HEADER_FLAGS, layer_flags);
	put_le64(p + TREE_HEADER_LENGTH, w->out->len);
	put_le32(p + TREE_HEADER_INODES, w->order.inode_count);
	put_le64(p + TREE_HEADER_BLOCKS, w->blocks_at);
	put_le32(super + TREE_SUPER_AT_MAGIC, TREE_SUPER_MAGIC);
	put_le32(super + TREE_SUPER_AT_COMPAT, TREE_SUPER_COMPAT);
	super[TREE_SUPER_AT_BITS] = TREE_BLOCK_BITS;
	put_le16(super + TREE_SUPER_AT_ROOT, (uint16_t)w->order.inodes[0].nid);
	put_le64(super + TREE_SUPER_AT_INODES, w->order.inode_count);
	put_le32(super + TREE_SUPER_AT_BLOCKS, (uint32_t)(w->out->len / TREE_BLOCK));
	XXH128_canonicalFromHash(&uuid, XXH3_128bits(p + behind, w->out->len - behind));
	memcpy(super + TREE_SUPER_AT_UUID, uuid.digest, sizeof(uuid.digest));
	put_le32(super + TREE_SUPER_AT_INCOMPAT, TREE_SUPER_INCOMPAT);
}

int tree_write(struct tree_model *m, struct buf *out, struct err *err)
{
	struct writer w = {.m = m, .out = out};
	uint32_t layer_flags = tree_model_layer_flags(m);
	int r;

	buf_init(&w.links, SIZE_MAX / 4); /* of a part of the model's inodes */
	tree_model_seal(m);
	r = tree_order_make(m, &w.order, err);
	if (r == 0)
		r = buf_append_zeros(out, TREE_SUPER_OFFSET + TREE_SUPER_SIZE, err);
	if (r == 0)
		r = write_inodes(&w, err);
	tree_model_drop_inodes(m);
	if (r == 0)
		r = write_blocks(&w, err);
	if (r == 0)
		write_headers(&w, layer_flags);
	tree_order_release(&w.order);
	buf_release(&w.links);
	return r;
}

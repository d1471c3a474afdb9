/* SPDX-License-Identifier: Apache-2.0
 * A directory that an overlay has renamed: what of the parent's tree shows in it is told as
 * new. One entry at a time; the directories on the way down lie on a stack. */
#include "store/snapshot_private.h"

#include <string.h>
#include <sys/stat.h>

#include "store/tar_write.h"

#define TREE_DEVICE UINT64_MAX /* of inodes of the tree, among those of the host */

struct moved {
	uint64_t nid;
	uint64_t next;            /* position in it */
	size_t path_len;          /* of `moved_path` */
	const char *const *names; /* of the upper directory: told by the walk */
	size_t count;
};

static struct moved *top(struct snapshot *s)
{
	return (struct moved *)(void *)(s->moved.data + s->moved.len) - 1;
}

int snapshot_moved_start(struct snapshot *s, uint64_t nid, const char *path,
			 const char *const *names, size_t count, struct err *err)
{
	const struct moved m = {
		.nid = nid, .path_len = strlen(path), .names = names, .count = count};

	snprintf(s->moved_path, sizeof(s->moved_path), "%s", path);
	return buf_append(&s->moved, &m, sizeof(m), err);
}

/* The next entry of a directory; name_len 0: there is none. */
struct found {
	const char *name;
	size_t len;
	uint64_t nid, next;
};

static int take_first(void *arg, const char *name, size_t len, uint64_t nid,
		      uint32_t type, uint64_t next, struct err *err)
{
	(void)type;
	(void)err;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return 0;
	*(struct found *)arg = (struct found){name, len, nid, next};
	return 1;
}

static bool is_told(const struct moved *m, const struct found *f)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2, len = strlen(m->names[mid]);
		size_t n = len < f->len ? len : f->len;
		int c = memcmp(m->names[mid], f->name, n);

		if (c == 0)
			c = (len > f->len) - (len < f->len);
		if (c == 0)
			return true;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static int set_path(struct snapshot *s, size_t dir_len, const struct found *f,
		    struct err *err)
{
	size_t at = dir_len + (dir_len > 0);

	if (at + f->len >= sizeof(s->moved_path))
		return err_set(err, ERR_LIMIT, "a path is longer than %d bytes",
			       WALK_PATH_MAX - 1);
	if (dir_len)
		s->moved_path[dir_len] = '/';
	memcpy(s->moved_path + at, f->name, f->len);
	s->moved_path[at + f->len] = '\0';
	return 0;
}

/* The tree's xattrs become the entry's. */
static int use_xattrs(struct snapshot *s, uint64_t nid, struct err *err)
{
	struct xattr_list list = s->xattrs;
	int r = snapshot_other_xattrs(s, nid, err);

	s->xattrs = s->others;
	s->others = list;
	return r;
}

static int put_node(struct snapshot *s, const struct tree_node *n, struct err *err)
{
	const struct walk_stat st = {.mode = n->mode,
				     .uid = n->uid,
				     .gid = n->gid,
				     .mtime = n->mtime,
				     .mtime_nsec = n->mtime_nsec};
	struct tar_entry entry = {.type = snapshot_type(n->mode)};
	int r = 0;

	if (!S_ISDIR(n->mode) && n->nlink > 1)
		r = link_map_add(&s->links, TREE_DEVICE, n->nid, s->moved_path,
				 &entry.link, err);
	if (r == 0 && entry.link) {
		entry.type = TAR_HARDLINK;
		return snapshot_put_entry(s, &s->out, &entry, s->moved_path, &st, err);
	}
	if (r == 0)
		r = use_xattrs(s, n->nid, err);
	if (r == 0 && entry.type == TAR_SYMLINK)
		r = tree_readlink(s->options->parent, n->nid, &entry.link,
				  &entry.link_len, err);
	entry.rdev_major = n->rdev_major;
	entry.rdev_minor = n->rdev_minor;
	entry.size = entry.type == TAR_FILE ? n->size : 0;
	if (r == 0)
		r = snapshot_put_entry(s, &s->out, &entry, s->moved_path, &st, err);
	if (r == 0 && entry.type == TAR_FILE)
		s->stats->files++;
	if (r == 0 && entry.size)
		snapshot_put_object(s, &n->digest, n->size, s->moved_path);
	return r;
}

static int put_found(struct snapshot *s, const struct found *f, struct err *err)
{
	struct moved dir = {.nid = f->nid};
	struct tree_node n;
	int r = set_path(s, top(s)->path_len, f, err);

	if (r < 0 || snapshot_excluded(s, s->moved_path))
		return r;
	r = tree_node(s->options->parent, f->nid, &n, err);
	if (r == 0)
		r = put_node(s, &n, err);
	if (r < 0 || !S_ISDIR(n.mode))
		return r;
	if (s->moved.len / sizeof(dir) > WALK_PATH_MAX)
		return err_set(err, ERR_CORRUPT, "damaged tree: it is too deep");
	dir.path_len = strlen(s->moved_path);
	return buf_append(&s->moved, &dir, sizeof(dir), err);
}

int snapshot_moved_next(struct snapshot *s, struct err *err)
{
	while (s->moved.len) {
		struct moved *m = top(s);
		struct found f = {0};
		int r = tree_readdir(s->options->parent, m->nid, m->next, take_first, &f,
				     err);

		if (r < 0)
			return r;
		if (!f.len) {
			s->moved.len -= sizeof(*m);
			continue;
		}
		m->next = f.next;
		if (!is_told(m, &f))
			return put_found(s, &f, err);
	}
	return 0;
}

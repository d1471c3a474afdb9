/* SPDX-License-Identifier: Apache-2.0
 * A regular file of the host in a snapshot, read while others may write to it. */
#include "store/snapshot_private.h"

#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/tar_write.h"

#define TRIES 3

/* What an attempt came to. */
enum outcome {
	AGAIN,   /* it changed meanwhile */
	KEPT,    /* it is in the layer */
	SAME,    /* it is the parent's: not in the layer */
	REMOVED, /* an overlay's whiteout */
};

/* What is gone since it was listed was never there, unless other names will refer to it or
 * the parent has it. */
int snapshot_gone(const struct walk_entry *e, const struct snapshot_place *p,
		  struct err *err)
{
	if (p->below || (!S_ISDIR(e->stat.mode) && e->stat.nlink > 1))
		return snapshot_changed(e->path, err);
	return 0;
}

static int put_content(struct snapshot *s, int fd, const struct walk_entry *e,
		       uint64_t size, struct digest *ret, struct err *err)
{
	bool wanted = s->options->parent || s->options->cache;
	size_t n;
	int r = buf_reserve(&s->out, (size_t)size, err);

	if (r == 0)
		r = io_read(fd, s->out.data + s->out.len, (size_t)size, &n, e->path, err);
	if (r < 0)
		return r;
	if (n < size)
		memset(s->out.data + s->out.len + n, 0, (size_t)size - n);
	if (size && wanted)
		digest_of(s->out.data + s->out.len, (size_t)size, ret);
	s->out.len += (size_t)size;
	return buf_append_zeros(&s->out, tar_write_padding(size), err);
}

static int remember(struct snapshot *s, const struct walk_stat *st,
		    const struct digest *content, struct err *err)
{
	struct stat_cache_known known = {.content = *content};
	int r;

	if (!s->options->cache)
		return 0;
	r = xattr_list_digest(&s->xattrs, &known.xattrs, err);
	return r < 0 ? r : stat_cache_add(s->options->cache, st, &known, err);
}

/* Whether all but the content is the parent's. */
static int same_but_content(struct snapshot *s, const struct walk_stat *st,
			    const struct snapshot_place *p, bool *ret, struct err *err)
{
	int r;

	*ret = false;
	if (!snapshot_same_inode(s, st, p))
		return 0;
	r = snapshot_other_xattrs(s, p->below, err);
	*ret = r == 0 && xattr_list_equal(&s->xattrs, &s->others);
	return r;
}

static bool same_content(const struct snapshot_place *p, uint64_t size,
			 const struct digest *d)
{
	return size == 0 || digest_equal(&p->node.digest, d);
}

/* Hashes a large file ahead of telling it. */
static int hash_large(int fd, uint64_t size, const char *what, struct digest *ret,
		      struct err *err)
{
	static const size_t piece = 1u << 20;
	auto_free uint8_t *data = malloc(piece);
	auto_hasher struct hasher *h = NULL;
	size_t n = 1;
	int r = data ? hasher_new(&h, err) : err_nomem(err);

	for (uint64_t at = 0; r == 0 && at < size && n; at += n) {
		r = io_read(fd, data, piece, &n, what, err);
		if (r == 0)
			hasher_update(h, data, n);
	}
	if (r < 0)
		return r;
	hasher_final(h, ret);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "cannot read '%s' again", what);
	return 0;
}

/* Its content is told piece by piece, unless it is the parent's; to be remembered it must
 * have been read, too. */
static int put_large(struct snapshot *s, int *fd, const struct walk_entry *e,
		     const struct walk_stat *st, const struct snapshot_place *p,
		     bool candidate, enum outcome *ret, struct err *err)
{
	struct digest d = {0};
	struct walk_stat after;
	int r = 0;

	if (candidate || s->options->cache) {
		r = hash_large(*fd, st->size, e->path, &d, err);
		if (r == 0)
			r = walk_fstat(*fd, e->path, &after, err);
		if (r < 0)
			return r;
		if (!walk_stat_equal(st, &after))
			return 0;
		r = remember(s, st, &d, err);
		if (r < 0)
			return r;
	}
	if (candidate && same_content(p, st->size, &d)) {
		*ret = SAME;
		return 0;
	}
	s->start = *st;
	s->left = s->size = st->size;
	s->stats->bytes += st->size;
	s->fd = steal_fd(fd);
	snprintf(s->path, sizeof(s->path), "%s", e->path);
	*ret = KEPT;
	return 0;
}

static int put_small(struct snapshot *s, int fd, const struct walk_entry *e,
		     const struct walk_stat *st, const struct snapshot_place *p,
		     bool candidate, enum outcome *ret, struct err *err)
{
	struct digest d = {0};
	struct walk_stat after;
	int r = put_content(s, fd, e, st->size, &d, err);

	if (r == 0)
		r = walk_fstat(fd, e->path, &after, err);
	if (r < 0 || !walk_stat_equal(st, &after))
		return r;
	*ret = candidate && same_content(p, st->size, &d) ? SAME : KEPT;
	s->stats->bytes += *ret == KEPT ? st->size : 0;
	return remember(s, st, &d, err);
}

/* A file of an overlay that has only its attributes here. */
static int put_metacopy(struct snapshot *s, const struct walk_entry *e,
			const struct walk_stat *st, const struct snapshot_place *p,
			const struct snapshot_upper *u, bool candidate, enum outcome *ret,
			struct err *err)
{
	struct digest d;
	int r = snapshot_upper_content(s, e, st->size, p, u, &d, err);

	if (r < 0)
		return r;
	*ret = candidate && same_content(p, st->size, &d) ? SAME : KEPT;
	if (*ret == KEPT && st->size)
		snapshot_put_object(s, &d, st->size, e->path);
	return 0;
}

/* Its xattrs, and what of them is overlayfs'. */
static int read_xattrs(struct snapshot *s, int fd, const struct walk_entry *e,
		       const struct snapshot_place *p, struct snapshot_upper *ret,
		       struct err *err)
{
	int r = xattr_list_read(&s->xattrs, fd, NULL, e->path, err);

	*ret = (struct snapshot_upper){0};
	return r == 0 && s->options->upper ? snapshot_upper_sort(s, p, ret, err) : r;
}

/* One attempt. */
static int put_once(struct snapshot *s, const struct walk_entry *e,
		    const struct snapshot_place *p, enum outcome *ret, struct err *err)
{
	struct tar_entry entry = {.type = TAR_FILE};
	struct snapshot_upper upper;
	bool candidate = false;
	struct walk_stat st;
	auto_fd int fd = -1;
	int r = walk_open_file(s->walk, &fd, err);

	*ret = AGAIN;
	if (r == 0)
		r = walk_fstat(fd, e->path, &st, err);
	if (r < 0)
		return r;
	if (!S_ISREG(st.mode) || (e->stat.nlink > 1 && st.ino != e->stat.ino))
		return 0;
	r = read_xattrs(s, fd, e, p, &upper, err);
	if (r == 0 && upper.whiteout && st.size == 0) {
		*ret = REMOVED;
		return 0;
	}
	entry.size = st.size;
	if (r == 0)
		r = snapshot_put_entry(s, &s->out, &entry, e->path, &st, err);
	if (r == 0)
		r = same_but_content(s, &st, p, &candidate, err);
	if (r < 0)
		return r;
	if (upper.metacopy)
		return put_metacopy(s, e, &st, p, &upper, candidate, ret, err);
	return st.size > SNAPSHOT_WHOLE_MAX
		       ? put_large(s, &fd, e, &st, p, candidate, ret, err)
		       : put_small(s, fd, e, &st, p, candidate, ret, err);
}

int snapshot_put_file(struct snapshot *s, const struct walk_entry *e,
		      const struct snapshot_place *p, enum snapshot_fate *ret,
		      struct err *err)
{
	enum outcome outcome = AGAIN;
	struct err why;
	int r = 0;

	*ret = SNAPSHOT_GONE;
	for (int i = 0; i < TRIES && r == 0 && outcome == AGAIN; i++) {
		buf_clear(&s->out);
		r = put_once(s, e, p, &outcome, &why);
	}
	if (r < 0 || outcome == SAME || outcome == REMOVED)
		buf_clear(&s->out);
	if (r == -ERR_NOTFOUND)
		return snapshot_gone(e, p, err);
	if (r < 0)
		return err_copy(err, &why);
	if (outcome == AGAIN)
		return snapshot_changed(e->path, err);
	if (outcome == REMOVED)
		return snapshot_put_removed(s, e, p, err);
	*ret = outcome == KEPT ? SNAPSHOT_KEPT : SNAPSHOT_SAME;
	s->stats->files += outcome == KEPT;
	return 0;
}

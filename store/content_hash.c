/* SPDX-License-Identifier: Apache-2.0
 * The digest of a file or directory by what counts of it: a walk with one running hash per
 * directory that is open. */
#include "store/content_hash.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/content_listing.h"
#include "store/walk.h"

#define TRIES        3
#define PIECE        (256u << 10)
#define HEADER_MAX   (80u << 20) /* what Linux allows of xattrs fits */
#define RECORD_INPUT "@-1"

/* A directory whose entries are being seen. */
struct level {
	struct hasher *hash;
	char name[NAME_MAX + 1];
	size_t start;     /* of its line in the listing */
	uint64_t entries; /* there were before it */
	bool in;          /* false: it counts only if something below it does */
};

struct taking {
	const struct content_hash_options *options;
	struct content_hash *out;
	struct walk *walk;
	struct hasher *file;
	struct xattr_list xattrs;
	struct buf header;
	uint8_t *piece;
	struct level *levels; /* `room` of them have a hash or NULL */
	size_t depth, room;
};

/* ---- what counts of one entry ---- */

static bool xattr_counts(const struct tar_xattr *x)
{
	return x->name_len < 7 || memcmp(x->name, "system.", 7) != 0;
}

static int read_xattrs(struct taking *t, int fd, const char *path, const char *what,
		       struct err *err)
{
	int r = xattr_list_read(&t->xattrs, fd, path, what, err);

	for (size_t i = t->xattrs.count; r == 0 && i-- > 0;)
		if (!xattr_counts(&t->xattrs.items[i]))
			xattr_list_remove(&t->xattrs, i);
	return r;
}

static char type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '0';
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return '3';
	case S_IFBLK:
		return '4';
	case S_IFDIR:
		return '5';
	case S_IFIFO:
		return '6';
	default:
		return 0;
	}
}

static void entry_from(const struct taking *t, const struct walk_stat *st,
		       struct content_entry *ret)
{
	bool device = S_ISCHR(st->mode) || S_ISBLK(st->mode);

	*ret = (struct content_entry){
		.type = type_of(st->mode),
		.mode = S_ISLNK(st->mode) ? 0777 : st->mode & 07777,
		.uid = t->options->uid,
		.gid = t->options->gid,
		.size = S_ISREG(st->mode) ? st->size : 0,
		.major = device ? st->rdev_major : 0,
		.minor = device ? st->rdev_minor : 0,
	};
}

static int header_make(struct taking *t, const struct content_entry *e, struct err *err)
{
	struct buf *h = &t->header;
	int r;

	buf_clear(h);
	r = buf_printf(h, err, "namemode%uuid%ugid%usize%llutypeflag%clinkname", e->mode,
		       e->uid, e->gid, (unsigned long long)e->size, e->type);
	if (r == 0)
		r = buf_append(h, e->link.at, e->link.len, err);
	if (r == 0)
		r = buf_printf(h, err, "unamegnamedevmajor%udevminor%u", e->major,
			       e->minor);
	for (size_t i = 0; i < t->xattrs.count && r == 0; i++) {
		const struct tar_xattr *x = &t->xattrs.items[i];

		r = buf_append(h, x->name, x->name_len, err);
		if (r == 0)
			r = buf_append(h, x->value, x->value_len, err);
	}
	return r;
}

/* ---- directories ---- */

static void hash_text(struct hasher *h, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	hasher_update(h, digest_format(d, text), DIGEST_TEXT_SIZE - 1);
}

static int level_room(struct taking *t, struct err *err)
{
	size_t room = t->room ? 2 * t->room : 16;
	struct level *levels;

	if (t->depth < t->room)
		return 0;
	levels = reallocarray(t->levels, room, sizeof(*levels));
	if (!levels)
		return err_nomem(err);
	memset(levels + t->room, 0, (room - t->room) * sizeof(*levels));
	t->levels = levels;
	t->room = room;
	return 0;
}

/* Everything above counts, too. */
static void mark_in(struct taking *t)
{
	for (size_t i = t->depth; i-- > 0 && !t->levels[i].in;)
		t->levels[i].in = true;
}

static int level_enter(struct taking *t, const struct walk_entry *w,
		       const struct content_entry *e, bool in, struct err *err)
{
	struct digest header;
	struct level *l;
	size_t start;
	int r = level_room(t, err);

	if (r == 0)
		r = content_listing_add(&t->out->listing, e, &t->xattrs, &start, err);
	if (r < 0)
		return r;
	l = &t->levels[t->depth];
	if (!l->hash)
		r = hasher_new(&l->hash, err);
	if (r < 0)
		return r;
	l->start = start;
	l->entries = t->out->entries++;
	l->in = in;
	snprintf(l->name, sizeof(l->name), "%s", w->name);
	digest_of(t->header.data, t->header.len, &header);
	hasher_update(l->hash, "", 1);
	hash_text(l->hash, &header);
	t->depth++;
	return 0;
}

/* NAME with digest D is in the innermost directory. */
static void level_add(struct taking *t, const char *name, const struct digest *d)
{
	struct hasher *h = t->levels[t->depth - 1].hash;

	hasher_update(h, "", 1);
	hasher_update(h, name, strlen(name));
	hash_text(h, d);
}

static void level_leave(struct taking *t)
{
	struct level *l = &t->levels[--t->depth];
	struct buf *listing = &t->out->listing;
	struct digest d;

	hasher_final(l->hash, &d);
	if (!l->in) {
		listing->len = l->start;
		t->out->entries = l->entries;
		return;
	}
	content_listing_set_digest(listing, l->start, &d);
	if (t->depth > 0)
		level_add(t, l->name, &d);
	else
		t->out->digest = d;
}

static int take_dir(struct taking *t, const struct walk_entry *w, bool in,
		    struct err *err)
{
	bool bare = w->depth == 0 && t->options->bare;
	struct content_entry e;
	char path[320];
	int r = 0;

	entry_from(t, &w->stat, &e);
	xattr_list_clear(&t->xattrs);
	if (bare) {
		e.mode = e.uid = e.gid = 0;
	} else {
		walk_proc_path(t->walk, path);
		r = read_xattrs(t, -1, path, w->path, err);
	}
	e.path = (struct content_text){w->path, strlen(w->path)};
	if (r == 0)
		r = header_make(t, &e, err);
	if (r == 0 && bare)
		buf_clear(&t->header);
	return r < 0 ? r : level_enter(t, w, &e, in, err);
}

/* ---- everything else ---- */

static int put(struct taking *t, const char *name, const struct content_entry *e,
	       struct err *err)
{
	size_t at;
	int r = content_listing_add(&t->out->listing, e, &t->xattrs, &at, err);

	if (r < 0)
		return r;
	t->out->entries++;
	t->out->bytes += e->size;
	if (t->depth > 0) {
		mark_in(t);
		level_add(t, name, &e->digest);
	} else {
		t->out->digest = e->digest;
	}
	return 0;
}

static int hash_bytes(struct taking *t, int fd, uint64_t size, const char *what,
		      struct digest *ret, struct err *err)
{
	size_t n = 1;
	int r = 0;

	hasher_update(t->file, t->header.data, t->header.len);
	for (uint64_t at = 0; r == 0 && at < size && n > 0; at += n) {
		uint64_t left = size - at;

		r = io_read(fd, t->piece, left < PIECE ? (size_t)left : PIECE, &n, what,
			    err);
		if (r == 0)
			hasher_update(t->file, t->piece, n);
	}
	hasher_final(t->file, ret);
	return r;
}

/* One attempt; *ret_done false: it changed meanwhile. */
static int try_file(struct taking *t, int fd, const char *path, struct content_entry *ret,
		    bool *ret_done, struct err *err)
{
	struct walk_stat st, after;
	int r = walk_fstat(fd, path, &st, err);

	*ret_done = false;
	if (r < 0 || !S_ISREG(st.mode))
		return r;
	r = read_xattrs(t, fd, NULL, path, err);
	entry_from(t, &st, ret);
	ret->path = (struct content_text){path, strlen(path)};
	if (r == 0)
		r = header_make(t, ret, err);
	if (r == 0)
		r = hash_bytes(t, fd, st.size, path, &ret->digest, err);
	if (r == 0)
		r = walk_fstat(fd, path, &after, err);
	*ret_done = r == 0 && walk_stat_equal(&st, &after);
	return r;
}

static int take_file(struct taking *t, const struct walk_entry *w, struct err *err)
{
	struct content_entry e;
	bool done = false;
	int r = 0;

	for (int i = 0; i < TRIES && r == 0 && !done; i++) {
		auto_fd int fd = -1;

		r = walk_open_file(t->walk, &fd, err);
		if (r == 0)
			r = try_file(t, fd, w->path, &e, &done, err);
	}
	if (r == -ERR_NOTFOUND)
		return 0; /* it was never there */
	if (r < 0)
		return r;
	return done ? put(t, w->name, &e, err)
		    : err_set(err, ERR_FAILED, "'%s' changes while it is read", w->path);
}

/* Links, devices, fifos, and files that are mount points. */
static int take_other(struct taking *t, const struct walk_entry *w, struct err *err)
{
	char target[WALK_PATH_MAX], path[320];
	struct content_entry e;
	int r = 0;

	entry_from(t, &w->stat, &e);
	e.path = (struct content_text){w->path, strlen(w->path)};
	xattr_list_clear(&t->xattrs);
	if (S_ISLNK(w->stat.mode)) {
		r = walk_read_link(t->walk, target, err);
		e.link = (struct content_text){target, r < 0 ? 0 : strlen(target)};
	}
	if (w->stat.mount_point) {
		e.size = 0;
	} else if (r == 0) {
		walk_proc_path(t->walk, path);
		r = read_xattrs(t, -1, path, w->path, err);
	}
	if (r == -ERR_NOTFOUND)
		return 0;
	if (r == 0)
		r = header_make(t, &e, err);
	if (r < 0)
		return r;
	digest_of(t->header.data, t->header.len, &e.digest);
	return put(t, w->name, &e, err);
}

static int take_entry(struct taking *t, const struct walk_entry *w, struct err *err)
{
	bool is_dir = S_ISDIR(w->stat.mode);
	bool in = w->depth == 0 || !ignore_match(t->options->ignore, w->path);

	while (t->depth > w->depth)
		level_leave(t);
	if (is_dir && (in || ignore_may_return(t->options->ignore, w->path))) {
		if (in)
			mark_in(t);
		return take_dir(t, w, in, err);
	}
	if (is_dir)
		walk_skip(t->walk);
	if (!in || !type_of(w->stat.mode))
		return 0;
	return S_ISREG(w->stat.mode) && !w->stat.mount_point ? take_file(t, w, err)
							     : take_other(t, w, err);
}

static int take_tree(struct taking *t, const char *path, struct err *err)
{
	bool more = true;
	int r = walk_open(path, &t->walk, err);

	while (r == 0 && more) {
		struct walk_entry w;

		r = walk_next(t->walk, &w, &more, err);
		if (r == 0 && more)
			r = take_entry(t, &w, err);
	}
	while (r == 0 && t->depth > 0)
		level_leave(t);
	return r;
}

static int take_single(struct taking *t, const char *path, int fd, struct err *err)
{
	struct content_entry e;
	bool done = false;
	int r = 0;

	for (int i = 0; i < TRIES && r == 0 && !done; i++) {
		if (lseek(fd, 0, SEEK_SET) < 0)
			return err_sys(err, errno, "cannot read '%s'", path);
		r = try_file(t, fd, path, &e, &done, err);
	}
	if (r < 0)
		return r;
	if (!done)
		return err_set(err, ERR_FAILED, "'%s' changes while it is read", path);
	e.path = (struct content_text){"", 0};
	return put(t, "", &e, err);
}

/* ---- all ---- */

static int taking_init(struct taking *t, const struct content_hash_options *options,
		       struct content_hash *out, struct err *err)
{
	*t = (struct taking){.options = options, .out = out};
	xattr_list_init(&t->xattrs);
	buf_init(&t->header, HEADER_MAX);
	t->piece = malloc(PIECE);
	return t->piece ? hasher_new(&t->file, err) : err_nomem(err);
}

static void taking_release(struct taking *t)
{
	for (size_t i = 0; i < t->room; i++)
		hasher_free(t->levels[i].hash);
	free(t->levels);
	walk_close(t->walk);
	hasher_free(t->file);
	xattr_list_release(&t->xattrs);
	buf_release(&t->header);
	free(t->piece);
}

static int take(struct taking *t, const char *path, struct err *err)
{
	/* Not blocked by a fifo, and harmless to a device. */
	auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct walk_stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_INVALID, "there is no '%s'", path);
	if (fd < 0)
		return err_sys(err, errno, "cannot open '%s'", path);
	r = walk_fstat(fd, path, &st, err);
	if (r < 0)
		return r;
	t->out->is_dir = S_ISDIR(st.mode);
	if (t->out->is_dir)
		return take_tree(t, path, err);
	if (!S_ISREG(st.mode))
		return err_set(err, ERR_INVALID, "'%s' is no directory or regular file",
			       path);
	return take_single(t, path, fd, err);
}

int content_hash_take(const char *path, const struct content_hash_options *options,
		      struct content_hash *ret, struct err *err)
{
	static const struct content_hash_options none;
	struct taking t;
	int r;

	*ret = (struct content_hash){0};
	buf_init(&ret->listing, CONTENT_LISTING_MAX);
	r = taking_init(&t, options ? options : &none, ret, err);
	if (r == 0)
		r = content_listing_start(&ret->listing, err);
	if (r == 0)
		r = take(&t, path, err);
	taking_release(&t);
	return r;
}

void content_hash_release(struct content_hash *c)
{
	buf_release(&c->listing);
}

int content_hash_record(const struct digest *digests, size_t count, struct digest *ret,
			struct err *err)
{
	auto_hasher struct hasher *h = NULL;
	struct digest all;
	int r = hasher_new(&h, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			hasher_update(h, "", 1);
		hash_text(h, &digests[i]);
	}
	hasher_final(h, &all);
	hash_text(h, &all);
	hasher_update(h, RECORD_INPUT, sizeof(RECORD_INPUT) - 1);
	hasher_final(h, ret);
	return 0;
}

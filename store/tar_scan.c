/* SPDX-License-Identifier: Apache-2.0
 * Runs libarchive and the raw scanner over the same bytes and compares what they say. */
#include "store/tar_scan.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <string.h>

#include "store/base/fifo.h"
#include "store/tar_attr.h"
#include "store/tar_raw.h"

/* What is read at once: it is hashed, scanned and told while it is in the processor's
 * cache, and a smaller file mostly lies in one piece in it. */
#define BUFFER_SIZE (256u << 10)
#define PAGE_SIZE   4096u

/* What the raw scanner may know ahead of libarchive: the entries of a buffer. */
#define AHEAD_ITEMS 8192u
#define AHEAD_BYTES (64u << 20)

/* An entry of the raw scanner; its names and extents lie in `bytes` from AT on. */
struct ahead {
	struct tar_raw_entry e;
	size_t at;
};

struct scan {
	struct stream *in;
	const struct tar_limits *limits;
	const struct tar_sink *sink;
	bool skip_data;
	struct archive *archive;
	struct archive_entry *entry;
	struct tar_raw *raw;
	struct hasher *hasher; /* NULL: not wanted */
	uint8_t *buffer;
	uint64_t size; /* bytes read */
	bool at_end;
	int failed; /* the code of a read that failed, which libarchive does not know */
	struct err *err;
	struct fifo ahead;
	struct buf bytes;
	struct tar_attr attr;

	/* The content that is being told. */
	struct buf extents; /* struct tar_extent: where it is stored */
	size_t extent;
	uint64_t in_extent; /* bytes of the extent that were told */
	uint64_t told;      /* up to this offset */
};

void tar_limits_default(struct tar_limits *limits)
{
	*limits = (struct tar_limits){
		.entries = 4u << 20,
		.bytes = 1ull << 40,
		.file_bytes = 64ull << 30,
		.pax_record = 1u << 20,
		.path = 4096,
		.name = 255,
	};
}

/* ---- the raw side ---- */

static int on_raw_entry(void *arg, const struct tar_raw_entry *e, struct err *err)
{
	struct scan *s = arg;
	struct ahead a = {*e, 0};
	int r;

	if (!fifo_front(&s->ahead))
		buf_clear(&s->bytes);
	a.at = s->bytes.len;
	r = buf_append(&s->bytes, e->path, e->path_len, err);
	if (r == 0)
		r = buf_append(&s->bytes, "", 1, err);
	if (r == 0)
		r = buf_append(&s->bytes, e->link, e->link_len, err);
	if (r == 0)
		r = buf_append(&s->bytes, "", 1, err);
	if (r == 0)
		r = buf_append(&s->bytes, e->extents,
			       e->extent_count * sizeof(*e->extents), err);
	return r < 0 ? r : fifo_push(&s->ahead, &a, err);
}

static int on_raw_literal(void *arg, const void *data, size_t len, struct err *err)
{
	struct scan *s = arg;

	if (!s->sink->literal)
		return 0;
	return s->sink->literal(s->sink->arg, data, len, err);
}

static int on_raw_payload(void *arg, uint64_t ordinal, uint64_t off, const void *data,
			  size_t len, struct err *err)
{
	struct scan *s = arg;

	(void)data;
	if (!s->sink->payload)
		return 0;
	return s->sink->payload(s->sink->arg, ordinal, off, len, err);
}

/* Reads the next buffer, hashes it and shows it to the raw scanner. */
static int read_next(struct scan *s, size_t *ret, struct err *err)
{
	int r = stream_read_full(s->in, s->buffer, BUFFER_SIZE, ret, err);

	if (r < 0)
		return r;
	if (*ret < BUFFER_SIZE)
		s->at_end = true;
	s->size += *ret;
	if (s->size > s->limits->bytes)
		return err_set(err, ERR_LIMIT, "it is larger than %llu bytes",
			       (unsigned long long)s->limits->bytes);
	if (s->size == 0)
		return err_set(err, ERR_INVALID, "it is empty");
	if (s->hasher)
		hasher_update(s->hasher, s->buffer, *ret);
	r = tar_raw_push(s->raw, s->buffer, *ret, err);
	if (r == 0 && s->at_end)
		r = tar_raw_finish(s->raw, err);
	return r;
}

static la_ssize_t on_read(struct archive *archive, void *arg, const void **ret)
{
	struct scan *s = arg;
	size_t len = 0;

	(void)archive;
	if (s->at_end)
		return 0;
	s->failed = read_next(s, &len, s->err);
	*ret = s->buffer;
	return s->failed < 0 ? -1 : (la_ssize_t)len;
}

/* ---- libarchive's side ---- */

/* What libarchive could not read. The raw scanner was there first and is stricter, so this
 * is rare, and what it says matters less than that it is refused. */
static int refused(struct scan *s)
{
	const char *why = archive_error_string(s->archive);

	if (s->failed < 0)
		return s->failed;
	if (archive_errno(s->archive) == ENOMEM)
		return err_nomem(s->err);
	return err_set(s->err, ERR_INVALID, "libarchive refuses it: %s",
		       why ? why : "no reason given");
}

static int disagree(struct scan *s, const struct tar_raw_entry *e, const char *what)
{
	return err_set(s->err, ERR_INVALID,
		       "'%.*s': two readers see different archives here: %s",
		       (int)(e->path_len < 200 ? e->path_len : 200), e->path, what);
}

static bool type_of(struct archive_entry *entry, enum tar_type *ret)
{
	static const struct {
		unsigned mode;
		enum tar_type type;
	} types[] = {
		{AE_IFREG, TAR_FILE}, {AE_IFDIR, TAR_DIR},   {AE_IFLNK, TAR_SYMLINK},
		{AE_IFCHR, TAR_CHAR}, {AE_IFBLK, TAR_BLOCK}, {AE_IFIFO, TAR_FIFO},
	};

	if (archive_entry_hardlink(entry)) {
		*ret = TAR_HARDLINK;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (types[i].mode == archive_entry_filetype(entry)) {
			*ret = types[i].type;
			return true;
		}
	}
	return false;
}

static bool same_text(const char *a, const char *b, size_t len)
{
	return strlen(a) == len && memcmp(a, b, len) == 0;
}

/* A file "x/" is a directory for both, but libarchive does not come to that if it could not
 * convert the name. It has no content in either case. */
static bool same_type(enum tar_type archive, const struct tar_raw_entry *e)
{
	if (archive == e->type)
		return true;
	return archive == TAR_FILE && e->type == TAR_DIR && e->typeflag != '5' &&
	       e->payload_size == 0;
}

static int compare(struct scan *s, const struct tar_raw_entry *e)
{
	const char *path = archive_entry_pathname(s->entry), *link = "";
	uint64_t size = e->type == TAR_HARDLINK ? e->payload_size : e->size;
	enum tar_type type;

	if ((uint64_t)archive_read_header_position(s->archive) != e->start)
		return disagree(s, e, "it begins elsewhere");
	if (!type_of(s->entry, &type) || !same_type(type, e))
		return disagree(s, e, "the type");
	if (!path || !same_text(path, e->path, e->path_len))
		return disagree(s, e, "the name");
	if (type == TAR_HARDLINK)
		link = archive_entry_hardlink(s->entry);
	else if (type == TAR_SYMLINK)
		link = archive_entry_symlink(s->entry);
	if (!link || !same_text(link, e->link, e->link_len))
		return disagree(s, e, "the link target");
	if ((uint64_t)archive_entry_size(s->entry) != size)
		return disagree(s, e, "the size");
	return 0;
}

static int check_names(struct scan *s, const struct tar_raw_entry *e)
{
	const char *p = e->path, *end = p + e->path_len;

	if (e->path_len > s->limits->path || e->link_len > s->limits->path)
		return err_set(s->err, ERR_LIMIT, "the path '%.100s...' has %zu bytes",
			       e->path_len > s->limits->path ? e->path : e->link,
			       e->path_len > s->limits->path ? e->path_len : e->link_len);
	while (p < end) {
		const char *slash = memchr(p, '/', (size_t)(end - p));
		size_t len = (size_t)((slash ? slash : end) - p);

		if (len > s->limits->name)
			return err_set(s->err, ERR_LIMIT,
				       "the name '%.100s...' has %zu bytes", p, len);
		p += len + 1;
	}
	return 0;
}

static int check_device(struct scan *s, const struct tar_raw_entry *e,
			struct tar_entry *out)
{
	uint64_t major, minor;

	if (e->type != TAR_CHAR && e->type != TAR_BLOCK)
		return 0;
	major = archive_entry_rdevmajor(s->entry);
	minor = archive_entry_rdevminor(s->entry);
	if (major > UINT32_MAX || minor > UINT32_MAX)
		return err_set(s->err, ERR_INVALID,
			       "'%.200s': its device number is too large", e->path);
	out->rdev_major = (uint32_t)major;
	out->rdev_minor = (uint32_t)minor;
	return 0;
}

static int tell_entry(struct scan *s, const struct tar_raw_entry *e)
{
	struct tar_entry out = {
		.type = e->type,
		.path = e->path,
		.path_len = e->path_len,
		.link = e->link,
		.link_len = e->link_len,
		.mode = e->mode,
		.uid = e->uid,
		.gid = e->gid,
		.mtime = e->mtime,
		.mtime_nsec = e->mtime_nsec,
		.size = e->size,
		.sparse = e->sparse,
	};
	int r = check_names(s, e);

	if (r == 0)
		r = check_device(s, e, &out);
	if (r == 0) {
		r = tar_attr_read(&s->attr, s->entry, s->err);
		if (r < 0)
			err_wrap(s->err, "'%.200s'", e->path);
	}
	if (r < 0)
		return r;
	out.xattrs = tar_attr_list(&s->attr, &out.xattr_count);
	if (s->attr.has_mode)
		out.mode = (out.mode & ~0777u) | s->attr.mode;
	return s->sink->entry(s->sink->arg, &out, s->err);
}

/* ---- content ---- */

static int tell_hole(struct scan *s, uint64_t up_to)
{
	uint64_t len = up_to - s->told;

	s->told = up_to;
	return len == 0 ? 0 : s->sink->hole(s->sink->arg, len, s->err);
}

/* Does the raw scanner, too, place the next LEN stored bytes at OFF? */
static bool placed_at(struct scan *s, uint64_t off, size_t len)
{
	const struct tar_extent *x =
		(const struct tar_extent *)(const void *)s->extents.data;

	if ((s->extent + 1) * sizeof(*x) > s->extents.len)
		return false;
	x += s->extent;
	if (off != x->off + s->in_extent || len > x->len - s->in_extent)
		return false;
	s->in_extent += len;
	if (s->in_extent == x->len) {
		s->extent++;
		s->in_extent = 0;
	}
	return true;
}

static int tell_content(struct scan *s, const struct tar_raw_entry *e)
{
	const void *data;
	la_int64_t off;
	size_t len;
	int r, status;

	while ((status = archive_read_data_block(s->archive, &data, &len, &off)) ==
	       ARCHIVE_OK) {
		if (!placed_at(s, (uint64_t)off, len))
			return disagree(s, e, "the place of its content");
		r = tell_hole(s, (uint64_t)off);
		if (r == 0)
			r = s->sink->data(s->sink->arg, data, len, s->err);
		if (r < 0)
			return r;
		s->told += len;
	}
	if (status != ARCHIVE_EOF)
		return refused(s);
	if (s->extent * sizeof(struct tar_extent) != s->extents.len)
		return disagree(s, e, "the end of its content");
	return tell_hole(s, e->size);
}

/* Takes the raw scanner's next entry, which stays valid until a buffer is read; its extents
 * until the next call. */
static int next_raw(struct scan *s, struct tar_raw_entry *ret)
{
	const struct ahead *a = fifo_front(&s->ahead);
	const struct tar_extent whole = {0, a ? a->e.size : 0};
	const uint8_t *extents;

	if (!a)
		return err_set(
			s->err, ERR_INVALID,
			"two readers see different archives here: an entry too many");
	*ret = a->e;
	ret->path = (const char *)s->bytes.data + a->at;
	ret->link = ret->path + ret->path_len + 1;
	extents = (const uint8_t *)ret->link + ret->link_len + 1;
	fifo_pop(&s->ahead);

	buf_clear(&s->extents);
	s->extent = 0;
	s->in_extent = s->told = 0;
	if (ret->sparse)
		return buf_append(&s->extents, extents,
				  ret->extent_count * sizeof(struct tar_extent), s->err);
	return whole.len == 0 ? 0
			      : buf_append(&s->extents, &whole, sizeof(whole), s->err);
}

static int scan_entry(struct scan *s)
{
	struct tar_raw_entry e = {.start = 0};
	int r = next_raw(s, &e);

	if (r == 0)
		r = compare(s, &e);
	if (r == 0)
		r = tell_entry(s, &e);
	if (r == 0 && e.type == TAR_FILE && e.size > 0 && !s->skip_data)
		r = tell_content(s, &e);
	return r < 0 ? r : s->sink->entry_end(s->sink->arg, s->err);
}

/* ---- the whole archive ---- */

static int open_archive(struct scan *s)
{
	struct archive *a = s->archive;

	/* The format is given, not guessed; no filter is enabled. "._" files are files, and
	 * an archive ends where it ends. */
	if (archive_read_set_format(a, ARCHIVE_FORMAT_TAR) != ARCHIVE_OK ||
	    archive_read_set_format_option(a, "tar", "mac-ext", NULL) != ARCHIVE_OK ||
	    archive_read_set_format_option(a, "tar", "read_concatenated_archives",
					   NULL) != ARCHIVE_OK ||
	    archive_read_open(a, s, NULL, on_read, NULL) != ARCHIVE_OK)
		return refused(s);
	return 0;
}

/* What follows the end of the archive is kept, but has no entries. */
static int read_rest(struct scan *s)
{
	int r = 0;

	while (r == 0 && !s->at_end) {
		size_t len;

		r = read_next(s, &len, s->err);
	}
	if (r == 0 && fifo_front(&s->ahead))
		r = err_set(s->err, ERR_INVALID,
			    "two readers see different archives here: where it ends");
	return r;
}

static int run(struct scan *s, uint64_t *ret_entries)
{
	uint64_t entries = 0;
	int status, r = open_archive(s);

	/* A warning is about a name that it cannot convert, and names are compared. */
	while (r == 0 && ((status = archive_read_next_header2(s->archive, s->entry)) ==
				  ARCHIVE_OK ||
			  status == ARCHIVE_WARN)) {
		r = scan_entry(s);
		entries++;
	}
	if (r == 0 && status != ARCHIVE_EOF)
		r = refused(s);
	if (r == 0)
		r = read_rest(s);
	*ret_entries = entries;
	return r;
}

static int scan_init(struct scan *s, bool hash, struct err *err)
{
	const struct tar_raw_sink raw = {on_raw_entry, on_raw_literal, on_raw_payload, s};
	int r;

	fifo_init(&s->ahead, sizeof(struct ahead), AHEAD_ITEMS);
	buf_init(&s->bytes, AHEAD_BYTES);
	buf_init(&s->extents, AHEAD_BYTES);
	tar_attr_init(&s->attr);
	s->archive = archive_read_new();
	/* At the head of a page: the kernel copies to 16 bytes behind it (what malloc gives)
	 * three times as slowly. */
	s->buffer = aligned_alloc(PAGE_SIZE, BUFFER_SIZE);
	s->entry = s->archive ? archive_entry_new2(s->archive) : NULL;
	if (!s->entry || !s->buffer)
		return err_nomem(err);
	r = hash ? hasher_new(&s->hasher, err) : 0;
	return r < 0 ? r : tar_raw_new(s->limits, &raw, &s->raw, err);
}

static void scan_release(struct scan *s)
{
	fifo_release(&s->ahead);
	buf_release(&s->bytes);
	buf_release(&s->extents);
	tar_attr_release(&s->attr);
	archive_entry_free(s->entry);
	archive_read_free(s->archive);
	free(s->buffer);
	hasher_free(s->hasher);
	tar_raw_free(s->raw);
}

int tar_scan(struct stream *in, const struct tar_limits *limits, bool skip_data,
	     const struct tar_sink *sink, struct digest *diffid, struct tar_result *ret,
	     struct err *err)
{
	struct err local;
	struct scan s = {
		.in = in,
		.limits = limits,
		.sink = sink,
		.skip_data = skip_data,
		.err = err ? err : &local,
	};
	/* Names are bytes: in this locale libarchive leaves those alone that are no ASCII,
	 * in others it normalises them. */
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before;
	uint64_t entries;
	int r;

	if (plain == (locale_t)0)
		return err_nomem(err);
	before = uselocale(plain);
	r = scan_init(&s, diffid != NULL, s.err);
	if (r == 0)
		r = run(&s, &entries);
	if (r == 0) {
		*ret = (struct tar_result){s.size, entries};
		if (diffid)
			hasher_final(s.hasher, diffid);
	}
	scan_release(&s);
	uselocale(before);
	freelocale(plain);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0
 * The members of a plain tar archive by name. The raw scanner of layers reads it; payload
 * is not read from the file but passed to the scanner as zeros, which it does not look at. */
#include "tools/oci/archive.h"

#include <string.h>

#include "store/base/io.h"
#include "store/tar_raw.h"

#define BLOCK     512u
#define LINKS_MAX 8

enum member_kind {
	MEMBER_FILE,
	MEMBER_LINK, /* hard or symbolic, `link` is a path in the archive */
	MEMBER_OTHER,
};

struct member {
	uint32_t name, link; /* offsets into names */
	enum member_kind kind;
	uint64_t offset, size;
};

struct archive_index {
	struct buf members; /* struct member, sorted by name */
	struct buf names;   /* NUL-terminated */
	size_t count;

	/* while reading */
	uint64_t payload_end; /* of the entry just seen */
};

void archive_index_free(struct archive_index *a)
{
	if (!a)
		return;
	buf_release(&a->members);
	buf_release(&a->names);
	free(a);
}

static const char *name_at(const struct archive_index *a, uint32_t offset)
{
	return (const char *)a->names.data + offset;
}

/* ---- names ---- */

/* Appends PATH, seen from directory BASE, without ".", "..", "//" and a NUL. "..", like in a
 * root directory, stops at the top. *ret: where it begins. */
static int add_path(struct archive_index *a, const char *base, size_t base_len,
		    const char *path, size_t len, uint32_t *ret, struct err *err)
{
	const char *parts[] = {base, path}, *ends[] = {base + base_len, path + len};
	size_t start = a->names.len;

	for (size_t i = 0; i < 2; i++) {
		const char *p = parts[i];

		while (p < ends[i]) {
			const char *slash = memchr(p, '/', (size_t)(ends[i] - p));
			size_t n = (size_t)((slash ? slash : ends[i]) - p);
			int rc = 0;

			if (n == 2 && memcmp(p, "..", 2) == 0) {
				while (a->names.len > start &&
				       a->names.data[--a->names.len] != '/')
					;
			} else if (n > 0 && !(n == 1 && *p == '.')) {
				if (a->names.len > start)
					rc = buf_append_u8(&a->names, '/', err);
				if (!rc)
					rc = buf_append(&a->names, p, n, err);
			}
			if (rc)
				return rc;
			p += n + 1;
		}
	}
	*ret = (uint32_t)start;
	return buf_append_u8(&a->names, 0, err);
}

/* ---- reading the headers ---- */

static size_t dir_len(const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);

	return slash ? (size_t)(slash - path) : 0;
}

static int add_link(struct archive_index *a, const struct tar_raw_entry *e,
		    struct member *m, struct err *err)
{
	size_t base = 0;

	if (e->typeflag == '2' && e->link_len && e->link[0] != '/')
		base = dir_len(e->path, e->path_len);
	m->kind = MEMBER_LINK;
	return add_path(a, e->path, base, e->link, e->link_len, &m->link, err);
}

static int on_entry(void *arg, const struct tar_raw_entry *e, struct err *err)
{
	struct archive_index *a = arg;
	struct member m = {
		.kind = MEMBER_OTHER, .offset = e->payload, .size = e->payload_size};
	int rc = add_path(a, "", 0, e->path, e->path_len, &m.name, err);

	if (!rc && (e->typeflag == '1' || e->typeflag == '2'))
		rc = add_link(a, e, &m, err);
	else if (strchr("07", e->typeflag) && !e->sparse &&
		 !(e->path_len && e->path[e->path_len - 1] == '/'))
		m.kind = MEMBER_FILE; /* strchr: an old header's type is NUL */
	a->payload_end = e->payload + e->payload_size;
	return rc ? rc : buf_append(&a->members, &m, sizeof(m), err);
}

static int on_literal(void *arg, const void *data, size_t len, struct err *err)
{
	(void)arg;
	(void)data;
	(void)len;
	(void)err;
	return 0;
}

static int on_payload(void *arg, uint64_t ordinal, uint64_t off, const void *data,
		      size_t len, struct err *err)
{
	(void)ordinal;
	(void)off;
	return on_literal(arg, data, len, err);
}

static int push_zeros(struct tar_raw *raw, uint64_t len, struct err *err)
{
	static const char zeros[256 << 10];
	int rc = 0;

	while (len && !rc) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		rc = tar_raw_push(raw, zeros, n, err);
		len -= n;
	}
	return rc;
}

static int read_headers(struct archive_index *a, struct tar_raw *raw, int fd,
			const char *path, struct err *err)
{
	uint64_t at = 0, size;
	char block[BLOCK];
	int rc = io_size(fd, &size, path, err);

	while (!rc && at < size) {
		size_t n = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
		uint64_t whole;

		rc = io_pread(fd, block, n, at, path, err);
		if (!rc)
			rc = tar_raw_push(raw, block, n, err);
		at += n;
		whole = a->payload_end > at ? (a->payload_end - at) / BLOCK * BLOCK : 0;
		if (!rc && whole > size - at)
			return err_set(err, ERR_INVALID, "the archive ends early");
		if (!rc)
			rc = push_zeros(raw, whole, err);
		at += whole;
	}
	return rc ? rc : tar_raw_finish(raw, err);
}

static int compare(const void *x, const void *y, void *arg)
{
	const struct archive_index *a = arg;
	const struct member *m = x, *n = y;

	return strcmp(name_at(a, m->name), name_at(a, n->name));
}

int archive_index_new(int fd, const char *path, struct archive_index **ret,
		      struct err *err)
{
	AUTO(archive_index) struct archive_index *a = calloc(1, sizeof(*a));
	struct tar_raw_sink sink = {on_entry, on_literal, on_payload, a};
	struct tar_limits limits;
	struct tar_raw *raw;
	int rc;

	if (!a)
		return err_nomem(err);
	buf_init(&a->members, ARCHIVE_MEMBERS_MAX * sizeof(struct member));
	buf_init(&a->names, 64u << 20);
	tar_limits_default(&limits);
	limits.entries = ARCHIVE_MEMBERS_MAX;
	rc = tar_raw_new(&limits, &sink, &raw, err);
	if (rc)
		return rc;
	rc = read_headers(a, raw, fd, path, err);
	tar_raw_free(raw);
	if (rc)
		return err_wrap(err, "archive '%s'", path);
	a->count = a->members.len / sizeof(struct member);
	if (a->count)
		qsort_r(a->members.data, a->count, sizeof(struct member), compare, a);
	*ret = steal_ptr(&a);
	return 0;
}

/* ---- looking up ---- */

/* The only member of this name, NULL if there is none. */
static int find_one(const struct archive_index *a, const char *name,
		    const struct member **ret, struct err *err)
{
	const struct member *members =
		(const struct member *)(const void *)a->members.data;
	size_t low = 0, high = a->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(name_at(a, members[mid].name), name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == a->count || strcmp(name_at(a, members[low].name), name) != 0)
		return err_set(err, ERR_NOTFOUND, "'%s' is not in the archive", name);
	if (low + 1 < a->count && strcmp(name_at(a, members[low + 1].name), name) == 0)
		return err_set(err, ERR_INVALID, "'%s' is in the archive more than once",
			       name);
	*ret = &members[low];
	return 0;
}

int archive_index_find(const struct archive_index *a, const char *name,
		       uint64_t *ret_offset, uint64_t *ret_size, struct err *err)
{
	const struct member *m;
	int rc = find_one(a, name, &m, err);

	for (int hops = 0; !rc && m->kind == MEMBER_LINK; hops++) {
		if (hops == LINKS_MAX)
			return err_set(err, ERR_INVALID, "'%s': too many links", name);
		rc = find_one(a, name_at(a, m->link), &m, err);
	}
	if (rc)
		return rc;
	if (m->kind != MEMBER_FILE)
		return err_set(err, ERR_INVALID, "'%s' is not a regular file", name);
	*ret_offset = m->offset;
	*ret_size = m->size;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Deterministic ustar and PAX headers. */
#include "store/tar_write.h"

#include <string.h>

#define PAX_MAX    (16u << 20)
#define NAME_FIELD 100u
#define OCTAL7     07777777u    /* what fits into a field of 8 bytes */
#define OCTAL11    077777777777 /* ... and of 12 */

struct ustar {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	char prefix[155];
	char unused[12];
};
_Static_assert(sizeof(struct ustar) == TAR_BLOCK_SIZE, "one block");

static void put_octal(char *field, size_t size, uint64_t v)
{
	field[size - 1] = '\0';
	for (size_t i = size - 1; i-- > 0; v >>= 3)
		field[i] = (char)('0' + (v & 7));
}

static void put_name(char *field, const char *name, size_t len)
{
	memcpy(field, name, len < NAME_FIELD ? len : NAME_FIELD);
}

static int put_block(struct buf *out, struct ustar *h, struct err *err)
{
	unsigned sum = 0;

	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += ((const uint8_t *)h)[i];
	put_octal(h->checksum, 7, sum);
	return buf_append(out, h, sizeof(*h), err);
}

/* ---- PAX records ---- */

static size_t digits(size_t n)
{
	size_t count = 1;

	for (; n >= 10; n /= 10)
		count++;
	return count;
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static int put_record(struct buf *pax, const char *prefix, const char *key,
		      const void *value, size_t len, struct err *err)
{
	size_t body = 1 + strlen(prefix) + strlen(key) + 1 + len + 1;
	size_t total = body + digits(body);
	int r;

	total = body + digits(total);
	r = buf_printf(pax, err, "%zu %s%s=", total, prefix, key);
	if (r == 0)
		r = buf_append(pax, value, len, err);
	return r < 0 ? r : buf_append(pax, "\n", 1, err);
}

static int put_number(struct buf *pax, const char *key, uint64_t v, struct err *err)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);

	return put_record(pax, "", key, text, (size_t)n, err);
}

/* Decimal seconds without trailing zeros. A time before the epoch has a negative whole part
 * and nanoseconds that count up from it; as one number that is -(|s| - 1).(1e9 - ns). */
static int put_time(struct buf *pax, int64_t s, uint32_t ns, struct err *err)
{
	bool flip = s < 0 && ns > 0;
	uint64_t whole = s < 0 ? -(uint64_t)s - (flip ? 1 : 0) : (uint64_t)s;
	char text[40];
	int n;

	n = snprintf(text, sizeof(text), "%s%llu.%09u", s < 0 ? "-" : "",
		     (unsigned long long)whole, flip ? 1000000000u - ns : ns);
	while (text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	return put_record(pax, "", "mtime", text, (size_t)n, err);
}

static bool is_utf8(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s, *end = p + len;

	while (p < end) {
		static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
		unsigned more = *p < 0x80             ? 0
				: (*p & 0xe0) == 0xc0 ? 1
				: (*p & 0xf0) == 0xe0 ? 2
				: (*p & 0xf8) == 0xf0 ? 3
						      : 4;
		uint32_t c = *p++;

		if (more == 4 || (size_t)(end - p) < more)
			return false;
		if (more)
			c &= 0x3fu >> more;
		for (unsigned i = 0; i < more; i++, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
			c = c << 6 | (*p & 0x3f);
		}
		if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return false;
	}
	return true;
}

static int xattr_cmp(const void *a, const void *b)
{
	const struct tar_xattr *x = a, *y = b;
	size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(x->name, y->name, n);

	return c ? c : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

static int put_xattrs(struct buf *pax, const struct tar_entry *e, struct err *err)
{
	auto_free struct tar_xattr *sorted = NULL;
	int r = 0;

	if (e->xattr_count == 0)
		return 0;
	sorted = calloc(e->xattr_count, sizeof(*sorted));
	if (!sorted)
		return err_nomem(err);
	memcpy(sorted, e->xattrs, e->xattr_count * sizeof(*sorted));
	qsort(sorted, e->xattr_count, sizeof(*sorted), xattr_cmp);
	for (size_t i = 0; r == 0 && i < e->xattr_count; i++) {
		const struct tar_xattr *x = &sorted[i];
		char name[256];

		if (x->name_len >= sizeof(name) || memchr(x->name, '=', x->name_len))
			return err_set(err, ERR_INVALID,
				       "a tar cannot hold the xattr '%.*s' of '%s'",
				       (int)(x->name_len < 255 ? x->name_len : 255),
				       x->name, e->path);
		memcpy(name, x->name, x->name_len);
		name[x->name_len] = '\0';
		r = put_record(pax, "SCHILY.xattr.", name, x->value, x->value_len, err);
	}
	return r;
}

static bool needs_time(const struct tar_entry *e)
{
	return e->mtime_nsec > 0 || e->mtime < 0 || e->mtime > OCTAL11;
}

/* The records in the order of their keys. */
static int put_records(struct buf *pax, const struct tar_entry *e, const char *path,
		       size_t path_len, struct err *err)
{
	bool long_path = path_len > NAME_FIELD, long_link = e->link_len > NAME_FIELD;
	int r = put_xattrs(pax, e, err);

	if (r == 0 && e->gid > OCTAL7)
		r = put_number(pax, "gid", e->gid, err);
	if (r == 0 && ((long_path && !is_utf8(path, path_len)) ||
		       (long_link && !is_utf8(e->link, e->link_len))))
		r = put_record(pax, "", "hdrcharset", "BINARY", 6, err);
	if (r == 0 && long_link)
		r = put_record(pax, "", "linkpath", e->link, e->link_len, err);
	if (r == 0 && needs_time(e))
		r = put_time(pax, e->mtime, e->mtime_nsec, err);
	if (r == 0 && long_path)
		r = put_record(pax, "", "path", path, path_len, err);
	if (r == 0 && e->size > OCTAL11)
		r = put_number(pax, "size", e->size, err);
	if (r == 0 && e->uid > OCTAL7)
		r = put_number(pax, "uid", e->uid, err);
	return r;
}

static int put_pax(struct buf *out, const struct buf *pax, struct err *err)
{
	struct ustar h = {.name = "././@PaxHeader", .type = 'x'};
	int r;

	if (pax->len == 0)
		return 0;
	put_octal(h.mode, sizeof(h.mode), 0644);
	put_octal(h.uid, sizeof(h.uid), 0);
	put_octal(h.gid, sizeof(h.gid), 0);
	put_octal(h.size, sizeof(h.size), pax->len);
	put_octal(h.mtime, sizeof(h.mtime), 0);
	r = put_block(out, &h, err);
	if (r == 0)
		r = buf_append(out, pax->data, pax->len, err);
	return r < 0 ? r : buf_append_zeros(out, tar_write_padding(pax->len), err);
}

/* ---- entries ---- */

static int put_header(struct buf *out, const struct tar_entry *e, const char *path,
		      size_t path_len, struct err *err)
{
	static const char types[] = {
		[TAR_FILE] = '0',     [TAR_DIR] = '5',  [TAR_SYMLINK] = '2',
		[TAR_HARDLINK] = '1', [TAR_CHAR] = '3', [TAR_BLOCK] = '4',
		[TAR_FIFO] = '6',
	};
	struct ustar h = {.type = types[e->type]};

	put_name(h.name, path, path_len);
	put_name(h.link, e->link, e->link_len);
	put_octal(h.mode, sizeof(h.mode), e->mode & 07777);
	put_octal(h.uid, sizeof(h.uid), e->uid > OCTAL7 ? 0 : e->uid);
	put_octal(h.gid, sizeof(h.gid), e->gid > OCTAL7 ? 0 : e->gid);
	put_octal(h.size, sizeof(h.size), e->size > OCTAL11 ? 0 : e->size);
	put_octal(h.mtime, sizeof(h.mtime),
		  e->mtime < 0 || e->mtime > OCTAL11 ? 0 : (uint64_t)e->mtime);
	put_octal(h.devmajor, sizeof(h.devmajor), e->rdev_major);
	put_octal(h.devminor, sizeof(h.devminor), e->rdev_minor);
	return put_block(out, &h, err);
}

int tar_write_entry(struct buf *out, const struct tar_entry *e, struct err *err)
{
	auto_buf struct buf path, pax;
	int r;

	buf_init(&path, e->path_len + 1);
	buf_init(&pax, PAX_MAX);
	r = buf_append(&path, e->path, e->path_len, err);
	if (r == 0 && e->type == TAR_DIR &&
	    (e->path_len == 0 || e->path[e->path_len - 1] != '/'))
		r = buf_append(&path, "/", 1, err);
	if (r == 0)
		r = put_records(&pax, e, (const char *)path.data, path.len, err);
	if (r == 0)
		r = put_pax(out, &pax, err);
	if (r == 0)
		r = put_header(out, e, (const char *)path.data, path.len, err);
	return r;
}

int tar_write_end(struct buf *out, struct err *err)
{
	return buf_append_zeros(out, 2 * TAR_BLOCK_SIZE, err);
}

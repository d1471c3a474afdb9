/* SPDX-License-Identifier: Apache-2.0
 * An entry of a tar as the table of contents has it. */
#include "tools/chunked/toc_entry.h"

#include <string.h>
#include <time.h>

#include "store/tar_block.h"
#include "store/tar_number.h"
#include "tools/buildkit/base64.h"

#define XATTR      "SCHILY.xattr."
#define VALUE_MAX  (2u << 20) /* an xattr in base64 */
#define STAR_TIMES 131        /* in the field that ustar calls prefix */
#define STAR_MARK  163

struct stamp {
	bool given;
	int64_t seconds;
	uint32_t nsec;
};

struct text {
	const char *bytes; /* in the header; NULL: none */
	size_t len;
};

/* What tar_raw does not tell. */
struct more {
	struct text user, group;
	struct stamp access, change;
	json_t *xattrs; /* NULL: none */
	int64_t mode, devmajor, devminor, size;
	const char *why; /* it cannot be in a table */
};

/* ---- extension headers ---- */

static int set_xattr(struct more *m, const char *key, size_t key_len, const char *value,
		     size_t len, struct err *err)
{
	auto_free char *name = strndup(key, key_len);
	auto_buf struct buf text;
	int rc;

	buf_init(&text, VALUE_MAX);
	rc = base64_encode(value, len, &text, err);
	if (!m->xattrs)
		m->xattrs = json_object();
	if (rc || !name || !m->xattrs)
		return rc ? rc : err_nomem(err);
	if (json_object_set_new(m->xattrs, name,
				json_stringn((char *)text.data, text.len)) < 0)
		m->why = "a name that is no UTF-8";
	return 0;
}

static void set_time(struct stamp *s, const char *value, size_t len)
{
	s->given = tar_number_time(value, len, &s->seconds, &s->nsec);
}

/* One "KEY=VALUE". */
static int on_record(struct more *m, const char *text, size_t len, struct err *err)
{
	const char *value = memchr(text, '=', len);
	size_t key_len = value ? (size_t)(value - text) : 0;

	if (!value)
		return 0;
	value++;
	len -= key_len + 1;
	if (key_len == 5 && memcmp(text, "atime", 5) == 0)
		set_time(&m->access, value, len);
	else if (key_len == 5 && memcmp(text, "ctime", 5) == 0)
		set_time(&m->change, value, len);
	else if (key_len == 5 && memcmp(text, "uname", 5) == 0)
		m->user = (struct text){value, len};
	else if (key_len == 5 && memcmp(text, "gname", 5) == 0)
		m->group = (struct text){value, len};
	else if (key_len > strlen(XATTR) && memcmp(text, XATTR, strlen(XATTR)) == 0)
		return set_xattr(m, text + strlen(XATTR), key_len - strlen(XATTR), value,
				 len, err);
	return 0;
}

/* Records "LENGTH KEY=VALUE\n", whose syntax was checked by tar_raw. */
static int read_records(struct more *m, const char *p, size_t len, struct err *err)
{
	int rc = 0;

	while (len && !rc) {
		const char *space = memchr(p, ' ', len);
		size_t digits = space ? (size_t)(space - p) : 0;
		uint64_t size;

		if (!space || !tar_number_decimal(p, digits, &size) || size > len ||
		    size < digits + 2)
			return err_set(err, ERR_INVALID, "a PAX record is malformed");
		rc = on_record(m, space + 1, (size_t)size - digits - 2, err);
		p += size;
		len -= (size_t)size;
	}
	return rc;
}

/* All headers before the last block. */
static int read_extensions(struct more *m, const uint8_t *p, size_t len, struct err *err)
{
	int rc = 0;

	while (len > TAR_BLOCK_SIZE && !rc) {
		const struct tar_block *b = (const void *)p;
		size_t whole;
		int64_t size;

		if (!tar_number_field(b->size, sizeof(b->size), &size) || size < 0 ||
		    (uint64_t)size > len - TAR_BLOCK_SIZE)
			return err_set(err, ERR_INVALID, "an extension header is cut");
		whole = TAR_BLOCK_SIZE + (size_t)size + tar_write_padding((uint64_t)size);
		if (whole > len - TAR_BLOCK_SIZE)
			return err_set(err, ERR_INVALID, "an extension header is cut");
		if (b->type == 'g')
			m->why = "a global header";
		else if (b->type == 'x')
			rc = read_records(m, (const char *)p + TAR_BLOCK_SIZE,
					  (size_t)size, err);
		p += whole;
		len -= whole;
	}
	return rc;
}

/* ---- the header ---- */

static void field_time(struct stamp *s, const char *field)
{
	if (!s->given && *field)
		s->given = tar_number_field(field, 12, &s->seconds);
}

static void field_owner(struct text *t, const char *field, size_t cap)
{
	if (!t->bytes)
		*t = (struct text){field, strnlen(field, cap)};
}

static void read_header(struct more *m, const struct tar_block *b)
{
	enum tar_dialect dialect = TAR_V7;

	if (!tar_number_field(b->mode, sizeof(b->mode), &m->mode) ||
	    !tar_number_field(b->size, sizeof(b->size), &m->size) ||
	    !tar_block_dialect(b, &dialect))
		m->why = "a header that is read in several ways";
	if (dialect == TAR_V7)
		return;
	if (!tar_number_field(b->devmajor, sizeof(b->devmajor), &m->devmajor) ||
	    !tar_number_field(b->devminor, sizeof(b->devminor), &m->devminor))
		m->why = "a header that is read in several ways";
	field_owner(&m->user, b->uname, sizeof(b->uname));
	field_owner(&m->group, b->gname, sizeof(b->gname));
	if (dialect == TAR_GNU) {
		field_time(&m->access, b->gnu.times);
		field_time(&m->change, b->gnu.times + 12);
	} else if (memcmp(b->rest + STAR_MARK, "tar", 4) == 0) {
		field_time(&m->access, b->rest + STAR_TIMES);
		field_time(&m->change, b->rest + STAR_TIMES + 12);
	}
}

static const char *const type_names[] = {
	[TAR_FILE] = "reg",          [TAR_DIR] = "dir",   [TAR_SYMLINK] = "symlink",
	[TAR_HARDLINK] = "hardlink", [TAR_CHAR] = "char", [TAR_BLOCK] = "block",
	[TAR_FIFO] = "fifo",
};

/* Forms that Go's reader refuses, or takes for something else. */
static const char *misfit(const struct tar_raw_entry *e, const struct more *m)
{
	if (m->why)
		return m->why;
	if (e->sparse)
		return "a sparse file";
	if (!memchr("01234567", e->typeflag, 7) && e->typeflag)
		return "an entry of a rare kind";
	if (e->type == TAR_DIR && e->typeflag == '0')
		return "a directory in the old spelling";
	if (e->type != TAR_FILE && m->size)
		return "an entry with a size and no content";
	return NULL;
}

/* ---- the entry ---- */

/* RFC 3339 as Go writes it. False: a year that cannot be written so. */
static bool put_time(json_t *o, const char *key, const struct stamp *s)
{
	time_t seconds = s->seconds;
	char text[64], fraction[16] = "";
	struct tm tm;

	if (!s->given)
		return true;
	if (!gmtime_r(&seconds, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099)
		return false;
	if (s->nsec) {
		size_t len =
			(size_t)snprintf(fraction, sizeof(fraction), ".%09u", s->nsec);

		while (fraction[len - 1] == '0')
			fraction[--len] = '\0';
	}
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d%sZ",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		 tm.tm_sec, fraction);
	json_object_set_new(o, key, json_string(text));
	return true;
}

static void put_number(json_t *o, const char *key, int64_t v)
{
	if (v)
		json_object_set_new(o, key, json_integer(v));
}

static bool put_text(json_t *o, const char *key, const char *text, size_t len)
{
	return json_object_set_new(o, key, json_stringn(text, len)) == 0;
}

static const char *fill_owner(json_t *o, const struct tar_raw_entry *e,
			      const struct more *m)
{
	json_object_set_new(o, "mode", json_integer(m->mode));
	json_object_set_new(o, "uid", json_integer(e->uid));
	json_object_set_new(o, "gid", json_integer(e->gid));
	if ((m->user.len && !put_text(o, "userName", m->user.bytes, m->user.len)) ||
	    (m->group.len && !put_text(o, "groupName", m->group.bytes, m->group.len)))
		return "a name that is no UTF-8";
	return NULL;
}

static const char *fill(json_t *o, const struct tar_raw_entry *e, const struct more *m,
			enum toc_form form)
{
	const struct stamp modified = {true, e->mtime, e->mtime_nsec};

	json_object_set_new(o, "type", json_string(type_names[e->type]));
	if (!put_text(o, "name", e->path, e->path_len) ||
	    (e->link_len && !put_text(o, "linkName", e->link, e->link_len)))
		return "a name that is no UTF-8";
	put_number(o, "size", e->type == TAR_FILE ? (int64_t)e->size : 0);
	if (!put_time(o, "modtime", &modified))
		return "a time that cannot be written";
	if (form == TOC_ZSTD_CHUNKED) {
		put_number(o, "mode", m->mode);
		put_number(o, "uid", e->uid);
		put_number(o, "gid", e->gid);
		if (!put_time(o, "accesstime", &m->access) ||
		    !put_time(o, "changetime", &m->change))
			return "a time that cannot be written";
	}
	put_number(o, "devMajor", m->devmajor);
	put_number(o, "devMinor", m->devminor);
	if (m->xattrs)
		json_object_set(o, "xattrs", m->xattrs);
	return form == TOC_STARGZ ? fill_owner(o, e, m) : NULL;
}

int toc_entry_make(const struct tar_raw_entry *e, const uint8_t *header, size_t len,
		   enum toc_form form, json_t **ret, const char **ret_why,
		   struct err *err)
{
	struct more m = {0};
	json_t *o = NULL;
	int rc = 0;

	*ret = NULL;
	*ret_why = e->sparse ? "a sparse file" : NULL;
	if (*ret_why)
		return 0;
	if (len < TAR_BLOCK_SIZE)
		return err_set(err, ERR_INVALID, "a header is cut");
	rc = read_extensions(&m, header, len, err);
	if (!rc) {
		read_header(&m, (const void *)(header + len - TAR_BLOCK_SIZE));
		*ret_why = misfit(e, &m);
	}
	if (!rc && !*ret_why) {
		o = json_object();
		*ret_why = fill(o, e, &m, form);
	}
	json_decref(m.xattrs);
	if (!rc && !*ret_why)
		*ret = o;
	else
		json_decref(o);
	return rc;
}

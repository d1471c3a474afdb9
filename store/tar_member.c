/* SPDX-License-Identifier: Apache-2.0
 * Brings the header blocks of an entry together, strictly. */
#include "store/tar_member.h"

#include <string.h>

#include "store/tar_number.h"

#define OCTAL_SIZE_MAX 077777777777u /* a larger size does not fit into a header */

#define EXTENSIONS_MAX 16u /* libarchive, too, counts how many stand in a row */

void tar_member_init(struct tar_member *m)
{
	*m = (struct tar_member){.extensions = 0};
	tar_sparse_init(&m->sparse);
	buf_init(&m->records, TAR_MEMBER_BODY_MAX);
	buf_init(&m->defaults, TAR_MEMBER_BODY_MAX);
	buf_init(&m->long_name, TAR_MEMBER_BODY_MAX + 1); /* and a NUL */
	buf_init(&m->long_link, TAR_MEMBER_BODY_MAX + 1);
}

void tar_member_release(struct tar_member *m)
{
	tar_sparse_release(&m->sparse);
	buf_release(&m->records);
	buf_release(&m->defaults);
	buf_release(&m->long_name);
	buf_release(&m->long_link);
}

void tar_member_clear(struct tar_member *m)
{
	m->pax = m->global;
	tar_sparse_clear(&m->sparse);
	buf_clear(&m->records);
	buf_clear(&m->long_name);
	buf_clear(&m->long_link);
	m->extensions = 0;
}

static int contradicts(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "its headers contradict each other: %s", what);
}

/* ---- extensions ---- */

bool tar_member_is_open(const struct tar_member *m)
{
	return m->records.len > 0 || m->long_name.len > 0 || m->long_link.len > 0;
}

int tar_member_extend(struct tar_member *m, char type, struct buf **ret, struct err *err)
{
	struct buf *body = type == 'x'   ? &m->records
			   : type == 'L' ? &m->long_name
			   : type == 'K' ? &m->long_link
					 : &m->defaults;

	if (type == 'g')
		buf_clear(body);
	if (body->len > 0 || (type == 'g' && tar_member_is_open(m)))
		return err_set(err, ERR_INVALID,
			       "an extension header '%c' is followed by another one",
			       type);
	if (++m->extensions > EXTENSIONS_MAX)
		return err_set(err, ERR_LIMIT, "more than %u extension headers in a row",
			       EXTENSIONS_MAX);
	*ret = body;
	return 0;
}

/* A long name ends at its NUL; behind it there may be only more of them. */
static int long_name_check(struct buf *b, struct err *err)
{
	const uint8_t *nul = memchr(b->data, '\0', b->len);
	size_t len = nul ? (size_t)(nul - b->data) : b->len;

	for (size_t i = len; i < b->len; i++)
		if (b->data[i] != '\0')
			return err_set(err, ERR_INVALID, "a name has a NUL byte in it");
	if (len == 0)
		return err_set(err, ERR_INVALID, "a long name is empty");
	b->len = len;
	if (buf_reserve(b, 1, err) < 0)
		return -ERR_NOMEM;
	b->data[len] = '\0';
	return 0;
}

/* Ends a text of the x header where its newline stood. */
static void terminate(struct tar_member *m, struct tar_text t)
{
	if (t.p)
		m->records
			.data[(const uint8_t *)t.p - m->records.data + (ptrdiff_t)t.len] =
			0;
}

int tar_member_extended(struct tar_member *m, char type, size_t record_max,
			struct err *err)
{
	int r;

	switch (type) {
	case 'x':
		r = tar_pax_parse(m->records.data, m->records.len, record_max, &m->pax,
				  &m->sparse, err);
		terminate(m, m->pax.path);
		terminate(m, m->pax.link);
		terminate(m, m->pax.sparse_name);
		return r;
	case 'g':
		r = tar_pax_parse_global(m->defaults.data, m->defaults.len, record_max,
					 &m->global, err);
		m->pax = m->global;
		return r;
	case 'L':
		return long_name_check(&m->long_name, err);
	default:
		return long_name_check(&m->long_link, err);
	}
}

/* ---- the header ---- */

static int set_type(struct tar_member *m, const struct tar_block *b, struct err *err)
{
	static const struct {
		char flag;
		enum tar_type type;
	} types[] = {
		{'0', TAR_FILE},     {'\0', TAR_FILE}, {'7', TAR_FILE},
		{'S', TAR_FILE},     {'5', TAR_DIR},   {'2', TAR_SYMLINK},
		{'1', TAR_HARDLINK}, {'3', TAR_CHAR},  {'4', TAR_BLOCK},
		{'6', TAR_FIFO},
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (types[i].flag == b->type) {
			m->entry.type = types[i].type;
			m->entry.typeflag = b->type;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID, "its type '%c' is not supported", b->type);
}

/* "prefix/name" of a ustar header, the bare name of the others. */
static size_t header_name(const struct tar_block *b, enum tar_dialect dialect, char *out)
{
	size_t len = 0, n = strnlen(b->name, sizeof(b->name));

	if (dialect == TAR_USTAR && b->prefix[0] != '\0') {
		len = strnlen(b->prefix, sizeof(b->prefix));
		memcpy(out, b->prefix, len);
		if (out[len - 1] != '/')
			out[len++] = '/';
	}
	memcpy(out + len, b->name, n);
	out[len + n] = '\0';
	return len + n;
}

static int set_path(struct tar_member *m, const struct tar_block *b,
		    enum tar_dialect dialect, struct err *err)
{
	struct tar_raw_entry *e = &m->entry;
	struct tar_text pax = m->pax.sparse_name.p ? m->pax.sparse_name : m->pax.path;

	if (m->long_name.len > 0 && pax.p)
		return contradicts(err, "two long names");
	if (m->long_name.len > 0)
		pax = (struct tar_text){(char *)m->long_name.data, m->long_name.len};
	e->path = pax.p ? pax.p : m->name;
	e->path_len = pax.p ? pax.len : header_name(b, dialect, m->name);
	return 0;
}

static int set_link(struct tar_member *m, const struct tar_block *b, struct err *err)
{
	struct tar_raw_entry *e = &m->entry;
	bool is_link = e->type == TAR_SYMLINK || e->type == TAR_HARDLINK;
	struct tar_text pax = m->pax.link;

	if (m->long_link.len > 0 && pax.p)
		return contradicts(err, "two link targets");
	if (m->long_link.len > 0)
		pax = (struct tar_text){(char *)m->long_link.data, m->long_link.len};
	if (!is_link && pax.p)
		return contradicts(err, "a link target without a link");
	if (is_link && !pax.p) {
		pax.p = m->link;
		pax.len = strnlen(b->link, sizeof(b->link));
		memcpy(m->link, b->link, pax.len);
		m->link[pax.len] = '\0';
	}
	if (is_link && pax.len == 0)
		return err_set(err, ERR_INVALID, "a link without a target");
	e->link = pax.p ? pax.p : "";
	e->link_len = pax.len;
	return 0;
}

static int set_owner(uint32_t *field, const char *text, size_t len, bool has_pax,
		     uint64_t pax, struct err *err)
{
	int64_t v;

	if (!tar_number_field(text, len, &v))
		return err_set(err, ERR_INVALID, "its owner is no number");
	if (has_pax)
		v = (int64_t)pax;
	if (v < 0 || v > UINT32_MAX)
		return err_set(err, ERR_INVALID, "its owner %lld has more than 32 bits",
			       (long long)v);
	*field = (uint32_t)v;
	return 0;
}

static int set_attributes(struct tar_member *m, const struct tar_block *b,
			  struct err *err)
{
	struct tar_raw_entry *e = &m->entry;
	int64_t mode;
	int r;

	if (!tar_number_field(b->mode, sizeof(b->mode), &mode))
		return err_set(err, ERR_INVALID, "its mode is no number");
	e->mode = (uint32_t)mode & 07777;
	if (!tar_number_field(b->mtime, sizeof(b->mtime), &e->mtime))
		return err_set(err, ERR_INVALID, "its time is no number");
	e->mtime_nsec = 0;
	if (m->pax.has_mtime) {
		e->mtime = m->pax.mtime;
		e->mtime_nsec = m->pax.mtime_nsec;
	}
	r = set_owner(&e->uid, b->uid, sizeof(b->uid), m->pax.has_uid, m->pax.uid, err);
	if (r == 0)
		r = set_owner(&e->gid, b->gid, sizeof(b->gid), m->pax.has_gid, m->pax.gid,
			      err);
	return r;
}

/* The stored size. Where a reader that ignores PAX could see another one, it is refused;
 * sizes beyond a header's field are the reason why PAX has them. */
static int set_size(struct tar_member *m, const struct tar_block *b, struct err *err)
{
	struct tar_raw_entry *e = &m->entry;
	bool has_content = e->type == TAR_FILE || e->type == TAR_HARDLINK;
	int64_t size;

	if (!tar_number_field(b->size, sizeof(b->size), &size) || size < 0)
		return err_set(err, ERR_INVALID, "its size is no number");
	e->payload_size = has_content ? (uint64_t)size : 0;
	if (m->pax.has_size) {
		if (m->pax.size != (has_content ? (uint64_t)size : 0) &&
		    (!has_content || m->pax.size <= OCTAL_SIZE_MAX))
			return contradicts(err, "two sizes");
		e->payload_size = m->pax.size;
	}
	if (m->pax.has_star_size && m->pax.star_size != e->payload_size)
		return contradicts(err, "two sizes");
	e->size = e->type == TAR_FILE ? e->payload_size : 0;
	return 0;
}

/* A regular file whose name ends in a slash is how old tars spell directories. */
static int check_slash(struct tar_raw_entry *e, struct err *err)
{
	if (e->type != TAR_FILE || e->path_len == 0 || e->path[e->path_len - 1] != '/')
		return 0;
	if (e->payload_size > 0 || e->sparse)
		return contradicts(err, "a directory with content");
	e->type = TAR_DIR;
	return 0;
}

/* ---- sparse files ---- */

static int old_sparse(struct tar_member *m, const struct tar_block *b, struct err *err)
{
	struct tar_raw_entry *e = &m->entry;
	int64_t size;

	if (m->pax.sparse ||
	    !tar_number_field(b->gnu.realsize, sizeof(b->gnu.realsize), &size) ||
	    size < 0)
		return err_set(err, ERR_INVALID, "its sparse header is malformed");
	e->sparse = true;
	e->size = (uint64_t)size;
	m->blocks_follow = b->gnu.extended != 0;
	return tar_sparse_fields(&m->sparse, b->gnu.extents, ARRAY_LEN(b->gnu.extents),
				 m->blocks_follow, err);
}

static int set_sparse(struct tar_member *m, const struct tar_block *b,
		      enum tar_dialect dialect, struct err *err)
{
	struct tar_raw_entry *e = &m->entry;

	if (b->type == 'S' && dialect == TAR_GNU)
		return old_sparse(m, b, err);
	/* Some readers look at these whatever the type is. */
	if (b->type == 'S' ||
	    (dialect == TAR_GNU &&
	     (b->gnu.realsize[0] || b->gnu.extents[0].off[0] || b->gnu.extended)))
		return contradicts(err, "sparse or not");
	if (!m->pax.sparse)
		return 0;
	if (b->type != '0')
		return contradicts(err, "sparse or not");
	e->sparse = true;
	e->size = m->pax.sparse_size;
	m->map_follows = m->pax.has_major;
	return 0;
}

int tar_member_header(struct tar_member *m, const struct tar_block *b, struct err *err)
{
	enum tar_dialect dialect;
	int r;

	m->entry = (struct tar_raw_entry){.sparse = false};
	m->map_follows = m->blocks_follow = false;
	if (!tar_block_dialect(b, &dialect))
		return err_set(err, ERR_INVALID, "its dialect of tar is unknown");
	r = set_type(m, b, err);
	if (r == 0)
		r = set_path(m, b, dialect, err);
	if (r == 0)
		r = set_link(m, b, err);
	if (r == 0)
		r = set_attributes(m, b, err);
	if (r == 0)
		r = set_size(m, b, err);
	if (r == 0)
		r = set_sparse(m, b, dialect, err);
	return r < 0 ? r : check_slash(&m->entry, err);
}

int tar_member_block(struct tar_member *m, const void *block, struct err *err)
{
	const struct tar_extension *x = block;

	m->blocks_follow = x->extended != 0;
	return tar_sparse_fields(&m->sparse, x->extents, ARRAY_LEN(x->extents),
				 m->blocks_follow, err);
}

int tar_member_mapped(struct tar_member *m, struct err *err)
{
	struct tar_raw_entry *e = &m->entry;

	if (!tar_sparse_fits(&m->sparse, e->size, e->payload_size - e->map_size))
		return contradicts(err, "the sparse map and the size");
	e->extents = tar_sparse_extents(&m->sparse, &e->extent_count);
	return 0;
}

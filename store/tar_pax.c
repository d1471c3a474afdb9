/* SPDX-License-Identifier: Apache-2.0
 * Parses PAX records: "LENGTH KEY=VALUE\n". */
#include "store/tar_pax.h"

#include <string.h>

#include "store/tar_number.h"

/* Where libarchive stops, without an error that one could see. */
#define RECORD_MAX 999999u
/* An ACL as text: its entries are a linked list in libarchive, searched for each entry. */
#define ACL_MAX (16u << 10)

struct reader {
	struct tar_pax *pax;
	struct tar_sparse *map; /* NULL: a global header */
	size_t record_max;
	unsigned seen; /* bits: row of the table that may stand only once */
};

typedef int set_fn(struct reader *r, struct tar_text v, struct err *err);

static int malformed(struct err *err)
{
	return err_set(err, ERR_INVALID, "a PAX record is malformed");
}

static int set_text(struct tar_text *field, struct tar_text v, struct err *err)
{
	if (memchr(v.p, '\0', v.len))
		return err_set(err, ERR_INVALID, "a name has a NUL byte in it");
	if (v.len > 0)
		*field = v;
	return 0;
}

static int set_path(struct reader *r, struct tar_text v, struct err *err)
{
	return set_text(&r->pax->path, v, err);
}

static int set_link(struct reader *r, struct tar_text v, struct err *err)
{
	return set_text(&r->pax->link, v, err);
}

static int set_sparse_name(struct reader *r, struct tar_text v, struct err *err)
{
	return set_text(&r->pax->sparse_name, v, err);
}

static int set_number(uint64_t *field, bool *has, struct tar_text v, struct err *err)
{
	if (!tar_number_decimal(v.p, v.len, field))
		return malformed(err);
	*has = true;
	return 0;
}

static int set_size(struct reader *r, struct tar_text v, struct err *err)
{
	return set_number(&r->pax->size, &r->pax->has_size, v, err);
}

static int set_star_size(struct reader *r, struct tar_text v, struct err *err)
{
	return set_number(&r->pax->star_size, &r->pax->has_star_size, v, err);
}

/* An empty value takes a global default back. */
static int set_uid(struct reader *r, struct tar_text v, struct err *err)
{
	r->pax->has_uid = false;
	return v.len == 0 ? 0 : set_number(&r->pax->uid, &r->pax->has_uid, v, err);
}

static int set_gid(struct reader *r, struct tar_text v, struct err *err)
{
	r->pax->has_gid = false;
	return v.len == 0 ? 0 : set_number(&r->pax->gid, &r->pax->has_gid, v, err);
}

static int set_mtime(struct reader *r, struct tar_text v, struct err *err)
{
	struct tar_pax *pax = r->pax;

	pax->has_mtime = v.len > 0;
	if (v.len > 0 && !tar_number_time(v.p, v.len, &pax->mtime, &pax->mtime_nsec))
		return malformed(err);
	return 0;
}

static int set_major(struct reader *r, struct tar_text v, struct err *err)
{
	r->pax->sparse = true;
	return set_number(&r->pax->major, &r->pax->has_major, v, err);
}

static int set_minor(struct reader *r, struct tar_text v, struct err *err)
{
	r->pax->sparse = true;
	return set_number(&r->pax->minor, &r->pax->has_minor, v, err);
}

/* GNU.sparse.size and .realsize are the same thing in different versions. */
static int set_sparse_size(struct reader *r, struct tar_text v, struct err *err)
{
	r->pax->sparse = true;
	if (r->pax->has_sparse_size)
		return malformed(err);
	return set_number(&r->pax->sparse_size, &r->pax->has_sparse_size, v, err);
}

static int set_blocks(struct reader *r, struct tar_text v, struct err *err)
{
	r->pax->sparse = true;
	return set_number(&r->pax->blocks, &r->pax->has_blocks, v, err);
}

/* 0.0: pairs of records, after the number of pairs. */
static int set_offset(struct reader *r, struct tar_text v, struct err *err)
{
	if (!r->pax->has_blocks || r->pax->has_offset || r->pax->has_map)
		return malformed(err);
	return set_number(&r->pax->offset, &r->pax->has_offset, v, err);
}

static int set_bytes(struct reader *r, struct tar_text v, struct err *err)
{
	uint64_t len;

	if (!r->pax->has_offset || !tar_number_decimal(v.p, v.len, &len))
		return malformed(err);
	r->pax->has_offset = false;
	return tar_sparse_add(r->map, r->pax->offset, len, err);
}

static int set_map(struct reader *r, struct tar_text v, struct err *err)
{
	if (r->map->given > 0)
		return malformed(err);
	r->pax->has_map = true;
	return tar_sparse_list(r->map, v.p, v.len, err);
}

static int refuse(struct reader *r, struct tar_text v, struct err *err)
{
	(void)r;
	(void)v;
	return err_set(err, ERR_INVALID,
		       "a PAX record changes what follows in a way that "
		       "is not supported");
}

static int check_acl(struct reader *r, struct tar_text v, struct err *err)
{
	(void)r;
	if (v.len > ACL_MAX)
		return err_set(err, ERR_LIMIT, "an ACL is longer than %u bytes", ACL_MAX);
	return 0;
}

static const struct key {
	const char *name;
	set_fn *set;
	bool once;
	bool global; /* has a meaning in a g header, where the others are refused */
} keys[] = {
	{"path", set_path, true, false},
	{"linkpath", set_link, true, false},
	{"size", set_size, true, false},
	{"mtime", set_mtime, false, true},
	{"uid", set_uid, false, true},
	{"gid", set_gid, false, true},
	{"SCHILY.realsize", set_star_size, true, false},
	{"SCHILY.acl.access", check_acl, true, true},
	{"SCHILY.acl.default", check_acl, true, true},
	{"SCHILY.acl.ace", check_acl, true, true},
	{"SUN.holesdata", refuse, false, false},
	{"GNU.sparse.name", set_sparse_name, true, false},
	{"GNU.sparse.major", set_major, true, false},
	{"GNU.sparse.minor", set_minor, true, false},
	{"GNU.sparse.size", set_sparse_size, true, false},
	{"GNU.sparse.realsize", set_sparse_size, true, false},
	{"GNU.sparse.numblocks", set_blocks, true, false},
	{"GNU.sparse.offset", set_offset, false, false},
	{"GNU.sparse.numbytes", set_bytes, false, false},
	{"GNU.sparse.map", set_map, true, false},
};

static bool begins(struct tar_text key, const char *with)
{
	return key.len >= strlen(with) && memcmp(key.p, with, strlen(with)) == 0;
}

static int set(struct reader *r, struct tar_text key, struct tar_text value,
	       struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct key *k = &keys[i];

		if (key.len != strlen(k->name) || memcmp(key.p, k->name, key.len) != 0)
			continue;
		if (!r->map && !k->global)
			return err_set(err, ERR_INVALID, "a global PAX header sets '%s'",
				       k->name);
		if (k->once && r->seen & 1u << i)
			return err_set(err, ERR_INVALID, "a PAX header sets '%s' twice",
				       k->name);
		r->seen |= 1u << i;
		return k->set(r, value, err);
	}
	if (begins(key, "GNU.sparse.") || begins(key, "GNU.volume."))
		return refuse(r, value, err);
	return 0;
}

/* Takes "LENGTH KEY=VALUE\n" off the front. */
static int record(struct reader *r, struct cursor *c, struct err *err)
{
	const char *p = (const char *)c->p, *equals, *end;
	size_t len = 0, i;

	for (i = 0; i < c->left && p[i] >= '0' && p[i] <= '9'; i++) {
		len = len * 10 + (size_t)(p[i] - '0');
		if (len > RECORD_MAX || len > r->record_max)
			return err_set(err, ERR_LIMIT, "a PAX record is too long");
	}
	if (i == 0 || i == c->left || p[i] != ' ' || len > c->left || len < i + 4)
		return malformed(err);
	end = p + len - 1;
	p += i + 1;
	equals = memchr(p, '=', (size_t)(end - p));
	if (!equals || equals == p || *end != '\n' ||
	    memchr(p, '\0', (size_t)(equals - p)))
		return malformed(err);
	c->p += len;
	c->left -= len;
	return set(r, (struct tar_text){p, (size_t)(equals - p)},
		   (struct tar_text){equals + 1, (size_t)(end - equals - 1)}, err);
}

static int parse(struct reader *r, const void *bytes, size_t len, struct err *err)
{
	struct cursor c = {bytes, len};
	int result = 0;

	if (len == 0)
		return malformed(err);
	while (result == 0 && c.left > 0)
		result = record(r, &c, err);
	return result;
}

/* PAX 1.0 says so itself. */
static bool is_version_1(const struct tar_pax *pax)
{
	return pax->has_major && pax->major == 1 && pax->has_minor && pax->minor == 0;
}

/* Which of the three versions? None may be mixed with another. */
static int check_sparse(const struct tar_pax *pax, const struct tar_sparse *map,
			struct err *err)
{
	bool listed = pax->has_map || map->given > 0;

	if (!pax->sparse)
		return pax->sparse_name.p ? malformed(err) : 0;
	if (!pax->has_sparse_size || pax->has_offset)
		return malformed(err);
	if ((pax->has_major || pax->has_minor) && (!is_version_1(pax) || listed))
		return err_set(err, ERR_INVALID, "its sparse format is unknown");
	if (!pax->has_major && (!pax->has_blocks || pax->blocks != map->given))
		return malformed(err);
	return 0;
}

int tar_pax_parse(const void *bytes, size_t len, size_t record_max, struct tar_pax *pax,
		  struct tar_sparse *map, struct err *err)
{
	struct reader r = {pax, map, record_max, 0};
	int result = parse(&r, bytes, len, err);

	return result < 0 ? result : check_sparse(pax, map, err);
}

int tar_pax_parse_global(const void *bytes, size_t len, size_t record_max,
			 struct tar_pax *pax, struct err *err)
{
	struct reader r = {pax, NULL, record_max, 0};

	return parse(&r, bytes, len, err);
}

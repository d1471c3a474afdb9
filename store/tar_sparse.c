/* SPDX-License-Identifier: Apache-2.0
 * Reads the forms of sparse maps. */
#include "store/tar_sparse.h"

#include <string.h>

#include "store/tar_number.h"

/* Extents of one file. GNU tar makes that many only of a file in ruins; a reader needs
 * memory for every one of them. */
#define EXTENTS_MAX (1u << 18)

void tar_sparse_init(struct tar_sparse *s)
{
	*s = (struct tar_sparse){.given = 0};
	buf_init(&s->extents, EXTENTS_MAX * sizeof(struct tar_extent));
}

void tar_sparse_release(struct tar_sparse *s)
{
	buf_release(&s->extents);
}

void tar_sparse_clear(struct tar_sparse *s)
{
	struct buf extents = s->extents;

	*s = (struct tar_sparse){.extents = extents};
	buf_clear(&s->extents);
}

static int malformed(struct err *err)
{
	return err_set(err, ERR_INVALID, "its sparse map is malformed");
}

int tar_sparse_add(struct tar_sparse *s, uint64_t off, uint64_t len, struct err *err)
{
	struct tar_extent e = {off, len}, *last = NULL;

	if (++s->given > EXTENTS_MAX)
		return err_set(err, ERR_LIMIT, "its sparse map has more than %u extents",
			       EXTENTS_MAX);
	if (off < s->end || off > INT64_MAX || len > INT64_MAX - off)
		return malformed(err);
	s->stored += len;
	s->end = off + len;
	if (len == 0)
		return 0;
	if (s->extents.len > 0)
		last = (struct tar_extent *)(void *)(s->extents.data + s->extents.len) -
		       1;
	if (last && last->off + last->len == off) {
		last->len += len;
		return 0;
	}
	return buf_append(&s->extents, &e, sizeof(e), err);
}

int tar_sparse_fields(struct tar_sparse *s, const struct tar_extent_field *f,
		      size_t count, bool extended, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count && f[i].off[0] != '\0'; i++) {
		int64_t off, len;

		if (f[i].len[0] == '\0' ||
		    !tar_number_field(f[i].off, sizeof(f[i].off), &off) ||
		    !tar_number_field(f[i].len, sizeof(f[i].len), &len) || off < 0 ||
		    len < 0)
			return malformed(err);
		r = tar_sparse_add(s, (uint64_t)off, (uint64_t)len, err);
	}
	if (r == 0 && extended && i < count)
		return malformed(err);
	return r;
}

static bool list_number(const char **p, const char *end, uint64_t *ret)
{
	size_t len = (size_t)(end - *p);
	const char *comma = memchr(*p, ',', len);

	if (!tar_number_decimal(*p, comma ? (size_t)(comma - *p) : len, ret))
		return false;
	*p = comma ? comma + 1 : NULL;
	return true;
}

int tar_sparse_list(struct tar_sparse *s, const char *text, size_t len, struct err *err)
{
	const char *p = text, *end = text + len;
	uint64_t off, n;

	while (p) {
		int r;

		if (!list_number(&p, end, &off) || !p || !list_number(&p, end, &n))
			return malformed(err);
		r = tar_sparse_add(s, off, n, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A number of the text is complete: the count, an offset or a length. */
static int text_number(struct tar_sparse *s, struct err *err)
{
	uint64_t v = s->number;

	s->number = 0;
	s->digits = 0;
	s->numbers++;
	if (s->numbers == 1 && v > EXTENTS_MAX)
		return err_set(err, ERR_LIMIT, "its sparse map has more than %u extents",
			       EXTENTS_MAX);
	if (s->numbers == 1)
		s->count = v;
	else if (s->numbers % 2 == 0)
		s->off = v;
	else
		return tar_sparse_add(s, s->off, v, err);
	return 0;
}

int tar_sparse_text(struct tar_sparse *s, const uint8_t *data, size_t len,
		    size_t *ret_used, bool *ret_done, struct err *err)
{
	bool done = false;
	size_t i = 0;

	while (i < len && !done) {
		uint8_t c = data[i++];
		int r;

		if (c >= '0' && c <= '9' && s->digits < 19) {
			s->number = s->number * 10 + (c - '0');
			s->digits++;
			continue;
		}
		if (c != '\n' || s->digits == 0)
			return malformed(err);
		r = text_number(s, err);
		if (r < 0)
			return r;
		done = s->numbers == 1 + 2 * s->count;
	}
	s->text += i;
	*ret_used = i;
	*ret_done = done;
	return 0;
}

bool tar_sparse_fits(const struct tar_sparse *s, uint64_t size, uint64_t stored)
{
	return s->stored == stored && s->end <= size;
}

/* SPDX-License-Identifier: Apache-2.0
 * Reads the table of contents of an eStargz layer. */
#include "tools/chunked/stargz_toc.h"

#include <stdio.h>
#include <string.h>

#include "store/tar_write.h"
#include "tools/chunked/go_header.h"
#include "tools/chunked/stargz_tell.h"
#include "tools/chunked/toc_rows.h"

#define PIECES_MAX (1u << 16) /* of one stretch */

struct stargz_toc {
	struct toc_rows rows;
	uint64_t end;
	json_t *file; /* the row of the file whose chunks are read */
	uint64_t size, off;
	struct digest digest;
	struct stargz_tell tell;
	const char *why; /* a header of the stretch cannot be told */

	struct stargz_piece next; /* begins the next stretch, at ... */
	uint64_t next_at;         /* ... this offset; 0: there is none */
	bool at_end;

	struct stargz_stretch stretch;
	struct stargz_piece *pieces;
	size_t cap;
	struct buf framing;
};

/* ---- headers ---- */

/* Appends to the stretch what follows its last piece. */
static void grow(struct stargz_toc *t, size_t len)
{
	t->stretch.len += len;
	if (t->stretch.count)
		t->pieces[t->stretch.count - 1].framing += len;
}

static int add_header(struct stargz_toc *t, const struct go_header *h, struct err *err)
{
	size_t before = t->framing.len;
	int rc;

	if (t->stretch.header == UINT64_MAX && !stargz_tell_landmark(h->name))
		t->stretch.header = t->stretch.len;
	rc = go_header_append(&t->framing, h, err);
	if (rc == -ERR_INVALID) {
		t->framing.len = before;
		t->why = "headers that cannot be told";
		return 0;
	}
	if (rc)
		return rc;
	grow(t, t->framing.len - before);
	return 0;
}

/* ---- pieces ---- */

static int add_piece(struct stargz_toc *t, const struct stargz_piece *p, struct err *err)
{
	size_t count = t->stretch.count, padding = 0;
	int rc;

	if (count == PIECES_MAX)
		return err_set(err, ERR_LIMIT, "more than %u files in one piece",
			       PIECES_MAX);
	if (count == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;
		struct stargz_piece *pieces = reallocarray(t->pieces, cap, sizeof(*p));

		if (!pieces)
			return err_nomem(err);
		t->pieces = pieces;
		t->cap = cap;
	}
	t->pieces[count] = *p;
	t->stretch.count++;
	t->stretch.len += p->len;
	if (p->off + p->len == p->file_size)
		padding = tar_write_padding(p->file_size);
	rc = buf_append_zeros(&t->framing, padding, err);
	grow(t, padding);
	return rc;
}

/* The digest of KEY, or zero if there is none. */
static int optional_digest(const json_t *row, const char *key, struct digest *ret,
			   struct err *err)
{
	*ret = (struct digest){0};
	return json_object_get(row, key) ? toc_rows_digest(row, key, ret, err) : 0;
}

static int read_piece(struct stargz_toc *t, const json_t *row, struct stargz_piece *ret,
		      uint64_t *ret_at, uint64_t *ret_inner, struct err *err)
{
	struct stargz_piece p = {.file = t->digest, .file_size = t->size, .off = t->off};
	uint64_t said;
	int rc = toc_rows_number(row, "chunkOffset", &said, err);

	if (!rc && said != t->off)
		rc = toc_rows_bad(err, "chunks that leave gaps");
	if (!rc)
		rc = toc_rows_number(row, "chunkSize", &p.len, err);
	if (!rc)
		rc = toc_rows_number(row, "offset", ret_at, err);
	if (!rc)
		rc = toc_rows_number(row, "innerOffset", ret_inner, err);
	if (!rc)
		rc = optional_digest(row, "chunkDigest", &p.chunk, err);
	if (rc)
		return rc;
	if (!p.len)
		p.len = t->size - t->off;
	if (p.len > t->size - t->off)
		return toc_rows_bad(err, "a chunk that does not fit");
	if (p.len > STARGZ_PART_MAX)
		return err_set(err, ERR_LIMIT, "a chunk of more than %u bytes",
			       STARGZ_PART_MAX);
	*ret = p;
	return 0;
}

/* Where ROW says that the headers before its content begin. */
static int take_mark(struct stargz_toc *t, const json_t *row, struct err *err)
{
	struct stargz_stretch *s = &t->stretch;
	int rc;

	if (!json_object_get(row, "headersOffset"))
		return 0;
	rc = toc_rows_number(row, "headersOffset", &s->headers_at, err);
	if (rc)
		return rc;
	if (s->count > 1 || s->headers_at >= t->next_at ||
	    (s->count && s->headers_at <= s->at) || (!s->count && s->headers_at))
		return toc_rows_bad(err, "headers that are where they cannot be");
	s->untold = true;
	return 0;
}

/* The next chunk of the file, which ROW tells of. *ret_new: it begins another stretch. */
static int take_piece(struct stargz_toc *t, const json_t *row, bool *ret_new,
		      struct err *err)
{
	struct stargz_piece p;
	uint64_t at, inner;
	int rc = read_piece(t, row, &p, &at, &inner, err);

	if (rc)
		return rc;
	t->off += p.len;
	*ret_new = at > t->stretch.at;
	if (*ret_new && !inner && at < t->end) {
		t->next = p;
		t->next_at = at;
		return take_mark(t, row, err);
	}
	if (at != t->stretch.at || !t->stretch.count || inner != t->stretch.len)
		return toc_rows_bad(err, "chunks that overlap");
	return add_piece(t, &p, err);
}

/* ---- rows ---- */

static int take_entry(struct stargz_toc *t, bool gnu, bool *ret_new, struct err *err)
{
	struct go_header h;
	bool timed;
	int rc;

	json_decref(t->file);
	t->file = steal_ptr(&t->rows.next);
	rc = stargz_tell_row(&t->tell, t->file, gnu, &h, &timed, err);
	if (!rc)
		rc = toc_rows_next(&t->rows, err);
	if (!rc)
		rc = add_header(t, &h, err);
	if (!rc && !timed)
		t->why = "a time that no header has";
	t->size = h.size;
	t->off = 0;
	if (rc || !t->size)
		return rc;
	rc = optional_digest(t->file, "digest", &t->digest, err);
	return rc ?: take_piece(t, t->file, ret_new, err);
}

static int take_chunk(struct stargz_toc *t, bool *ret_new, struct err *err)
{
	const json_t *row = t->rows.next;
	int rc;

	if (!row || strcmp(toc_rows_text(row, "type"), "chunk") != 0 ||
	    strcmp(toc_rows_text(row, "name"), toc_rows_text(t->file, "name")) != 0)
		return toc_rows_bad(err, "a file whose end is missing");
	rc = take_piece(t, row, ret_new, err);
	return rc ?: toc_rows_next(&t->rows, err);
}

static int read_stretch(struct stargz_toc *t, bool gnu, struct err *err)
{
	bool new = false;
	int rc = 0;

	while (!rc && !new) {
		if (t->off < t->size)
			rc = take_chunk(t, &new, err);
		else if (t->rows.next)
			rc = take_entry(t, gnu, &new, err);
		else
			break;
	}
	return rc;
}

int stargz_toc_next(struct stargz_toc *t, bool gnu, const struct stargz_stretch **ret,
		    struct err *err)
{
	struct stargz_stretch *s = &t->stretch;
	int rc = 0;

	*ret = NULL;
	if (t->at_end)
		return 0;
	buf_clear(&t->framing);
	*s = (struct stargz_stretch){.at = t->next_at, .header = UINT64_MAX};
	if (t->next_at)
		rc = add_piece(t, &t->next, err);
	t->next_at = 0;
	t->why = NULL;
	if (!rc)
		rc = read_stretch(t, gnu, err);
	if (rc)
		return rc;
	if (t->why && !s->untold)
		return toc_rows_bad(err, t->why);
	t->at_end = s->last = !t->next_at;
	s->end = t->at_end ? t->end : t->next_at;
	if (s->end - s->at > STARGZ_PART_MAX)
		return err_set(err, ERR_LIMIT, "a chunk of more than %u bytes",
			       STARGZ_PART_MAX);
	if (s->header > s->len)
		s->header = s->len;
	s->pieces = t->pieces;
	s->framing = &t->framing;
	*ret = s;
	return 0;
}

/* ---- opening ---- */

void stargz_toc_close(struct stargz_toc *t)
{
	if (!t)
		return;
	toc_rows_release(&t->rows);
	json_decref(t->file);
	free(t->pieces);
	buf_release(&t->framing);
	free(t);
}

int stargz_toc_open(struct stream *in, uint64_t size, uint64_t end,
		    struct stargz_toc **ret, struct err *err)
{
	auto_stream struct stream *owned = in;
	auto_stargz_toc struct stargz_toc *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return err_nomem(err);
	t->end = end;
	buf_init(&t->framing, STARGZ_PART_MAX);
	rc = toc_rows_init(&t->rows, steal_ptr(&owned), size, err);
	if (!rc)
		*ret = steal_ptr(&t);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0
 * Reads the table of contents of an eStargz layer. */
#include "tools/chunked/stargz_toc.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/tar_write.h"
#include "tools/chunked/go_header.h"
#include "tools/chunked/stargz_owner.h"
#include "tools/chunked/toc_rows.h"

#define PIECES_MAX (1u << 16) /* of one stretch */

struct stargz_toc {
	struct toc_rows rows;
	uint64_t end;
	json_t *file; /* the row of the file whose chunks are read */
	uint64_t size, off;
	struct digest digest;
	struct stargz_owner users, groups;

	struct stargz_piece next; /* begins the next stretch, at ... */
	uint64_t next_at;         /* ... this offset; 0: there is none */
	bool at_end;

	struct stargz_stretch stretch;
	struct stargz_piece *pieces;
	size_t cap;
	struct buf framing;
};

/* ---- headers ---- */

/* "2023-11-14T22:13:20Z"; absent: 0. */
static int time_of(const json_t *row, uint64_t *ret, struct err *err)
{
	const char *text = toc_rows_text(row, "modtime");
	struct tm tm = {0};
	const char *end;
	time_t t;

	*ret = 0;
	if (!*text)
		return 0;
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	t = end && !*end ? timegm(&tm) : -1;
	if (t < 0)
		return toc_rows_bad(err, "a time that no header has");
	*ret = (uint64_t)t;
	return 0;
}

static int type_of(const json_t *row, char *ret, struct err *err)
{
	static const char *const types[] = {"reg",   "hardlink", "symlink", "char",
					    "block", "dir",      "fifo"};
	const char *type = toc_rows_text(row, "type");

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i], type) == 0) {
			*ret = (char)('0' + i);
			return 0;
		}
	}
	return toc_rows_bad(err, "an entry of an unknown kind");
}

/* A file that the producer added. */
static bool is_landmark(const char *name)
{
	return strcmp(name, ".prefetch.landmark") == 0 ||
	       strcmp(name, ".no.prefetch.landmark") == 0;
}

static int owners(struct stargz_toc *t, const json_t *row, struct go_header *h,
		  struct err *err)
{
	int rc;

	h->user = h->group = "";
	if (is_landmark(h->name))
		return 0;
	rc = stargz_owner_name(&t->users, h->uid, toc_rows_text(row, "userName"),
			       &h->user, err);
	return rc
		       ?: stargz_owner_name(&t->groups, h->gid,
					    toc_rows_text(row, "groupName"), &h->group,
					    err);
}

static int read_header(struct stargz_toc *t, const json_t *row, bool gnu,
		       struct go_header *ret, struct err *err)
{
	const struct {
		const char *key;
		uint64_t *value;
	} numbers[] = {{"mode", &ret->mode},      {"uid", &ret->uid},
		       {"gid", &ret->gid},        {"size", &ret->size},
		       {"devMajor", &ret->major}, {"devMinor", &ret->minor}};
	const json_t *xattrs = json_object_get(row, "xattrs");
	int rc;

	*ret = (struct go_header){.name = toc_rows_text(row, "name"),
				  .link = toc_rows_text(row, "linkName"),
				  .xattrs = xattrs};
	ret->gnu = gnu && !is_landmark(ret->name);
	rc = type_of(row, &ret->type, err);
	for (size_t i = 0; i < ARRAY_LEN(numbers) && !rc; i++)
		rc = toc_rows_number(row, numbers[i].key, numbers[i].value, err);
	if (!rc)
		rc = time_of(row, &ret->time, err);
	if (!rc)
		rc = owners(t, row, ret, err);
	if (!rc && ret->size && ret->type != '0')
		rc = toc_rows_bad(err, "content of what is no file");
	return rc;
}

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
	int rc = go_header_append(&t->framing, h, err);

	if (rc)
		return rc;
	if (t->stretch.header == UINT64_MAX && !is_landmark(h->name))
		t->stretch.header = t->stretch.len;
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
		return 0;
	}
	if (at != t->stretch.at || !t->stretch.count || inner != t->stretch.len)
		return toc_rows_bad(err, "chunks that overlap");
	return add_piece(t, &p, err);
}

/* ---- rows ---- */

static int take_entry(struct stargz_toc *t, bool gnu, bool *ret_new, struct err *err)
{
	struct go_header h;
	int rc;

	json_decref(t->file);
	t->file = steal_ptr(&t->rows.next);
	rc = read_header(t, t->file, gnu, &h, err);
	if (!rc)
		rc = toc_rows_next(&t->rows, err);
	if (!rc)
		rc = add_header(t, &h, err);
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
	if (!rc)
		rc = read_stretch(t, gnu, err);
	if (rc)
		return rc;
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

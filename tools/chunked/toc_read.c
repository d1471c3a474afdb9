/* SPDX-License-Identifier: Apache-2.0
 * Reads the table of contents of a zstd:chunked layer. */
#include "tools/chunked/toc_read.h"

#include <string.h>

#include "store/inflate.h"
#include "tools/chunked/toc_rows.h"

#define CHUNKS_MAX (1u << 20) /* of one file */

struct toc_read {
	struct toc_rows rows;
	uint64_t blob_size;
	uint64_t at; /* no later chunk lies before this */
	json_t *row; /* of `entry` */
	struct toc_entry entry;
	struct toc_chunk *chunks;
	size_t cap;
};

/* ---- chunks ---- */

static int new_chunk(struct toc_read *r, struct toc_chunk **ret, struct err *err)
{
	size_t count = r->entry.count;

	if (count == CHUNKS_MAX)
		return err_set(err, ERR_LIMIT, "a file of more than %u chunks",
			       CHUNKS_MAX);
	if (count == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 64;
		struct toc_chunk *chunks = reallocarray(r->chunks, cap, sizeof(*chunks));

		if (!chunks)
			return err_nomem(err);
		r->chunks = chunks;
		r->cap = cap;
	}
	*ret = &r->chunks[count];
	**ret = (struct toc_chunk){0};
	r->entry.chunks = r->chunks;
	r->entry.count = count + 1;
	return 0;
}

/* A chunk out of ROW that begins at OFF of the file; its end is not known yet. */
static int add_chunk(struct toc_read *r, const json_t *row, uint64_t off, struct err *err)
{
	const char *type = toc_rows_text(row, "chunkType");
	bool only = !json_object_get(row, "chunkDigest");
	struct toc_chunk *c = NULL;
	uint64_t said;
	int rc = new_chunk(r, &c, err);

	if (!rc)
		rc = toc_rows_number(row, "chunkOffset", &said, err);
	if (!rc && said != off)
		rc = toc_rows_bad(err, "chunks that leave gaps");
	if (!rc)
		rc = toc_rows_number(row, "chunkSize", &c->len, err);
	if (!rc)
		rc = toc_rows_number(row, "offset", &c->at, err);
	if (rc)
		return rc;
	if (!c->len && off < r->entry.size)
		c->len = r->entry.size - off;
	if (!c->len || c->len > r->entry.size - off)
		return toc_rows_bad(err, "a chunk that does not fit");
	c->zeros = strcmp(type, "zeros") == 0;
	if (*type && !c->zeros)
		return toc_rows_bad(err, "a chunk of an unknown kind");
	if (c->zeros)
		return 0;
	if (only && c->len == r->entry.size) {
		c->digest = r->entry.digest;
		return 0;
	}
	return toc_rows_digest(row, "chunkDigest", &c->digest, err);
}

/* Every chunk ends where the next one begins, the last one where the file does. */
static int place_chunks(struct toc_read *r, uint64_t end, struct err *err)
{
	for (size_t i = 0; i < r->entry.count; i++) {
		struct toc_chunk *c = &r->chunks[i];

		c->end = i + 1 < r->entry.count ? c[1].at : end;
		if (c->at < r->at || c->end < c->at || c->end > r->blob_size)
			return toc_rows_bad(err, "chunks that overlap");
		r->at = c->end;
		if (c->zeros)
			continue;
		if (c->end == c->at)
			return toc_rows_bad(err, "an empty chunk");
		if (c->len > TOC_CHUNK_MAX || c->end - c->at > TOC_CHUNK_MAX)
			return err_set(err, ERR_LIMIT, "a chunk of more than %u bytes",
				       TOC_CHUNK_MAX);
	}
	return 0;
}

/* The file of `row`, and the rows of its other chunks. */
static int read_file(struct toc_read *r, struct err *err)
{
	uint64_t end, off = 0;
	int rc = toc_rows_digest(r->row, "digest", &r->entry.digest, err);

	if (!rc)
		rc = toc_rows_number(r->row, "endOffset", &end, err);
	if (!rc)
		rc = add_chunk(r, r->row, 0, err);
	while (!rc) {
		off += r->chunks[r->entry.count - 1].len;
		if (off == r->entry.size)
			return place_chunks(r, end, err);
		if (!r->rows.next ||
		    strcmp(toc_rows_text(r->rows.next, "type"), "chunk") != 0 ||
		    strcmp(toc_rows_text(r->rows.next, "name"), r->entry.name) != 0)
			return toc_rows_bad(err, "a file whose end is missing");
		rc = add_chunk(r, r->rows.next, off, err);
		if (!rc)
			rc = toc_rows_next(&r->rows, err);
	}
	return rc;
}

/* ---- entries ---- */

static bool is_type(const char *type)
{
	static const char *const types[] = {"dir",  "symlink", "hardlink",
					    "char", "block",   "fifo"};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

int toc_read_next(struct toc_read *r, const struct toc_entry **ret, struct err *err)
{
	const char *type;
	int rc;

	*ret = NULL;
	json_decref(r->row);
	r->row = steal_ptr(&r->rows.next);
	if (!r->row)
		return 0;
	rc = toc_rows_next(&r->rows, err);
	if (rc)
		return rc;
	type = toc_rows_text(r->row, "type");
	r->entry = (struct toc_entry){.name = toc_rows_text(r->row, "name")};
	if (strcmp(type, "reg") == 0) {
		rc = toc_rows_number(r->row, "size", &r->entry.size, err);
		if (!rc && r->entry.size)
			rc = read_file(r, err);
	} else if (!is_type(type)) {
		rc = toc_rows_bad(err, "an entry of an unknown kind");
	}
	if (!rc)
		*ret = &r->entry;
	return rc;
}

const struct digest *toc_read_split(const struct toc_read *r)
{
	return &r->rows.split;
}

/* ---- opening ---- */

void toc_read_close(struct toc_read *r)
{
	if (!r)
		return;
	toc_rows_release(&r->rows);
	json_decref(r->row);
	free(r->chunks);
	free(r);
}

int toc_read_open(const void *packed, size_t len, uint64_t size, uint64_t blob_size,
		  struct toc_read **ret, struct err *err)
{
	auto_toc_read struct toc_read *r = calloc(1, sizeof(*r));
	enum inflate_kind kind;
	struct stream *in;
	int rc;

	if (!r)
		return err_nomem(err);
	r->blob_size = blob_size;
	rc = stream_from_bytes(packed, len, &in, err);
	if (!rc)
		rc = inflate_open(in, false, &kind, &in, err);
	if (rc)
		return rc;
	rc = toc_rows_init(&r->rows, in, size, err);
	if (!rc)
		*ret = steal_ptr(&r);
	return rc;
}

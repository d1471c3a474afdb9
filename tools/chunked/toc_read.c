/* SPDX-License-Identifier: Apache-2.0
 * Reads the table of contents of a zstd:chunked layer. */
#include "tools/chunked/toc_read.h"

#include <string.h>

#include "store/inflate.h"
#include "tools/oci/document.h"

#define CHUNKS_MAX (1u << 20) /* of one file */

struct toc_read {
	struct json_reader json;
	uint64_t blob_size;
	uint64_t at;  /* no later chunk lies before this */
	json_t *next; /* the row that was looked at already; NULL: the end */
	json_t *row;  /* of `entry` */
	struct toc_entry entry;
	struct toc_chunk *chunks;
	size_t cap;
	struct digest split;
	bool any; /* an element was read */
};

static int bad(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "a table of contents with %s", what);
}

/* ---- rows ---- */

/* The member of the document, all but the entries. */
static int read_member(struct toc_read *r, const char *key, struct err *err)
{
	auto_document json_t *value = NULL;
	const char *text;
	int rc = json_reader_value(&r->json, &value, err);

	if (rc)
		return rc;
	if (strcmp(key, "version") == 0 && json_integer_value(value) != 1)
		return bad(err, "an unknown version");
	if (strcmp(key, "entries") == 0)
		return bad(err, "two lists");
	text = json_string_value(value);
	if (strcmp(key, "tarSplitDigest") == 0 && text)
		return digest_parse(text, strlen(text), &r->split, err);
	return 0;
}

/* Reads members up to the list of entries, or the end of the document. */
static int read_members(struct toc_read *r, bool first, bool *ret_list, struct err *err)
{
	char c;
	int rc;

	*ret_list = false;
	for (;; first = false) {
		auto_document json_t *key = NULL;

		rc = json_reader_peek(&r->json, &c, err);
		if (!rc && c == '}')
			return json_reader_take(&r->json, '}', err);
		if (!rc && !first)
			rc = json_reader_take(&r->json, ',', err);
		if (!rc)
			rc = json_reader_value(&r->json, &key, err);
		if (!rc && !json_is_string(key))
			rc = bad(err, "a key that is no text");
		if (!rc)
			rc = json_reader_take(&r->json, ':', err);
		if (rc)
			return rc;
		if (!r->any && strcmp(json_string_value(key), "entries") == 0) {
			*ret_list = r->any = true;
			return json_reader_take(&r->json, '[', err);
		}
		rc = read_member(r, json_string_value(key), err);
		if (rc)
			return rc;
	}
}

/* Sets `next`. */
static int read_row(struct toc_read *r, bool first, struct err *err)
{
	bool list;
	char c;
	int rc = json_reader_peek(&r->json, &c, err);

	r->next = NULL;
	if (!rc && c != ']') {
		if (!first)
			rc = json_reader_take(&r->json, ',', err);
		if (!rc)
			rc = json_reader_value(&r->json, &r->next, err);
		if (!rc && !json_is_object(r->next))
			rc = bad(err, "an entry that is none");
		return rc;
	}
	if (!rc)
		rc = json_reader_take(&r->json, ']', err);
	if (!rc)
		rc = read_members(r, false, &list, err);
	if (!rc)
		rc = json_reader_peek(&r->json, &c, err);
	return !rc && c ? bad(err, "something behind it") : rc;
}

static const char *text_of(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key)) ?: "";
}

/* Absent: 0. */
static int number_of(const json_t *row, const char *key, uint64_t *ret, struct err *err)
{
	const json_t *value = json_object_get(row, key);

	*ret = 0;
	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return bad(err, "a bad number");
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int digest_of_row(const json_t *row, const char *key, struct digest *ret,
			 struct err *err)
{
	const char *text = text_of(row, key);

	return digest_parse(text, strlen(text), ret, err);
}

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
	const char *type = text_of(row, "chunkType");
	bool only = !json_object_get(row, "chunkDigest");
	struct toc_chunk *c = NULL;
	uint64_t said;
	int rc = new_chunk(r, &c, err);

	if (!rc)
		rc = number_of(row, "chunkOffset", &said, err);
	if (!rc && said != off)
		rc = bad(err, "chunks that leave gaps");
	if (!rc)
		rc = number_of(row, "chunkSize", &c->len, err);
	if (!rc)
		rc = number_of(row, "offset", &c->at, err);
	if (rc)
		return rc;
	if (!c->len && off < r->entry.size)
		c->len = r->entry.size - off;
	if (!c->len || c->len > r->entry.size - off)
		return bad(err, "a chunk that does not fit");
	c->zeros = strcmp(type, "zeros") == 0;
	if (*type && !c->zeros)
		return bad(err, "a chunk of an unknown kind");
	if (c->zeros)
		return 0;
	if (only && c->len == r->entry.size) {
		c->digest = r->entry.digest;
		return 0;
	}
	return digest_of_row(row, "chunkDigest", &c->digest, err);
}

/* Every chunk ends where the next one begins, the last one where the file does. */
static int place_chunks(struct toc_read *r, uint64_t end, struct err *err)
{
	for (size_t i = 0; i < r->entry.count; i++) {
		struct toc_chunk *c = &r->chunks[i];

		c->end = i + 1 < r->entry.count ? c[1].at : end;
		if (c->at < r->at || c->end < c->at || c->end > r->blob_size)
			return bad(err, "chunks that overlap");
		r->at = c->end;
		if (c->zeros)
			continue;
		if (c->end == c->at)
			return bad(err, "an empty chunk");
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
	int rc = digest_of_row(r->row, "digest", &r->entry.digest, err);

	if (!rc)
		rc = number_of(r->row, "endOffset", &end, err);
	if (!rc)
		rc = add_chunk(r, r->row, 0, err);
	while (!rc) {
		off += r->chunks[r->entry.count - 1].len;
		if (off == r->entry.size)
			return place_chunks(r, end, err);
		if (!r->next || strcmp(text_of(r->next, "type"), "chunk") != 0 ||
		    strcmp(text_of(r->next, "name"), r->entry.name) != 0)
			return bad(err, "a file whose end is missing");
		rc = add_chunk(r, r->next, off, err);
		json_decref(steal_ptr(&r->next));
		if (!rc)
			rc = read_row(r, false, err);
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
	r->row = steal_ptr(&r->next);
	if (!r->row)
		return 0;
	rc = read_row(r, false, err);
	if (rc)
		return rc;
	type = text_of(r->row, "type");
	r->entry = (struct toc_entry){.name = text_of(r->row, "name")};
	if (strcmp(type, "reg") == 0) {
		rc = number_of(r->row, "size", &r->entry.size, err);
		if (!rc && r->entry.size)
			rc = read_file(r, err);
	} else if (!is_type(type)) {
		rc = bad(err, "an entry of an unknown kind");
	}
	if (!rc)
		*ret = &r->entry;
	return rc;
}

const struct digest *toc_read_split(const struct toc_read *r)
{
	return &r->split;
}

/* ---- opening ---- */

void toc_read_close(struct toc_read *r)
{
	if (!r)
		return;
	json_reader_release(&r->json);
	json_decref(r->next);
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
	bool list = false;
	int rc;

	if (!r)
		return err_nomem(err);
	r->blob_size = blob_size;
	rc = stream_from_bytes(packed, len, &in, err);
	if (!rc)
		rc = inflate_open(in, false, &kind, &in, err);
	if (rc)
		return rc;
	json_reader_init(&r->json, in, size);
	rc = json_reader_take(&r->json, '{', err);
	if (!rc)
		rc = read_members(r, true, &list, err);
	if (!rc && !list)
		rc = bad(err, "no entries");
	if (!rc)
		rc = read_row(r, true, err);
	if (!rc)
		*ret = steal_ptr(&r);
	return rc;
}

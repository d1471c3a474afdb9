/* SPDX-License-Identifier: Apache-2.0
 * The end of an eStargz layer that is written. */
#include "tools/chunked/stargz_end.h"

#include <stdio.h>
#include <string.h>

#include "store/deflate.h"
#include "store/tar_write.h"
#include "tools/chunked/go_header.h"
#include "tools/chunked/stargz_footer.h"

#define MODE       0444u
#define LEVEL      6
#define END_BLOCKS 2

/* The entry as a stream: header, text, zeros. */
struct entry {
	struct stream base;
	struct stream *text; /* NULL: it is at its end */
	struct hasher *diff, *table;
	struct digest digest;
	struct buf header;
	size_t given; /* of the header */
	uint64_t zeros;
};

struct stargz_end {
	struct entry entry;
	uint64_t size;
	struct stream *member; /* NULL: it is at its end */
	uint8_t footer[STARGZ_FOOTER_MAX];
	size_t given; /* of the footer */
};

/* ---- headers ---- */

static int append_header(struct buf *out, const char *name, uint64_t size,
			 struct err *err)
{
	const struct go_header h = {
		.type = '0',
		.name = name,
		.link = "",
		.user = "",
		.group = "",
		.mode = MODE,
		.size = size,
	};

	return go_header_append(out, &h, err);
}

int stargz_end_landmark(struct buf *out, json_t **ret_entry, struct err *err)
{
	json_t *entry = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i}", "type", "reg", "name",
				  STARGZ_END_LANDMARK, "size", 1, "mode", (int)MODE,
				  "uid", 0, "gid", 0);
	int rc = entry ? append_header(out, STARGZ_END_LANDMARK, 1, err) : err_nomem(err);

	if (rc)
		json_decref(entry);
	else
		*ret_entry = entry;
	return rc;
}

/* An empty gzip member whose extra field has the place of the table. */
static void make_footer(uint8_t footer[STARGZ_FOOTER_MAX], uint64_t at)
{
	static const uint8_t head[] = {0x1f, 0x8b, 8,  4, 0,   0,   0,  0,
				       0,    0xff, 26, 0, 'S', 'G', 22, 0};
	static const uint8_t stored[] = {1, 0, 0, 0xff, 0xff};
	char text[24];

	memset(footer, 0, STARGZ_FOOTER_MAX);
	memcpy(footer, head, sizeof(head));
	snprintf(text, sizeof(text), "%016jxSTARGZ", (uintmax_t)at);
	memcpy(footer + sizeof(head), text, 22);
	memcpy(footer + sizeof(head) + 22, stored, sizeof(stored));
}

/* ---- the entry ---- */

static int read_part(struct entry *e, uint8_t *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	size_t left = e->header.len - e->given;
	int rc;

	if (left) {
		*ret_len = left < cap ? left : cap;
		memcpy(data, e->header.data + e->given, *ret_len);
		e->given += *ret_len;
		return 0;
	}
	if (e->text) {
		rc = e->text->read(e->text, data, cap, ret_len, err);
		if (rc || *ret_len) {
			hasher_update(e->table, data, rc ? 0 : *ret_len);
			return rc;
		}
		stream_close(e->text);
		e->text = NULL;
		hasher_final(e->table, &e->digest);
	}
	*ret_len = e->zeros < cap ? (size_t)e->zeros : cap;
	memset(data, 0, *ret_len);
	e->zeros -= *ret_len;
	return 0;
}

static int read_entry(struct stream *s, void *data, size_t cap, size_t *ret_len,
		      struct err *err)
{
	struct entry *e = (struct entry *)s;
	int rc = read_part(e, data, cap, ret_len, err);

	if (!rc && *ret_len)
		hasher_update(e->diff, data, *ret_len);
	return rc;
}

static void close_entry(struct stream *s)
{
	(void)s; /* stargz_end_close */
}

static int open_entry(struct entry *e, const struct packed_text *text,
		      struct hasher *diff, struct err *err)
{
	enum inflate_kind kind;
	struct stream *in;
	int rc;

	e->base = (struct stream){read_entry, close_entry};
	e->diff = diff;
	e->zeros = tar_write_padding(text->size) + END_BLOCKS * TAR_BLOCK_SIZE;
	buf_init(&e->header, 8 * TAR_BLOCK_SIZE);
	rc = append_header(&e->header, STARGZ_END_NAME, text->size, err);
	if (!rc)
		rc = hasher_new(&e->table, err);
	if (!rc)
		rc = stream_from_bytes(text->packed.data, text->packed.len, &in, err);
	return rc ? rc : inflate_open(in, false, &kind, &e->text, err);
}

/* ---- the whole ---- */

void stargz_end_close(struct stargz_end *e)
{
	if (!e)
		return;
	stream_close(e->member);
	stream_close(e->entry.text);
	hasher_free(e->entry.table);
	buf_release(&e->entry.header);
	free(e);
}

int stargz_end_open(const struct packed_text *text, uint64_t at, struct hasher *diff,
		    struct stargz_end **ret, struct err *err)
{
	/* A single member, because readers look at no second one; as Go makes it, since that
	 * encoder is our own: the DiffID does not depend on it, but the blob does. */
	const struct encoding single = {
		.maker = ENCODING_GO,
		.level = LEVEL,
		.header_len = 10,
		.header = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff},
	};
	struct stargz_end *e = calloc(1, sizeof(*e));
	int rc;

	if (!e)
		return err_nomem(err);
	make_footer(e->footer, at);
	rc = open_entry(&e->entry, text, diff, err);
	e->size = e->entry.header.len + text->size + e->entry.zeros;
	if (!rc)
		rc = deflate_open_as(&e->entry.base, &single, 1, &e->member, err);
	if (rc)
		stargz_end_close(e);
	else
		*ret = e;
	return rc;
}

int stargz_end_read(struct stargz_end *e, void *data, size_t cap, size_t *ret_len,
		    struct err *err)
{
	size_t left;
	int rc;

	if (e->member) {
		rc = e->member->read(e->member, data, cap, ret_len, err);
		if (rc || *ret_len)
			return rc;
		stream_close(e->member);
		e->member = NULL;
	}
	left = sizeof(e->footer) - e->given;
	*ret_len = left < cap ? left : cap;
	memcpy(data, e->footer + e->given, *ret_len);
	e->given += *ret_len;
	return 0;
}

uint64_t stargz_end_size(const struct stargz_end *e, struct digest *ret_table)
{
	*ret_table = e->entry.digest;
	return e->size;
}

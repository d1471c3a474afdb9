/* SPDX-License-Identifier: Apache-2.0
 * The end of an eStargz layer. */
#include "tools/chunked/stargz_table.h"

#include <stdlib.h>
#include <string.h>

#include "store/inflate.h"
#include "store/tar_number.h"
#include "store/tar_write.h"
#include "tools/chunked/stargz_footer.h"

#define PACKED_MAX (128u << 20)
#define TEXT_MAX   (1u << 30) /* never in memory */
#define ENTRY_NAME "stargz.index.json"
#define SIZE_AT    124
#define SIZE_LEN   12

/* ---- bytes of the blob ---- */

static int get(struct source *source, const struct descriptor *d, uint64_t from,
	       uint8_t *data, size_t len, struct err *err)
{
	auto_stream struct stream *in = NULL;
	size_t is = 0;
	int rc = source->open_range(source, d, from, from + len, &in, err);

	if (!rc)
		rc = stream_read_full(in, data, len, &is, err);
	if (!rc && is < len)
		rc = err_set(err, ERR_FAILED, "the end of the blob cannot be had");
	return rc;
}

static int find_table(struct source *source, const struct descriptor *d, uint64_t *ret,
		      struct err *err)
{
	uint8_t footer[STARGZ_FOOTER_MAX];
	size_t len;
	uint64_t at;
	int rc;

	if (d->size < sizeof(footer))
		return err_set(err, ERR_INVALID, "no footer of eStargz");
	rc = get(source, d, d->size - sizeof(footer), footer, sizeof(footer), err);
	if (rc)
		return rc;
	if (!stargz_footer_parse(footer, sizeof(footer), &at, &len))
		return err_set(err, ERR_INVALID, "no footer of eStargz");
	if (at == 0 || at >= d->size - len)
		return err_set(err, ERR_INVALID,
			       "the table of contents is said to be where it cannot be");
	*ret = at;
	return 0;
}

/* ---- the text ---- */

/* The first bytes of another stream, which it owns. */
struct text {
	struct stream base;
	struct stream *in;
	uint64_t left;
};

static int read_text(struct stream *s, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	struct text *t = (struct text *)s;
	int rc;

	*ret_len = 0;
	if (!t->left)
		return 0;
	rc = t->in->read(t->in, data, cap < t->left ? cap : (size_t)t->left, ret_len,
			 err);
	if (!rc && !*ret_len)
		rc = err_set(err, ERR_INVALID, "the table of contents ends early");
	t->left -= rc ? 0 : *ret_len;
	return rc;
}

static void close_text(struct stream *s)
{
	struct text *t = (struct text *)s;

	stream_close(t->in);
	free(t);
}

int stargz_table_tar(const struct stargz_table *t, struct stream **ret, struct err *err)
{
	enum inflate_kind kind;
	struct stream *in;
	int rc = stream_from_bytes(t->tail, t->len, &in, err);

	if (!rc)
		rc = inflate_open(in, false, &kind, &in, err);
	if (rc)
		return rc;
	if (kind != INFLATE_GZIP) {
		stream_close(in);
		return err_set(err, ERR_INVALID, "the table of contents is not gzip");
	}
	*ret = in;
	return 0;
}

/* Reads the header in front of the text. */
static int read_entry(struct stream *in, uint64_t *ret_size, struct err *err)
{
	uint8_t header[TAR_BLOCK_SIZE];
	int64_t size;
	size_t len;
	int rc = stream_read_full(in, header, sizeof(header), &len, err);

	if (rc)
		return rc;
	if (len < sizeof(header) || memcmp(header, ENTRY_NAME, sizeof(ENTRY_NAME)) != 0 ||
	    !tar_number_field((const char *)header + SIZE_AT, SIZE_LEN, &size) ||
	    size < 0)
		return err_set(err, ERR_INVALID, "no table of contents where it belongs");
	if (size > TEXT_MAX)
		return err_set(err, ERR_LIMIT,
			       "a table of contents of more than %u bytes", TEXT_MAX);
	*ret_size = (uint64_t)size;
	return 0;
}

int stargz_table_text(const struct stargz_table *t, struct stream **ret, struct err *err)
{
	auto_stream struct stream *in = NULL;
	struct text *text;
	uint64_t size;
	int rc = stargz_table_tar(t, &in, err);

	if (!rc)
		rc = read_entry(in, &size, err);
	if (rc)
		return rc;
	text = malloc(sizeof(*text));
	if (!text)
		return err_nomem(err);
	*text = (struct text){{read_text, close_text}, steal_ptr(&in), size};
	*ret = &text->base;
	return 0;
}

/* Sets `size`, and looks at the digest. */
static int check_text(struct stargz_table *t, const struct digest *want, struct err *err)
{
	auto_hasher struct hasher *h = NULL;
	auto_stream struct stream *in = NULL;
	uint8_t data[16 << 10];
	struct digest is;
	size_t len = 1;
	int rc = stargz_table_text(t, &in, err);

	if (!rc)
		rc = hasher_new(&h, err);
	while (!rc && len) {
		rc = in->read(in, data, sizeof(data), &len, err);
		if (rc)
			break;
		hasher_update(h, data, len);
		t->size += len;
	}
	if (rc)
		return rc;
	hasher_final(h, &is);
	if (!digest_equal(&is, want))
		return err_set(err, ERR_INVALID,
			       "the table of contents has another digest");
	return 0;
}

void stargz_table_release(struct stargz_table *t)
{
	free(t->tail);
}

int stargz_table_get(struct stargz_table *t, struct source *source,
		     const struct descriptor *d, struct err *err)
{
	int rc;

	*t = (struct stargz_table){0};
	rc = find_table(source, d, &t->at, err);
	if (rc)
		return rc;
	if (d->size - t->at > PACKED_MAX)
		return err_set(err, ERR_LIMIT,
			       "a table of contents of more than %u bytes", PACKED_MAX);
	t->len = (size_t)(d->size - t->at);
	t->tail = malloc(t->len);
	if (!t->tail)
		return err_nomem(err);
	rc = get(source, d, t->at, t->tail, t->len, err);
	return rc ?: check_text(t, &d->stargz.digest, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * Cuts a tar into the pieces of a zstd:chunked layer. */
#include "tools/chunked/tar_cut.h"

#include <string.h>

#include "store/tar_block.h"

#define WINDOW      (2 * TAR_CUT_MAX)
#define FRAMING_MAX (12u << 20) /* more than the headers of any entry */
#define REST_MAX    (8u << 20)  /* more than that are no headers */

struct tar_cut {
	struct stream *tar;
	struct tar_cut_sink sink;
	struct tar_raw *raw;
	struct buf framing; /* bytes not told yet, the last ones before `at` */
	uint64_t at;        /* bytes of the tar that were given out or are in the piece */
	uint64_t size, left; /* content of the file, and what is to come of it */
	bool at_end, refused;
	size_t pos, len; /* of the window */
	uint8_t window[WINDOW];
};

static int tell_entry(void *arg, const struct tar_raw_entry *e, struct err *err)
{
	struct tar_cut *c = arg;
	uint64_t from = c->at - c->framing.len;
	size_t len = (size_t)(e->payload - from);
	int rc = c->sink.entry(c->sink.arg, e, c->framing.data, len,
			       (size_t)(e->payload - e->start), &c->refused, err);

	if (rc)
		return rc;
	/* Of a hardlink one sees at the next header only that it has no content. */
	memmove(c->framing.data, c->framing.data + len, c->framing.len - len);
	c->framing.len -= len;
	c->size = c->left = e->type == TAR_FILE ? e->payload_size : 0;
	return 0;
}

/* The bytes are known already. */
static int ignore_literal(void *arg, const void *data, size_t len, struct err *err)
{
	(void)arg;
	(void)data;
	(void)len;
	(void)err;
	return 0;
}

static int ignore_payload(void *arg, uint64_t ordinal, uint64_t off, const void *data,
			  size_t len, struct err *err)
{
	(void)ordinal;
	(void)off;
	return ignore_literal(arg, data, len, err);
}

int tar_cut_new(struct stream *tar, const struct tar_cut_sink *sink, struct tar_cut **ret,
		struct err *err)
{
	struct tar_cut *c = calloc(1, sizeof(*c));
	struct tar_raw_sink raw = {tell_entry, ignore_literal, ignore_payload, c};
	struct tar_limits limits;
	int rc;

	if (!c)
		return err_nomem(err);
	c->tar = tar;
	c->sink = *sink;
	buf_init(&c->framing, FRAMING_MAX);
	tar_limits_default(&limits);
	rc = tar_raw_new(&limits, &raw, &c->raw, err);
	if (rc)
		tar_cut_free(c);
	else
		*ret = c;
	return rc;
}

void tar_cut_free(struct tar_cut *c)
{
	if (!c)
		return;
	tar_raw_free(c->raw);
	buf_release(&c->framing);
	free(c);
}

/* Has at least WANT bytes in the window, if so many are left. */
static int fill(struct tar_cut *c, size_t want, struct err *err)
{
	size_t len;
	int rc;

	if (c->at_end || c->len - c->pos >= want)
		return 0;
	memmove(c->window, c->window + c->pos, c->len - c->pos);
	c->len -= c->pos;
	c->pos = 0;
	rc = stream_read_full(c->tar, c->window + c->len, WINDOW - c->len, &len, err);
	if (rc)
		return rc;
	c->at_end = len < WINDOW - c->len;
	c->len += len;
	return 0;
}

static void take(struct tar_cut *c, uint8_t *data, size_t len)
{
	memcpy(data, c->window + c->pos, len);
	c->pos += len;
	c->at += len;
}

static int cut_content(struct tar_cut *c, uint8_t *data, size_t *ret_len, struct err *err)
{
	size_t len = c->left < TAR_CUT_MAX ? (size_t)c->left : TAR_CUT_MAX;
	int rc = fill(c, len, err);

	if (rc)
		return rc;
	if (len > c->len - c->pos)
		return err_set(err, ERR_INVALID, "the tar ends in a file");
	if (c->size > CHUNK_THRESHOLD)
		len = chunk_cut(c->window + c->pos, len);
	take(c, data, len);
	c->left -= len;
	rc = tar_raw_push(c->raw, data, len, err);
	if (!rc)
		rc = c->sink.content(c->sink.arg, data, len, c->left == 0, err);
	*ret_len = len;
	return rc;
}

static int tell_rest(struct tar_cut *c, struct err *err)
{
	int rc = 0;

	if (c->framing.len)
		rc = c->sink.rest(c->sink.arg, c->framing.data, c->framing.len, err);
	buf_clear(&c->framing);
	return rc;
}

/* Block by block, because any may be the last one before content. */
static int cut_framing(struct tar_cut *c, uint8_t *data, size_t *ret_len, struct err *err)
{
	size_t done = 0;
	int rc = 0;

	while (!rc && done < TAR_CUT_MAX && !c->left && !c->refused) {
		size_t len = TAR_BLOCK_SIZE - (size_t)(c->at % TAR_BLOCK_SIZE);

		if (len > TAR_CUT_MAX - done)
			break;
		rc = fill(c, len, err);
		if (len > c->len - c->pos)
			len = c->len - c->pos;
		if (rc || len == 0)
			break;
		take(c, data + done, len);
		if (c->framing.len >= REST_MAX)
			rc = tell_rest(c, err);
		if (!rc)
			rc = buf_append(&c->framing, data + done, len, err);
		if (!rc)
			rc = tar_raw_push(c->raw, data + done, len, err);
		done += len;
	}
	*ret_len = done;
	if (rc || done)
		return rc;
	rc = tar_raw_finish(c->raw, err);
	return rc ? rc : tell_rest(c, err);
}

static int cut_blindly(struct tar_cut *c, uint8_t *data, size_t *ret_len, struct err *err)
{
	size_t len = TAR_CUT_MAX;
	int rc = fill(c, len, err);

	if (rc)
		return rc;
	if (len > c->len - c->pos)
		len = c->len - c->pos;
	take(c, data, len);
	*ret_len = len;
	return 0;
}

int tar_cut_next(struct tar_cut *c, uint8_t data[TAR_CUT_MAX], size_t *ret_len,
		 bool *ret_content, struct err *err)
{
	*ret_content = c->left > 0 && !c->refused;
	if (*ret_content)
		return cut_content(c, data, ret_len, err);
	if (!c->refused)
		return cut_framing(c, data, ret_len, err);
	return cut_blindly(c, data, ret_len, err);
}

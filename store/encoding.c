/* SPDX-License-Identifier: Apache-2.0
 * Guesses how a gzip blob was made. */
#include "store/encoding.h"

#include <stdio.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/endian.h"
#include "store/deflate.h"

/* Bytes that must have come out the same for a guess: encoders part in their first table, but
 * what they store is the same. */
#define ENOUGH    256
#define PLAIN_MAX (512u << 10) /* what the sample is taken apart to */

#define FLAG_HCRC    0x02
#define FLAG_EXTRA   0x04
#define FLAG_NAME    0x08
#define FLAG_COMMENT 0x10

const char *encoding_name(const struct encoding *e, char *name)
{
	static const char *const makers[] = {
		[ENCODING_ZLIB] = "zlib",
		[ENCODING_PIGZ] = "pigz",
		[ENCODING_GO] = "Go",
		[ENCODING_PGZIP] = "pgzip",
	};
	const char *maker = e->maker >= ENCODING_ZLIB && e->maker <= ENCODING_PGZIP
				    ? makers[e->maker]
				    : "unknown";

	snprintf(name, ENCODING_NAME_SIZE, "%s -%u", maker, e->level);
	return name;
}

/* ---- the header ---- */

/* Behind the text that starts at AT; 0: it does not end here. */
static size_t skip_text(const uint8_t *bytes, size_t len, size_t at)
{
	const uint8_t *end = at && at < len ? memchr(bytes + at, 0, len - at) : NULL;

	return end ? (size_t)(end - bytes) + 1 : 0;
}

/* 0: none, or one that is too long. */
static size_t header_length(const uint8_t *bytes, size_t len)
{
	size_t at = 10;

	if (len < 10 || bytes[0] != 0x1f || bytes[1] != 0x8b || bytes[2] != 8)
		return 0;
	if (bytes[3] & FLAG_EXTRA) {
		if (len < 12)
			return 0;
		at = 12 + (size_t)get_le16(bytes + 10);
	}
	if (bytes[3] & FLAG_NAME)
		at = skip_text(bytes, len, at);
	if (bytes[3] & FLAG_COMMENT)
		at = skip_text(bytes, len, at);
	if (at && bytes[3] & FLAG_HCRC)
		at += 2;
	return at <= len && at <= ENCODING_HEADER_MAX ? at : 0;
}

/* ---- trying ---- */

struct sample {
	const uint8_t *bytes;
	size_t len;
	bool whole;
	struct buf plain;
};

/* What can be decoded of it; that the end is missing is no error. */
static int take_apart(struct sample *s, struct err *err)
{
	auto_stream struct stream *packed = NULL, *plain = NULL;
	enum inflate_kind kind;
	uint8_t chunk[64u << 10];
	size_t len;
	int rc = stream_from_bytes(s->bytes, s->len, &packed, err);

	if (!rc)
		rc = inflate_open(steal_ptr(&packed), false, &kind, &plain, NULL);
	while (!rc && s->plain.len + sizeof(chunk) <= PLAIN_MAX) {
		if (plain->read(plain, chunk, sizeof(chunk), &len, NULL) || !len)
			return 0;
		rc = buf_append(&s->plain, chunk, len, err);
	}
	s->whole = false;
	return rc == -ERR_NOMEM ? rc : 0;
}

/* How many bytes of the blob come out the same. What is encoded ends earlier than the plain
 * bytes went on, so the last block, which the encoder had to end there, says nothing. */
static int common_bytes(const struct sample *s, const struct encoding *e, size_t *ret,
			bool *ret_all, struct err *err)
{
	auto_stream struct stream *plain = NULL, *packed = NULL;
	uint8_t chunk[16u << 10];
	size_t at = 0, len, n = 0;
	int rc = stream_from_bytes(s->plain.data, s->plain.len, &plain, err);

	if (!rc)
		rc = deflate_open_as(steal_ptr(&plain), e, 1, &packed, err);
	while (!rc) {
		rc = packed->read(packed, chunk, sizeof(chunk), &len, err);
		if (rc || !len)
			break;
		for (n = 0; n < len && at < s->len && chunk[n] == s->bytes[at]; n++)
			at++;
		if (n < len)
			break;
	}
	*ret = at;
	*ret_all = !rc && !len && at == s->len && s->whole;
	return rc;
}

/* ---- which ones ---- */

struct candidate {
	enum encoding_maker maker;
	uint8_t level, variant;
};

/* XFL says something about the level where it is set. */
static bool fits_header(const struct candidate *c, const uint8_t *header)
{
	static const uint8_t of_go[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};
	uint8_t hint = header[8];

	if (c->maker == ENCODING_PGZIP)
		return header[3] == 0 && hint == 0 && header[9] == 0xff;
	if (c->maker == ENCODING_GO &&
	    (header[9] != 0xff || hint != (c->level == 9 ? 2 : 0)))
		return false;
	/* Most of what has this header is Go's: look at its default first, not at all. */
	if (c->maker == ENCODING_PIGZ && memcmp(header, of_go, sizeof(of_go)) == 0)
		return false;
	return hint == 0 || (hint == 2 && c->level == 9) || (hint == 4 && c->level <= 2);
}

static const struct candidate candidates[] = {
	{ENCODING_PGZIP, 5, 0}, {ENCODING_PGZIP, 5, 1}, {ENCODING_GO, 6, 0},
	{ENCODING_ZLIB, 6, 8},  {ENCODING_PIGZ, 6, 0},  {ENCODING_ZLIB, 9, 8},
	{ENCODING_PIGZ, 9, 0},  {ENCODING_ZLIB, 1, 8},  {ENCODING_PIGZ, 1, 0},
	{ENCODING_GO, 9, 0},    {ENCODING_ZLIB, 6, 9},  {ENCODING_ZLIB, 9, 9},
	{ENCODING_ZLIB, 1, 9},  {ENCODING_ZLIB, 5, 8},  {ENCODING_ZLIB, 4, 8},
	{ENCODING_ZLIB, 3, 8},  {ENCODING_ZLIB, 2, 8},  {ENCODING_ZLIB, 7, 8},
	{ENCODING_ZLIB, 8, 8},  {ENCODING_PIGZ, 5, 0},  {ENCODING_PIGZ, 4, 0},
	{ENCODING_PIGZ, 3, 0},  {ENCODING_PIGZ, 2, 0},  {ENCODING_PIGZ, 7, 0},
	{ENCODING_PIGZ, 8, 0},  {ENCODING_PIGZ, 6, 1},  {ENCODING_PIGZ, 9, 1},
	{ENCODING_PIGZ, 1, 1},  {ENCODING_GO, 5, 0},    {ENCODING_GO, 4, 0},
	{ENCODING_GO, 7, 0},    {ENCODING_GO, 8, 0},
};

static int try_all(const struct sample *s, struct encoding *e, struct encoding *best,
		   bool *ret_sure, struct err *err)
{
	size_t most = ENOUGH - 1;
	int rc = 0;

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]) && !rc; i++) {
		const struct candidate *c = &candidates[i];
		size_t common;
		bool all;

		if (!fits_header(c, e->header))
			continue;
		e->maker = c->maker;
		e->level = c->level;
		e->variant = c->variant;
		rc = common_bytes(s, e, &common, &all, err);
		if (!rc && (all || common > most)) {
			most = common;
			*best = *e;
			*ret_sure = all;
		}
		if (!rc && (all || common + common / 4 > s->len))
			break;
	}
	return rc;
}

int encoding_guess(const uint8_t *bytes, size_t len, bool whole, struct encoding *ret,
		   bool *ret_sure, struct err *err)
{
	struct sample s = {bytes, len, whole, {0}};
	struct encoding e = {.header_len = (uint32_t)header_length(bytes, len)};
	struct encoding best = {0};
	bool sure = false;
	int rc = 0;

	buf_init(&s.plain, PLAIN_MAX);
	memcpy(e.header, bytes, e.header_len);
	if (e.header_len)
		rc = take_apart(&s, err);
	if (!rc && s.plain.len)
		rc = try_all(&s, &e, &best, &sure, err);
	buf_release(&s.plain);
	if (rc)
		return rc;
	*ret = best;
	*ret_sure = sure;
	return 0;
}

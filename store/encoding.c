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
#define ENOUGH       256
#define CHANCE       16          /* bytes that other encoders agree in for no reason */
#define SURE_PERCENT 85          /* of what was made: the last block is never the same */
#define BLOCK_MAX    (64u << 10) /* less than this may be a single block */
#define PLAIN_MAX \
	(384u << 10) /* what the sample is taken apart to: three pieces of pigz */
#define READ_SIZE (64u << 10)

#define PGZIP_TIME 0x886e0900u /* what the year 1 becomes in 32 bits */

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
	uint8_t chunk[READ_SIZE];
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

struct trial {
	size_t common; /* bytes that come out as in the blob */
	size_t made;   /* of so many */
	bool all;      /* and this is the whole blob */
};

/* What is encoded ends earlier than the blob goes on, so the last block, which the encoder
 * has to end there, says nothing. */
static int try_encoding(const struct sample *s, const struct encoding *e,
			struct trial *ret, struct err *err)
{
	auto_stream struct stream *plain = NULL, *packed = NULL;
	uint8_t chunk[16u << 10];
	size_t len = 1;
	int rc = stream_from_bytes(s->plain.data, s->plain.len, &plain, err);

	*ret = (struct trial){0};
	if (!rc)
		rc = deflate_open_as(steal_ptr(&plain), e, 1, &packed, err);
	while (!rc && len) {
		bool same = ret->common == ret->made;

		rc = packed->read(packed, chunk, sizeof(chunk), &len, err);
		if (rc)
			break;
		for (size_t n = 0; same && n < len && ret->common < s->len; n++) {
			same = chunk[n] == s->bytes[ret->common];
			ret->common += same;
		}
		ret->made += len;
	}
	ret->all = s->whole && ret->common == s->len && ret->made == s->len;
	return rc;
}

/* ---- which ones ---- */

struct candidate {
	enum encoding_maker maker;
	uint8_t level, variant;
	bool stop; /* what fits so far is not tried against the next ones */
};

/* XFL says something about the level where it is set. */
static bool fits_header(const struct candidate *c, const uint8_t *header)
{
	uint8_t hint = header[8];
	uint32_t time = get_le32(header + 4);
	bool of_go = header[3] == 0 && header[9] == 0xff && time == 0;

	if (c->maker == ENCODING_PGZIP)
		return hint == 0 && header[9] == 0xff && (of_go || time == PGZIP_TIME);
	if (c->maker == ENCODING_GO)
		return of_go && hint == (c->level == 9 ? 2 : 0);
	/* Of others only Java writes what Go does, by zlib as it comes. */
	if (of_go && (c->maker == ENCODING_PIGZ || c->variant != 8))
		return false;
	return hint == 0 || (hint == 2 && c->level == 9) || (hint == 4 && c->level <= 2);
}

/* Most frequent first. What differs only after a while is tried in a row. */
static const struct candidate candidates[] = {
	{ENCODING_PGZIP, 5, 0, false}, {ENCODING_PGZIP, 5, 1, true},
	{ENCODING_GO, 6, 0, true},     {ENCODING_ZLIB, 6, 8, false},
	{ENCODING_PIGZ, 6, 0, false},  {ENCODING_PIGZ, 6, 1, true},
	{ENCODING_ZLIB, 9, 8, false},  {ENCODING_PIGZ, 9, 0, false},
	{ENCODING_PIGZ, 9, 1, true},   {ENCODING_ZLIB, 1, 8, false},
	{ENCODING_PIGZ, 1, 0, false},  {ENCODING_PIGZ, 1, 1, true},
	{ENCODING_GO, 9, 0, true},     {ENCODING_ZLIB, 6, 9, true},
	{ENCODING_ZLIB, 9, 9, true},   {ENCODING_ZLIB, 1, 9, true},
	{ENCODING_ZLIB, 5, 8, false},  {ENCODING_PIGZ, 5, 0, true},
	{ENCODING_ZLIB, 4, 8, false},  {ENCODING_PIGZ, 4, 0, true},
	{ENCODING_ZLIB, 3, 8, false},  {ENCODING_PIGZ, 3, 0, true},
	{ENCODING_ZLIB, 2, 8, false},  {ENCODING_PIGZ, 2, 0, true},
	{ENCODING_ZLIB, 7, 8, false},  {ENCODING_PIGZ, 7, 0, true},
	{ENCODING_ZLIB, 8, 8, false},  {ENCODING_PIGZ, 8, 0, true},
	{ENCODING_GO, 5, 0, true},     {ENCODING_GO, 4, 0, true},
	{ENCODING_GO, 7, 0, true},     {ENCODING_GO, 8, 0, true},
};

struct search {
	const struct sample *sample;
	struct encoding *e; /* with the header */
	struct encoding first, best;
	struct trial found; /* with BEST */
	size_t first_made;
};

static bool is_good(const struct trial *t)
{
	return t->all ||
	       (t->common >= ENOUGH && t->common >= t->made / 100 * SURE_PERCENT);
}

static int try_candidate(struct search *h, const struct candidate *c, struct err *err)
{
	struct trial trial;
	int rc;

	h->e->maker = c->maker;
	h->e->level = c->level;
	h->e->variant = c->variant;
	rc = try_encoding(h->sample, h->e, &trial, err);
	if (rc)
		return rc;
	if (!h->first.maker) {
		h->first = *h->e;
		h->first_made = trial.made;
	}
	if (trial.common > h->found.common + CHANCE || (trial.all && !h->found.all)) {
		h->found = trial;
		h->best = *h->e;
	}
	return 0;
}

/* The one that went furthest of those that the header allows. */
static int try_all(const struct sample *s, struct encoding *e, struct encoding *ret,
		   bool *ret_sure, struct err *err)
{
	struct search h = {.sample = s, .e = e};

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		const struct candidate *c = &candidates[i];
		int rc = fits_header(c, e->header) ? try_candidate(&h, c, err) : 0;

		if (rc)
			return rc;
		if (c->stop && is_good(&h.found))
			break;
	}
	*ret_sure = h.found.all;
	if (h.found.all || h.found.common >= ENOUGH)
		*ret = h.best;
	else if (h.first.maker && h.first_made < BLOCK_MAX &&
		 s->plain.len + READ_SIZE > PLAIN_MAX)
		*ret = h.first; /* one block, which nobody ended so early */
	return 0;
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

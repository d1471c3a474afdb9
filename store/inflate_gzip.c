/* SPDX-License-Identifier: Apache-2.0
 * gzip by ISA-L: headers are read here, deflate data and trailers are checked by the
 * library. */
#include "store/inflate_decoder.h"

#include "store/base/endian.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#define HEADER_FIXED    10u
#define HEADER_TEXT_MAX (64u << 10) /* file name, comment */

enum header_flag {
	FLAG_HCRC = 1 << 1,
	FLAG_EXTRA = 1 << 2,
	FLAG_NAME = 1 << 3,
	FLAG_COMMENT = 1 << 4,
	FLAG_RESERVED = 0xe0,
};

struct gzip {
	struct inflate_decoder base;
	struct inflate_input *in;
	bool begun;     /* a member was met: another one or the end may come */
	bool in_member; /* behind a header */
	bool pending;   /* the library may hold output back */
	bool done;
	unsigned empty; /* members without content since the last byte */
	uint32_t header_crc;
	struct inflate_state state;
};

static int ends_early(struct err *err)
{
	return err_set(err, ERR_INVALID, "the gzip data ends early");
}

/* ---- headers ---- */

/* Takes COUNT bytes of the header, of which *ret shows all if it is not NULL. */
static int take(struct gzip *z, size_t count, const uint8_t **ret, struct err *err)
{
	int r = inflate_input_want(z->in, count, err);

	if (r < 0)
		return r;
	if (inflate_input_left(z->in) < count)
		return ends_early(err);
	z->header_crc = crc32_gzip_refl(z->header_crc, inflate_input_data(z->in), count);
	if (ret)
		*ret = inflate_input_data(z->in);
	z->in->pos += count;
	return 0;
}

static int skip_extra(struct gzip *z, struct err *err)
{
	const uint8_t *p;
	int r = take(z, 2, &p, err);

	return r < 0 ? r : take(z, get_le16(p), NULL, err);
}

static int skip_text(struct gzip *z, struct err *err)
{
	for (size_t total = 0; total < HEADER_TEXT_MAX;) {
		const uint8_t *end;
		size_t left;
		int r = inflate_input_want(z->in, 1, err);

		if (r < 0)
			return r;
		left = inflate_input_left(z->in);
		if (!left)
			return ends_early(err);
		end = memchr(inflate_input_data(z->in), 0, left);
		if (end)
			left = (size_t)(end - inflate_input_data(z->in)) + 1;
		r = take(z, left, NULL, err);
		if (r < 0 || end)
			return r;
		total += left;
	}
	return err_set(err, ERR_LIMIT, "a name in a gzip header is longer than %u bytes",
		       HEADER_TEXT_MAX);
}

static int check_header_crc(struct gzip *z, struct err *err)
{
	uint16_t found = (uint16_t)z->header_crc;
	const uint8_t *p;
	int r = take(z, 2, &p, err);

	if (r < 0)
		return r;
	if (get_le16(p) != found)
		return err_set(err, ERR_INVALID,
			       "the checksum of a gzip header is wrong");
	return 0;
}

static int read_header(struct gzip *z, struct err *err)
{
	const uint8_t *p;
	unsigned flags;
	int r;

	z->header_crc = 0;
	r = take(z, HEADER_FIXED, &p, err);
	if (r < 0)
		return r;
	if (p[0] != 0x1f || p[1] != 0x8b)
		return err_set(err, ERR_INVALID,
			       "bytes follow the end of the compressed data");
	flags = p[3];
	if (p[2] != 8 || (flags & FLAG_RESERVED))
		return err_set(err, ERR_INVALID,
			       "a gzip header asks for what is not known");
	if (flags & FLAG_EXTRA)
		r = skip_extra(z, err);
	if (r == 0 && (flags & FLAG_NAME))
		r = skip_text(z, err);
	if (r == 0 && (flags & FLAG_COMMENT))
		r = skip_text(z, err);
	if (r == 0 && (flags & FLAG_HCRC))
		r = check_header_crc(z, err);
	return r;
}

/* Reads the next header, or finds the end. */
static int begin_member(struct gzip *z, struct err *err)
{
	int r = inflate_input_want(z->in, 1, err);

	if (r < 0)
		return r;
	if (z->begun &&
	    (!inflate_input_left(z->in) || inflate_input_data(z->in)[0] != 0x1f)) {
		r = inflate_input_finish(z->in, err);
		z->done = r == 0;
		return r;
	}
	if (z->empty++ >= INFLATE_EMPTY_MAX)
		return err_set(err, ERR_INVALID,
			       "more than %u gzip members without content in a row",
			       INFLATE_EMPTY_MAX);
	r = read_header(z, err);
	if (r < 0)
		return r;
	isal_inflate_reset(&z->state);
	z->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
	z->begun = z->in_member = true;
	z->pending = false;
	return 0;
}

/* ---- content ---- */

static int bad_data(int code, struct err *err)
{
	switch (code) {
	case ISAL_INCORRECT_CHECKSUM:
		return err_set(err, ERR_INVALID,
			       "the checksum or size of the gzip data is wrong");
	case ISAL_INVALID_LOOKBACK:
		return err_set(err, ERR_INVALID,
			       "the gzip data refers to what is before its start");
	default:
		return err_set(err, ERR_INVALID, "the gzip data is damaged");
	}
}

/* One call of the library: takes from the input what it can. */
static int decode_some(struct gzip *z, uint8_t *out, size_t cap, size_t *ret_len,
		       struct err *err)
{
	struct inflate_state *st = &z->state;
	size_t left;
	int r;

	*ret_len = 0;
	if (!z->pending) {
		r = inflate_input_want(z->in, 1, err);
		if (r < 0)
			return r;
		if (!inflate_input_left(z->in))
			return ends_early(err);
	}
	left = inflate_input_left(z->in);
	st->next_in = z->in->data + z->in->pos;
	st->avail_in = (uint32_t)left;
	st->next_out = out;
	st->avail_out = cap < UINT32_MAX ? (uint32_t)cap : UINT32_MAX;
	r = isal_inflate(st);
	z->in->pos = z->in->len - st->avail_in;
	*ret_len = (size_t)(st->next_out - out);
	if (*ret_len)
		z->empty = 0;
	z->pending = st->avail_out == 0;
	/* A reference to before the start is counted as output, but nothing was written. */
	if (r == ISAL_INVALID_LOOKBACK)
		*ret_len = 0;
	if (r != ISAL_DECOMP_OK)
		return bad_data(r, err);
	if (st->block_state == ISAL_BLOCK_FINISH)
		z->in_member = false;
	else if (left && !*ret_len && !z->pending && st->avail_in == left)
		return bad_data(ISAL_INVALID_BLOCK, err); /* no way on */
	return 0;
}

static int gzip_decode(struct inflate_decoder *d, uint8_t *out, size_t cap,
		       size_t *ret_len, struct err *err)
{
	struct gzip *z = (struct gzip *)d;
	size_t len = 0, n;
	int r = 0;

	while (r == 0 && len < cap && !z->done) {
		n = 0;
		r = z->in_member ? decode_some(z, out + len, cap - len, &n, err)
				 : begin_member(z, err);
		len += n;
	}
	*ret_len = len;
	return r;
}

static void gzip_free(struct inflate_decoder *d)
{
	free(d);
}

int inflate_gzip_new(struct inflate_input *in, struct inflate_decoder **ret,
		     struct err *err)
{
	struct gzip *z = calloc(1, sizeof(*z));

	if (!z)
		return err_nomem(err);
	z->base = (struct inflate_decoder){gzip_decode, gzip_free};
	z->in = in;
	isal_inflate_init(&z->state);
	*ret = &z->base;
	return 0;
}

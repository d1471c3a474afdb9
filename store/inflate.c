/* SPDX-License-Identifier: Apache-2.0
 * Finds out what a stream is compressed with and makes a plain one of it. */
#include "store/inflate.h"
#include "store/inflate_decoder.h"
#include "store/tar_filter.h"

#include <string.h>

/* Decoders like large buffers: smaller reads are served from one of this size. */
#define SMALL (64u << 10)

struct inflate {
	struct stream base;
	struct inflate_input *input;
	struct inflate_decoder *decoder; /* NULL: the input is plain */
	struct err failed;               /* met behind bytes that go first */
	uint8_t *small;                  /* made for the first small read */
	size_t small_pos, small_len;
};

/* ---- plain input ---- */

static int read_plain(struct inflate *s, void *data, size_t cap, size_t *ret_len,
		      struct err *err)
{
	struct inflate_input *in = s->input;
	size_t n = inflate_input_left(in);

	if (!n && !in->at_end)
		return in->stream->read(in->stream, data, cap, ret_len, err);
	if (n > cap)
		n = cap;
	if (n)
		memcpy(data, inflate_input_data(in), n);
	in->pos += n;
	*ret_len = n;
	return 0;
}

/* ---- decoded input ---- */

/* An error waits until the bytes before it are delivered. */
static int decode(struct inflate *s, void *data, size_t cap, size_t *ret_len,
		  struct err *err)
{
	size_t n;
	int r;

	if (s->failed.code)
		return err_copy(err, &s->failed);
	r = s->decoder->decode(s->decoder, data, cap, &n, &s->failed);
	if (r < 0 && !n)
		return err_copy(err, &s->failed);
	*ret_len = n;
	return 0;
}

static int read_small(struct inflate *s, void *data, size_t cap, size_t *ret_len,
		      struct err *err)
{
	size_t n;

	if (!s->small) {
		s->small = malloc(SMALL);
		if (!s->small)
			return err_nomem(err);
	}
	if (s->small_pos == s->small_len) {
		int r = decode(s, s->small, SMALL, &n, err);

		if (r < 0)
			return r;
		s->small_pos = 0;
		s->small_len = n;
	}
	n = s->small_len - s->small_pos;
	if (n > cap)
		n = cap;
	memcpy(data, s->small + s->small_pos, n);
	s->small_pos += n;
	*ret_len = n;
	return 0;
}

static int inflate_read(struct stream *base, void *data, size_t cap, size_t *ret_len,
			struct err *err)
{
	struct inflate *s = (struct inflate *)base;

	if (!s->decoder)
		return read_plain(s, data, cap, ret_len, err);
	if (cap < SMALL || s->small_pos < s->small_len)
		return read_small(s, data, cap, ret_len, err);
	return decode(s, data, cap, ret_len, err);
}

static void inflate_close(struct stream *base)
{
	struct inflate *s = (struct inflate *)base;

	if (s->decoder)
		s->decoder->free(s->decoder);
	inflate_input_free(s->input);
	free(s->small);
	free(s);
}

/* ---- opening ---- */

static enum inflate_kind detect(const uint8_t *p, size_t len, enum tar_filter *ret_filter)
{
	*ret_filter = TAR_FILTER_NONE;
	if (len >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return INFLATE_GZIP;
	/* A zstd frame, or one of sixteen kinds of skippable frames. */
	if (len >= 4 &&
	    (memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0 ||
	     ((p[0] & 0xf0) == 0x50 && memcmp(p + 1, "\x2a\x4d\x18", 3) == 0)))
		return INFLATE_ZSTD;
	*ret_filter = tar_filter_detect(p, len);
	return *ret_filter == TAR_FILTER_NONE ? INFLATE_NONE : INFLATE_OTHER;
}

static int choose_decoder(struct inflate *s, bool others, enum inflate_kind *ret_kind,
			  struct err *err)
{
	struct inflate_input *in = s->input;
	enum tar_filter filter;
	int r = inflate_input_want(in, TAR_FILTER_DETECT, err);

	if (r < 0)
		return r;
	*ret_kind = detect(inflate_input_data(in), inflate_input_left(in), &filter);
	switch (*ret_kind) {
	case INFLATE_NONE:
		return 0;
	case INFLATE_GZIP:
		return inflate_gzip_new(in, &s->decoder, err);
	case INFLATE_ZSTD:
		return inflate_zstd_new(in, &s->decoder, err);
	case INFLATE_OTHER:
		break;
	}
	if (!others)
		return err_set(err, ERR_INVALID,
			       "it is compressed with %s, which layers are not",
			       tar_filter_name(filter));
	return tar_filter_new(filter, in, &s->decoder, err);
}

int inflate_open(struct stream *in, bool others, enum inflate_kind *ret_kind,
		 struct stream **ret, struct err *err)
{
	struct inflate *s = calloc(1, sizeof(*s));
	enum inflate_kind kind = INFLATE_NONE;
	int r;

	if (!s) {
		stream_close(in);
		return err_nomem(err);
	}
	s->base = (struct stream){inflate_read, inflate_close};
	r = inflate_input_new(in, &s->input, err);
	if (r == 0)
		r = choose_decoder(s, others, &kind, err);
	if (r < 0) {
		inflate_close(&s->base);
		return r;
	}
	*ret_kind = kind;
	*ret = &s->base;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * zstd frames of others: unlike the store's own they come in any number and size, with
 * skippable frames between them. */
#include "store/inflate_decoder.h"

#include "store/base/endian.h"

#include <zstd.h>
#include <zstd_errors.h>

/* What zstd(1) decodes unless told otherwise: 128 MiB. */
#define WINDOW_LOG_MAX 27

#define MAGIC_SIZE          4u
#define MAGIC_SKIPPABLE_LOW 0xfu /* sixteen magics are those of skippable frames */

struct zstd {
	struct inflate_decoder base;
	struct inflate_input *in;
	ZSTD_DCtx *ctx;
	bool begun; /* a frame was met: another one or the end may come */
	bool in_frame;
	bool pending; /* the library may hold output back */
	bool done;
	unsigned empty; /* frames without content since the last byte */
};

static int ends_early(struct err *err)
{
	return err_set(err, ERR_INVALID, "the zstd data ends early");
}

/* Looks at the magic: the library would also take frames of zstd's early versions. */
static int begin_frame(struct zstd *z, struct err *err)
{
	uint32_t magic;
	int r = inflate_input_want(z->in, MAGIC_SIZE, err);

	if (r < 0)
		return r;
	if (z->begun &&
	    (!inflate_input_left(z->in) || inflate_input_data(z->in)[0] == 0)) {
		r = inflate_input_finish(z->in, err);
		z->done = r == 0;
		return r;
	}
	if (inflate_input_left(z->in) < MAGIC_SIZE)
		return ends_early(err);
	magic = get_le32(inflate_input_data(z->in));
	if (magic != ZSTD_MAGICNUMBER &&
	    (magic & ~MAGIC_SKIPPABLE_LOW) != ZSTD_MAGIC_SKIPPABLE_START)
		return err_set(err, ERR_INVALID,
			       "bytes follow the end of the compressed data");
	if (z->empty++ >= INFLATE_EMPTY_MAX)
		return err_set(err, ERR_INVALID,
			       "more than %u zstd frames without content in a row",
			       INFLATE_EMPTY_MAX);
	z->begun = z->in_frame = true;
	z->pending = false;
	return 0;
}

static int bad_data(size_t code, struct err *err)
{
	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_memory_allocation:
		return err_nomem(err);
	case ZSTD_error_frameParameter_windowTooLarge:
		return err_set(err, ERR_LIMIT,
			       "the zstd data needs a window of more than %u MiB",
			       1u << (WINDOW_LOG_MAX - 20));
	case ZSTD_error_checksum_wrong:
		return err_set(err, ERR_INVALID,
			       "the checksum of the zstd data is wrong");
	case ZSTD_error_dictionary_wrong:
		return err_set(err, ERR_INVALID, "the zstd data needs a dictionary");
	default:
		return err_set(err, ERR_INVALID, "the zstd data is damaged: %s",
			       ZSTD_getErrorName(code));
	}
}

/* One call of the library: takes from the input what it can. */
static int decode_some(struct zstd *z, uint8_t *out, size_t cap, size_t *ret_len,
		       struct err *err)
{
	ZSTD_outBuffer to = {out, cap, 0};
	ZSTD_inBuffer from;
	size_t left;

	*ret_len = 0;
	if (!z->pending) {
		int r = inflate_input_want(z->in, 1, err);

		if (r < 0)
			return r;
		if (!inflate_input_left(z->in))
			return ends_early(err);
	}
	from = (ZSTD_inBuffer){inflate_input_data(z->in), inflate_input_left(z->in), 0};
	left = ZSTD_decompressStream(z->ctx, &to, &from);
	z->in->pos += from.pos;
	*ret_len = to.pos;
	if (to.pos)
		z->empty = 0;
	if (ZSTD_isError(left))
		return bad_data(left, err);
	z->pending = to.pos == to.size;
	z->in_frame = left != 0;
	return 0;
}

static int zstd_decode(struct inflate_decoder *d, uint8_t *out, size_t cap,
		       size_t *ret_len, struct err *err)
{
	struct zstd *z = (struct zstd *)d;
	size_t len = 0, n;
	int r = 0;

	while (r == 0 && len < cap && !z->done) {
		n = 0;
		r = z->in_frame ? decode_some(z, out + len, cap - len, &n, err)
				: begin_frame(z, err);
		len += n;
	}
	*ret_len = len;
	return r;
}

static void zstd_free(struct inflate_decoder *d)
{
	struct zstd *z = (struct zstd *)d;

	ZSTD_freeDCtx(z->ctx);
	free(z);
}

int inflate_zstd_new(struct inflate_input *in, struct inflate_decoder **ret,
		     struct err *err)
{
	struct zstd *z = calloc(1, sizeof(*z));

	if (z)
		z->ctx = ZSTD_createDCtx();
	if (!z || !z->ctx) {
		free(z);
		return err_nomem(err);
	}
	z->base = (struct inflate_decoder){zstd_decode, zstd_free};
	z->in = in;
	ZSTD_DCtx_setParameter(z->ctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	*ret = &z->base;
	return 0;
}

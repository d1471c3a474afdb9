/* SPDX-License-Identifier: Apache-2.0
 * Frames to zstd and back, with contexts that are made once per thread. */
#include "store/codec.h"

#include <stdbool.h>
#include <string.h>

#include <zstd.h>
#include <zstd_errors.h>

/* The probe: samples spread over a body of at least PROBE_MIN bytes, squeezed fast. */
#define PROBE_MIN     (64u << 10)
#define PROBE_SAMPLES 4u
#define PROBE_SAMPLE  (2u << 10)
#define PROBE_SIZE    (PROBE_SAMPLES * PROBE_SAMPLE)
#define PROBE_LEVEL   1

/* Bodies that do not fit zstd's tables for 256 KiB: twice the hash tables that level 3 has
 * for them take another 0.5 % off, and cost 8 % more time. 0 stands for zstd's own choice. */
#define TUNED_MIN       (256u << 10)
#define TUNED_HASH_LOG  18
#define TUNED_CHAIN_LOG 17

struct codec {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *expand;
	uint8_t probe_in[PROBE_SIZE];
	uint8_t probe_out[PROBE_SIZE];
};

int codec_new(struct codec **ret, struct err *err)
{
	auto_codec struct codec *c = calloc(1, sizeof(*c));

	if (!c)
		return err_nomem(err);
	c->compress = ZSTD_createCCtx();
	c->expand = ZSTD_createDCtx();
	if (!c->compress || !c->expand)
		return err_nomem(err);
	*ret = steal_ptr(&c);
	return 0;
}

void codec_free(struct codec *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->compress);
	ZSTD_freeDCtx(c->expand);
	free(c);
}

/* The most that the encoding of LEN bytes may take to be worth decoding later. */
static size_t worth(size_t len)
{
	return len - len / 32;
}

/* Compresses into at most CAP bytes. *ret_len 0: it does not fit. */
static int squeeze(struct codec *c, const void *src, size_t len, int level, void *out,
		   size_t cap, size_t *ret_len, struct err *err)
{
	size_t n;

	bool tuned = level == CODEC_LEVEL_DEFAULT && len > TUNED_MIN;

	ZSTD_CCtx_setParameter(c->compress, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(c->compress, ZSTD_c_hashLog, tuned ? TUNED_HASH_LOG : 0);
	ZSTD_CCtx_setParameter(c->compress, ZSTD_c_chainLog, tuned ? TUNED_CHAIN_LOG : 0);
	ZSTD_CCtx_setParameter(c->compress, ZSTD_c_contentSizeFlag, 1);
	ZSTD_CCtx_setParameter(c->compress, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(c->compress, out, cap, src, len);
	if (!ZSTD_isError(n)) {
		*ret_len = n;
		return 0;
	}
	switch (ZSTD_getErrorCode(n)) {
	case ZSTD_error_dstSize_tooSmall:
		*ret_len = 0;
		return 0;
	case ZSTD_error_memory_allocation:
		return err_nomem(err);
	default:
		return err_set(err, ERR_FAILED, "cannot compress: %s",
			       ZSTD_getErrorName(n));
	}
}

static int probe(struct codec *c, const uint8_t *src, size_t len, bool *ret_worth,
		 struct err *err)
{
	size_t step = (len - PROBE_SAMPLE) / (PROBE_SAMPLES - 1);
	size_t squeezed;
	int r;

	for (size_t i = 0; i < PROBE_SAMPLES; i++)
		memcpy(c->probe_in + i * PROBE_SAMPLE, src + i * step, PROBE_SAMPLE);
	r = squeeze(c, c->probe_in, PROBE_SIZE, PROBE_LEVEL, c->probe_out,
		    worth(PROBE_SIZE), &squeezed, err);
	*ret_worth = squeezed > 0;
	return r;
}

int codec_compress(struct codec *c, const void *src, size_t len, int level,
		   struct buf *out, enum codec_method *ret_method, struct err *err)
{
	size_t squeezed = 0;
	bool try = len > 0;
	int r = buf_reserve(out, len, err);

	if (r == 0 && len >= PROBE_MIN)
		r = probe(c, src, len, &try, err);
	if (r == 0 && try)
		r = squeeze(c, src, len, level, out->data + out->len, worth(len),
			    &squeezed, err);
	if (r < 0)
		return r;
	if (!squeezed) {
		*ret_method = CODEC_RAW;
		return len ? buf_append(out, src, len, err) : 0;
	}
	out->len += squeezed;
	*ret_method = CODEC_ZSTD;
	return 0;
}

int codec_decompress_foreign(struct codec *c, const void *src, size_t src_len, void *dst,
			     size_t dst_len, struct err *err)
{
	size_t n = ZSTD_decompressDCtx(c->expand, dst, dst_len, src, src_len);
	if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return err_nomem(err);
	if (ZSTD_isError(n))
		return err_set(err, ERR_CORRUPT, "compressed data is damaged: %s",
			       ZSTD_getErrorName(n));
	if (n != dst_len)
		return err_set(err, ERR_CORRUPT, "compressed data has another length");
	return 0;
}

static int expand(struct codec *c, const void *src, size_t src_len, void *dst,
		  size_t dst_len, struct err *err)
{
	unsigned long long said = ZSTD_getFrameContentSize(src, src_len);

	if (said != dst_len)
		return err_set(err, ERR_CORRUPT, "compressed data has another length");
	return codec_decompress_foreign(c, src, src_len, dst, dst_len, err);
}

int codec_decompress(struct codec *c, enum codec_method method, const void *src,
		     size_t src_len, void *dst, size_t dst_len, struct err *err)
{
	switch (method) {
	case CODEC_RAW:
		if (src_len != dst_len)
			return err_set(err, ERR_CORRUPT, "raw data has another length");
		if (dst_len)
			memcpy(dst, src, dst_len);
		return 0;
	case CODEC_ZSTD:
		return expand(c, src, src_len, dst, dst_len, err);
	}
	return err_set(err, ERR_CORRUPT, "unknown compression method %u",
		       (unsigned)method);
}

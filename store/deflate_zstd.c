/* SPDX-License-Identifier: Apache-2.0
 * zstd frames for others, with content size and checksum. */
#include "store/deflate_encoder.h"

#include <zstd.h>

struct zstd {
	struct deflate_encoder base;
	ZSTD_CCtx *ctx;
};

static size_t bound(struct deflate_encoder *e, size_t len)
{
	(void)e;
	return ZSTD_compressBound(len);
}

static int encode(struct deflate_encoder *e, const struct deflate_piece *piece,
		  uint8_t *out, size_t cap, size_t *ret_len, struct err *err)
{
	size_t n = ZSTD_compress2(((struct zstd *)e)->ctx, out, cap, piece->data,
				  piece->len);

	if (ZSTD_isError(n))
		return err_set(err, ERR_FAILED, "cannot compress with zstd: %s",
			       ZSTD_getErrorName(n));
	*ret_len = n;
	return 0;
}

static void free_zstd(struct deflate_encoder *e)
{
	struct zstd *z = (struct zstd *)e;

	ZSTD_freeCCtx(z->ctx);
	free(z);
}

int deflate_zstd_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		     struct err *err)
{
	struct zstd *z = calloc(1, sizeof(*z));

	if (!z)
		return err_nomem(err);
	z->base = (struct deflate_encoder){bound, encode, free_zstd};
	z->ctx = ZSTD_createCCtx();
	if (!z->ctx ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_compressionLevel,
						plan->level)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_checksumFlag, 1))) {
		free_zstd(&z->base);
		return err_nomem(err);
	}
	*ret = &z->base;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * gzip members by libdeflate. */
#include "store/deflate_encoder.h"

#include <libdeflate.h>

struct gzip {
	struct deflate_encoder base;
	struct libdeflate_compressor *compressor;
};

static size_t bound(struct deflate_encoder *e, size_t len)
{
	return libdeflate_gzip_compress_bound(((struct gzip *)e)->compressor, len);
}

static int encode(struct deflate_encoder *e, const struct deflate_piece *piece,
		  uint8_t *out, size_t cap, size_t *ret_len, struct err *err)
{
	size_t n = libdeflate_gzip_compress(((struct gzip *)e)->compressor, piece->data,
					    piece->len, out, cap);

	if (!n)
		return err_set(err, ERR_FAILED, "cannot compress with gzip");
	*ret_len = n;
	return 0;
}

static void free_gzip(struct deflate_encoder *e)
{
	struct gzip *z = (struct gzip *)e;

	libdeflate_free_compressor(z->compressor);
	free(z);
}

int deflate_gzip_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		     struct err *err)
{
	struct gzip *z = calloc(1, sizeof(*z));

	if (!z)
		return err_nomem(err);
	z->base = (struct deflate_encoder){bound, encode, free_gzip};
	z->compressor = libdeflate_alloc_compressor(plan->level);
	if (!z->compressor) {
		free(z);
		return err_nomem(err);
	}
	*ret = &z->base;
	return 0;
}

uint32_t deflate_gzip_crc(uint32_t crc, const void *data, size_t len)
{
	return libdeflate_crc32(crc, data, len);
}

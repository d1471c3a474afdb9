/* SPDX-License-Identifier: Apache-2.0
 * Deflate streams as zlib makes them: in one go, as most programs do (Python, Java, Perl),
 * or in pieces as pigz. The only user of zlib. */
#include "store/deflate_encoder.h"

#include <stdlib.h>
#include <zlib.h>

struct zlib {
	struct deflate_encoder base;
	z_stream z;
	bool pigz, independent;
};

static int run(struct zlib *z, int flush, struct err *err)
{
	int rc = deflate(&z->z, flush);

	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return err_set(err, ERR_FAILED, "zlib fails with %d", rc);
	if (z->z.avail_in || !z->z.avail_out)
		return err_set(err, ERR_FAILED, "the compressed bytes take too much");
	return 0;
}

static int waiting_bits(struct zlib *z)
{
	int bits = 0;

	(void)deflatePending(&z->z, Z_NULL, &bits);
	return bits & 7;
}

/* Up to the next byte: pigz fills up with empty blocks of ten bits where that comes out
 * even, else it takes an empty stored one. */
static int end_piece(struct zlib *z, struct err *err)
{
	int rc = run(z, Z_BLOCK, err);

	if (rc)
		return rc;
	if ((waiting_bits(z) & 1) || z->independent) {
		rc = run(z, Z_SYNC_FLUSH, err);
		return rc || !z->independent ? rc : run(z, Z_FULL_FLUSH, err);
	}
	if (!waiting_bits(z))
		return 0;
	while (waiting_bits(z))
		if (deflatePrime(&z->z, 10, 2) != Z_OK)
			return err_set(err, ERR_FAILED, "zlib takes no bits");
	return run(z, Z_BLOCK, err);
}

static size_t bound(struct deflate_encoder *e, size_t len)
{
	(void)e;
	return len + len / 8 + (256u << 10);
}

static int encode(struct deflate_encoder *e, const struct deflate_piece *piece,
		  uint8_t *out, size_t cap, size_t *ret_len, struct err *err)
{
	struct zlib *z = (struct zlib *)e;
	int rc = 0;

	if (z->pigz)
		(void)deflateReset(&z->z);
	if (z->pigz && piece->before && !z->independent)
		(void)deflateSetDictionary(&z->z, piece->data - piece->before,
					   (uInt)piece->before);
	z->z.next_in = (z_const Bytef *)(uintptr_t)piece->data;
	z->z.avail_in = (uInt)piece->len;
	z->z.next_out = out;
	z->z.avail_out = (uInt)cap;
	if (piece->last)
		rc = run(z, Z_FINISH, err);
	else if (z->pigz)
		rc = end_piece(z, err);
	else
		rc = run(z, Z_NO_FLUSH, err);
	*ret_len = cap - z->z.avail_out;
	return rc;
}

static void free_zlib(struct deflate_encoder *e)
{
	struct zlib *z = (struct zlib *)e;

	(void)deflateEnd(&z->z);
	free(z);
}

static int make(int level, int memory, struct zlib **ret, struct err *err)
{
	struct zlib *z = calloc(1, sizeof(*z));

	if (!z)
		return err_nomem(err);
	z->base = (struct deflate_encoder){bound, encode, free_zlib};
	if (deflateInit2(&z->z, level, Z_DEFLATED, -MAX_WBITS, memory,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(z);
		return err_nomem(err);
	}
	*ret = z;
	return 0;
}

int deflate_zlib_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		     struct err *err)
{
	struct zlib *z;
	int rc = make(plan->level, (int)plan->variant, &z, err);

	if (!rc)
		*ret = &z->base;
	return rc;
}

int deflate_pigz_new(const struct deflate_plan *plan, struct deflate_encoder **ret,
		     struct err *err)
{
	struct zlib *z;
	int rc = make(plan->level, 8, &z, err);

	if (rc)
		return rc;
	z->pigz = true;
	z->independent = plan->variant;
	*ret = &z->base;
	return 0;
}

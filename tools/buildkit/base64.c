/* SPDX-License-Identifier: Apache-2.0
 * Base64 with padding. */
#include "tools/buildkit/base64.h"

#include <string.h>

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(const void *data, size_t len, struct buf *ret, struct err *err)
{
	const uint8_t *in = data;
	int rc = buf_reserve(ret, (len + 2) / 3 * 4, err);

	for (size_t i = 0; i < len && !rc; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)in[i] << 16;
		char out[4] = "====";

		if (n > 1)
			v |= (uint32_t)in[i + 1] << 8;
		if (n > 2)
			v |= in[i + 2];
		for (size_t k = 0; k <= n; k++)
			out[k] = alphabet[v >> (18 - 6 * k) & 63];
		rc = buf_append(ret, out, 4, err);
	}
	return rc;
}

/* The value of a digit; -1: it is none. */
static int digit(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

static int bad(struct err *err)
{
	return err_set(err, ERR_INVALID, "bad base64");
}

/* Four digits, PAD of them only padding; what padding leaves over must be zero. */
static int decode_four(const char *text, size_t pad, struct buf *ret, struct err *err)
{
	uint32_t v = 0;
	uint8_t out[3];

	for (size_t k = 0; k < 4; k++) {
		int d = k < 4 - pad ? digit(text[k]) : 0;

		if (d < 0)
			return bad(err);
		v = v << 6 | (uint32_t)d;
	}
	if (v & ((1u << 8 * pad) - 1))
		return bad(err);
	for (size_t k = 0; k < 3; k++)
		out[k] = (uint8_t)(v >> (16 - 8 * k));
	return buf_append(ret, out, 3 - pad, err);
}

int base64_decode(const char *text, size_t len, struct buf *ret, struct err *err)
{
	size_t pad = 0;
	int rc = 0;

	if (len % 4)
		return bad(err);
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < len && !rc; i += 4)
		rc = decode_four(text + i, i + 4 == len ? pad : 0, ret, err);
	return rc;
}

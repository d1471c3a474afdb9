/* SPDX-License-Identifier: Apache-2.0
 * SHA-256 by OpenSSL's EVP (which picks the SHA instructions). */
#include "store/digest.h"
#include "store/base/stream.h"

#include <openssl/evp.h>
#include <stdatomic.h>

#define PIECE_SIZE (1u << 20)

struct hasher {
	EVP_MD_CTX *ctx;
};

static const EVP_MD *sha256(void)
{
	static _Atomic(EVP_MD *) fetched;
	EVP_MD *md = fetched, *none = NULL;

	if (md)
		return md;
	md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!md)
		abort();
	if (!atomic_compare_exchange_strong(&fetched, &none, md)) {
		EVP_MD_free(md);
		md = fetched;
	}
	return md;
}

/* Digits as a table, because branches on random digits are guessed wrong every other time.
 * Value plus one; 0: no digit. */
static const uint8_t hex_values[256] = {
	['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

int digest_parse_hex(const char *hex, size_t len, struct digest *ret, struct err *err)
{
	struct digest d;
	bool good = true;

	if (len != 64)
		return err_set(err, ERR_INVALID, "not a SHA-256 digest: '%.*s'",
			       (int)(len < 80 ? len : 80), hex);
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		unsigned high = hex_values[(uint8_t)hex[2 * i]];
		unsigned low = hex_values[(uint8_t)hex[2 * i + 1]];

		good &= high && low;
		d.bytes[i] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	if (!good)
		return err_set(err, ERR_INVALID, "not a SHA-256 digest: '%.*s'", 64, hex);
	*ret = d;
	return 0;
}

int digest_parse(const char *text, size_t len, struct digest *ret, struct err *err)
{
	if (len < 7 || memcmp(text, "sha256:", 7) != 0)
		return err_set(err, ERR_INVALID, "not a sha256 digest: '%.*s'",
			       (int)(len < 80 ? len : 80), text);
	return digest_parse_hex(text + 7, len - 7, ret, err);
}

const char *digest_hex(const struct digest *d, char hex[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		hex[2 * i] = digits[d->bytes[i] >> 4];
		hex[2 * i + 1] = digits[d->bytes[i] & 15];
	}
	hex[64] = '\0';
	return hex;
}

const char *digest_format(const struct digest *d, char text[DIGEST_TEXT_SIZE])
{
	memcpy(text, "sha256:", 7);
	digest_hex(d, text + 7);
	return text;
}

void digest_of(const void *data, size_t len, struct digest *ret)
{
	if (!EVP_Digest(data, len, ret->bytes, NULL, sha256(), NULL))
		abort();
}

int hasher_new(struct hasher **ret, struct err *err)
{
	struct hasher *h = calloc(1, sizeof(*h));

	if (!h)
		return err_nomem(err);
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || !EVP_DigestInit_ex2(h->ctx, sha256(), NULL)) {
		hasher_free(h);
		return err_nomem(err);
	}
	*ret = h;
	return 0;
}

void hasher_free(struct hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void hasher_update(struct hasher *h, const void *data, size_t len)
{
	if (!EVP_DigestUpdate(h->ctx, data, len))
		abort();
}

void hasher_final(struct hasher *h, struct digest *ret)
{
	if (!EVP_DigestFinal_ex(h->ctx, ret->bytes, NULL) ||
	    !EVP_DigestInit_ex2(h->ctx, sha256(), NULL))
		abort();
}

int digest_of_stream(struct stream *in, struct digest *ret, struct err *err)
{
	auto_free uint8_t *piece = malloc(PIECE_SIZE);
	auto_hasher struct hasher *h = NULL;
	size_t len = 0;
	int r = hasher_new(&h, err);

	if (r == 0 && !piece)
		r = err_nomem(err);
	while (r == 0) {
		r = in->read(in, piece, PIECE_SIZE, &len, err);
		if (r < 0 || len == 0)
			break;
		hasher_update(h, piece, len);
	}
	if (r == 0)
		hasher_final(h, ret);
	return r;
}

void digest_chain(const struct digest *parent, const struct digest *diffid,
		  struct digest *ret)
{
	char text[2 * DIGEST_TEXT_SIZE];

	if (!parent || digest_is_zero(parent)) {
		*ret = *diffid;
		return;
	}
	digest_format(parent, text);
	text[DIGEST_TEXT_SIZE - 1] = ' ';
	digest_format(diffid, text + DIGEST_TEXT_SIZE);
	digest_of(text, sizeof(text) - 1, ret);
}

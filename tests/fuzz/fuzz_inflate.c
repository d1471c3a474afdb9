/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: decoders of foreign compressed data. Pieces and reads of any size must give
 * the same bytes and the same verdict. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/inflate.h"

#define OUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input in pieces of STEP bytes. */
struct pieces {
	struct stream base;
	const uint8_t *p;
	size_t left, step;
};

static int pieces_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
		       struct err *err)
{
	struct pieces *in = (struct pieces *)s;
	size_t n = in->left < in->step ? in->left : in->step;

	(void)err;
	n = n < cap ? n : cap;
	if (n)
		memcpy(data, in->p, n);
	in->p += n;
	in->left -= n;
	*ret_len = n;
	return 0;
}

static void pieces_close(struct stream *s)
{
	(void)s;
}

struct verdict {
	int result;
	enum inflate_kind kind;
	size_t len;
	uint8_t out[OUT_MAX];
};

/* The exact size of each read lets a sanitizer see what is written behind it. */
static int read_some(struct stream *s, size_t cap, struct verdict *v, size_t *ret_len)
{
	size_t room = OUT_MAX - v->len;
	size_t n = cap < room ? cap : room;
	auto_free uint8_t *block = malloc(n);
	int r = s->read(s, block, n, ret_len, NULL);

	if (r == 0)
		memcpy(v->out + v->len, block, *ret_len);
	return r;
}

static void decode(const uint8_t *data, size_t size, size_t step, size_t cap,
		   struct verdict *v)
{
	struct pieces in = {{pieces_read, pieces_close}, data, size, step};
	struct err err = {0};
	struct stream *s;
	size_t n = 1;

	v->len = 0;
	v->kind = INFLATE_NONE;
	v->result = inflate_open(&in.base, true, &v->kind, &s, &err);
	if (v->result < 0)
		return;
	while (v->result == 0 && n > 0 && v->len < OUT_MAX) {
		v->result = read_some(s, cap, v, &n);
		if (v->result == 0)
			v->len += n;
	}
	stream_close(s);
}

/* libarchive may lose bytes before an error. */
static bool is_same(const struct verdict *a, const struct verdict *b)
{
	size_t len = a->len < b->len ? a->len : b->len;

	if (a->kind != b->kind || memcmp(a->out, b->out, len) != 0)
		return false;
	if (a->len == OUT_MAX || b->len == OUT_MAX)
		return true; /* nobody went on to the error or end */
	return a->result == b->result && (a->result < 0 || a->len == b->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct verdict whole, pieced;

	decode(data, size, SIZE_MAX, OUT_MAX, &whole);
	if (whole.result && whole.result != -ERR_INVALID && whole.result != -ERR_LIMIT &&
	    whole.result != -ERR_NOMEM)
		abort();
	decode(data, size, 1 + size % 61, 1 + size % 5000, &pieced);
	if (!is_same(&whole, &pieced))
		abort();
	return 0;
}

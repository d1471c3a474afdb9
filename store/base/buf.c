/* SPDX-License-Identifier: Apache-2.0
 * The bounded growing buffer. */
#include "store/base/buf.h"

#include <stdarg.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

int buf_reserve(struct buf *b, size_t extra, struct err *err)
{
	size_t want, cap;
	uint8_t *data;

	if (extra > b->max - b->len)
		return err_set(err, ERR_LIMIT, "more than %zu bytes", b->max);
	want = b->len + extra;
	if (want <= b->cap)
		return 0;
	cap = b->cap ? b->cap : 256;
	while (cap < want)
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	if (cap > b->max)
		cap = b->max;
	data = realloc(b->data, cap);
	if (!data)
		return err_nomem(err);
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len, struct err *err)
{
	int r = buf_reserve(b, len, err);

	if (r < 0)
		return r;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

int buf_append_zeros(struct buf *b, size_t len, struct err *err)
{
	int r = buf_reserve(b, len, err);

	if (r < 0)
		return r;
	if (len)
		memset(b->data + b->len, 0, len);
	b->len += len;
	return 0;
}

int buf_append_u8(struct buf *b, uint8_t v, struct err *err)
{
	return buf_append(b, &v, 1, err);
}

int buf_append_le16(struct buf *b, uint16_t v, struct err *err)
{
	uint8_t bytes[2];

	put_le16(bytes, v);
	return buf_append(b, bytes, sizeof(bytes), err);
}

int buf_append_le32(struct buf *b, uint32_t v, struct err *err)
{
	uint8_t bytes[4];

	put_le32(bytes, v);
	return buf_append(b, bytes, sizeof(bytes), err);
}

int buf_append_le64(struct buf *b, uint64_t v, struct err *err)
{
	uint8_t bytes[8];

	put_le64(bytes, v);
	return buf_append(b, bytes, sizeof(bytes), err);
}

int buf_printf(struct buf *b, struct err *err, const char *fmt, ...)
{
	va_list ap, again;
	int n, r;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	r = n < 0 ? err_nomem(err) : buf_reserve(b, (size_t)n + 1, err);
	if (r == 0) {
		vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	return r;
}

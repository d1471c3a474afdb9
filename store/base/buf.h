/* SPDX-License-Identifier: Apache-2.0
 * A growing byte buffer with a maximum, set once. Everything that grows from input lives in
 * one of these, so hostile input ends in ERR_LIMIT and never in exhausted memory.
 *
 * Not thread-safe. `data` is valid until the next call that grows the buffer; it is owned
 * by the buffer and freed by buf_release.
 */
#ifndef STORE_BASE_BUF_H
#define STORE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/endian.h"
#include "store/base/err.h"

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max; /* len never exceeds this */
};

/* Makes an empty buffer that may hold at most MAX bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);

/* Frees the memory; the buffer is empty and usable again. NULL is ignored. */
void buf_release(struct buf *b);

/* Empties the buffer and keeps its memory. */
static inline void buf_clear(struct buf *b)
{
	b->len = 0;
}

/* Makes room for EXTRA more bytes without changing len. ERR_LIMIT, ERR_NOMEM. */
int buf_reserve(struct buf *b, size_t extra, struct err *err) MUST_CHECK;

/* Appends bytes (the source must not be inside the buffer). ERR_LIMIT, ERR_NOMEM. */
int buf_append(struct buf *b, const void *data, size_t len, struct err *err) MUST_CHECK;

/* Appends LEN zero bytes. */
int buf_append_zeros(struct buf *b, size_t len, struct err *err) MUST_CHECK;

/* Appends little-endian integers. */
int buf_append_u8(struct buf *b, uint8_t v, struct err *err) MUST_CHECK;
int buf_append_le16(struct buf *b, uint16_t v, struct err *err) MUST_CHECK;
int buf_append_le32(struct buf *b, uint32_t v, struct err *err) MUST_CHECK;
int buf_append_le64(struct buf *b, uint64_t v, struct err *err) MUST_CHECK;

/* Appends formatted text without its final NUL. */
int buf_printf(struct buf *b, struct err *err, const char *fmt, ...)
	PRINTF_LIKE(3, 4) MUST_CHECK;

static inline void auto_buf_cleanup_(struct buf *b)
{
	buf_release(b);
}
#define auto_buf AUTO(buf)

/* A bounds-checked reader over bytes in memory: what every decoder reads through. */
struct cursor {
	const uint8_t *p;
	size_t left;
};

/* Each takes bytes from the front, or returns false and leaves the cursor unchanged. */
static inline bool cursor_bytes(struct cursor *c, size_t len, const uint8_t **ret)
{
	if (len > c->left)
		return false;
	*ret = c->p;
	c->p += len;
	c->left -= len;
	return true;
}

static inline bool cursor_u8(struct cursor *c, uint8_t *ret)
{
	const uint8_t *p;

	if (!cursor_bytes(c, 1, &p))
		return false;
	*ret = *p;
	return true;
}

static inline bool cursor_le16(struct cursor *c, uint16_t *ret)
{
	const uint8_t *p;

	if (!cursor_bytes(c, 2, &p))
		return false;
	*ret = get_le16(p);
	return true;
}

static inline bool cursor_le32(struct cursor *c, uint32_t *ret)
{
	const uint8_t *p;

	if (!cursor_bytes(c, 4, &p))
		return false;
	*ret = get_le32(p);
	return true;
}

static inline bool cursor_le64(struct cursor *c, uint64_t *ret)
{
	const uint8_t *p;

	if (!cursor_bytes(c, 8, &p))
		return false;
	*ret = get_le64(p);
	return true;
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Bits of a deflate stream (RFC 1951) on their way into a buffer. Included by deflate*.c
 * only.
 */
#ifndef STORE_DEFLATE_BITS_H
#define STORE_DEFLATE_BITS_H

#include <stdbool.h>
#include <string.h>

#include "store/base/endian.h"

/* What does not fit is lost and noted: the caller looks at FULL when it is done. */
struct deflate_bits {
	uint8_t *out;
	size_t len, cap;
	uint64_t waiting; /* the low COUNT bits are not in OUT yet */
	unsigned count;
	bool full;
};

/* N (at most 48) bits of VALUE, the lowest first. */
static inline void deflate_bits_put(struct deflate_bits *b, uint64_t value, unsigned n)
{
	b->waiting |= value << b->count;
	b->count += n;
	if (b->count < 16)
		return;
	if (b->cap - b->len < 8) {
		b->full = true;
		b->waiting = b->count = 0;
		return;
	}
	put_le64(b->out + b->len, b->waiting);
	b->len += b->count / 8;
	b->waiting = b->count == 64 ? 0 : b->waiting >> (b->count & ~7u);
	b->count &= 7;
}

/* Zero bits up to the next byte, and all that waits into OUT. */
static inline void deflate_bits_align(struct deflate_bits *b)
{
	for (; b->count; b->count = b->count > 8 ? b->count - 8 : 0) {
		if (b->len == b->cap)
			b->full = true;
		else
			b->out[b->len++] = (uint8_t)b->waiting;
		b->waiting >>= 8;
	}
	b->waiting = 0;
}

static inline void deflate_bits_copy(struct deflate_bits *b, const void *data, size_t len)
{
	deflate_bits_align(b);
	if (b->cap - b->len < len) {
		b->full = true;
		return;
	}
	memcpy(b->out + b->len, data, len);
	b->len += len;
}

/* The start of a block of stored bytes; none follow it here. */
static inline void deflate_bits_stored(struct deflate_bits *b, size_t len, bool last)
{
	deflate_bits_put(b, last, 3);
	deflate_bits_align(b);
	deflate_bits_put(b, len | (~len & 0xffff) << 16, 32);
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 * A long text in frames of zstd. */
#include "tools/chunked/packed_text.h"

#include "store/deflate.h"

#define FRAME_SIZE (4u << 20)
#define PIECE_MAX  (64u << 20) /* of text that comes at once */
#define LEVEL      9 /* a sixth less than 3; readers get all of it before anything else */

void packed_text_init(struct packed_text *t)
{
	t->size = 0;
	buf_init(&t->text, FRAME_SIZE + PIECE_MAX);
	buf_init(&t->packed, PACKED_TEXT_MAX);
}

void packed_text_release(struct packed_text *t)
{
	buf_release(&t->text);
	buf_release(&t->packed);
}

int packed_text_add(struct packed_text *t, const void *text, size_t len, struct err *err)
{
	int rc = buf_append(&t->text, text, len, err);

	t->size += len;
	return rc || t->text.len < FRAME_SIZE ? rc : packed_text_finish(t, err);
}

int packed_text_finish(struct packed_text *t, struct err *err)
{
	int rc = 0;

	if (t->text.len)
		rc = deflate_append(INFLATE_ZSTD, LEVEL, t->text.data, t->text.len,
				    &t->packed, err);
	buf_clear(&t->text);
	return rc;
}

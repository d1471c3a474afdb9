/* SPDX-License-Identifier: Apache-2.0
 * A long text that is compressed with zstd while it is being written, so that only its
 * compressed form is in memory.
 */
#ifndef TOOLS_CHUNKED_PACKED_TEXT_H
#define TOOLS_CHUNKED_PACKED_TEXT_H

#include "store/base/buf.h"

#define PACKED_TEXT_MAX (128u << 20) /* compressed bytes */

struct packed_text {
	struct buf text;   /* not compressed yet */
	struct buf packed; /* frames */
	uint64_t size;     /* of all the text so far */
};

void packed_text_init(struct packed_text *t);
void packed_text_release(struct packed_text *t);

/* ERR_LIMIT: it is too long. */
int packed_text_add(struct packed_text *t, const void *text, size_t len,
		    struct err *err) MUST_CHECK;

/* All of it is in `packed` now. */
int packed_text_finish(struct packed_text *t, struct err *err) MUST_CHECK;

#endif

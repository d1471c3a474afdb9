/* SPDX-License-Identifier: Apache-2.0
 * Writes tar-split: what a tar has besides the content of its files, as lines of JSON. With
 * the files it gives the tar again, byte for byte.
 */
#ifndef TOOLS_CHUNKED_TARSPLIT_WRITE_H
#define TOOLS_CHUNKED_TARSPLIT_WRITE_H

#include "tools/chunked/packed_text.h"

struct tarsplit_write {
	struct packed_text text;
	uint64_t position; /* of the next line */
};

void tarsplit_write_init(struct tarsplit_write *w);
void tarsplit_write_release(struct tarsplit_write *w);

/* The next LEN bytes of the tar: what stands between two files' content. All that stands
 * before an entry's content is one call, for the readers that look for headers in it. */
int tarsplit_write_segment(struct tarsplit_write *w, const void *data, size_t len,
			   struct err *err) MUST_CHECK;

/* An entry, and the SIZE bytes of its content (0 for all that are no files). NAME: UTF-8, as
 * the header has it. CRC: crc64 of the content. */
int tarsplit_write_file(struct tarsplit_write *w, const char *name, uint64_t size,
			uint64_t crc, struct err *err) MUST_CHECK;

#endif

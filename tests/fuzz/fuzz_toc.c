/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: tables of contents of zstd:chunked layers, compressed or as plain text. What is
 * taken covers its files and lies in the blob in order.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/chunked/toc_read.h"

#define BLOB_SIZE (1u << 24)
#define TEXT_MAX  (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t check(const struct toc_entry *e, uint64_t at)
{
	uint64_t off = 0;

	if (!e->size != !e->count)
		abort();
	for (size_t i = 0; i < e->count; i++) {
		const struct toc_chunk *c = &e->chunks[i];

		if (c->at < at || c->end < c->at || c->end > BLOB_SIZE || !c->len)
			abort();
		if (!c->zeros && (c->end == c->at || c->len > TOC_CHUNK_MAX ||
				  c->end - c->at > TOC_CHUNK_MAX))
			abort();
		at = c->end;
		off += c->len;
	}
	if (off != e->size || strlen(e->name) > TEXT_MAX)
		abort();
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct toc_read *r = NULL;
	const struct toc_entry *e = NULL;
	uint64_t at = 0;
	int rc = toc_read_open(data, size, TEXT_MAX, BLOB_SIZE, &r, NULL);

	while (!rc) {
		rc = toc_read_next(r, &e, NULL);
		if (rc || !e)
			break;
		at = check(e, at);
	}
	toc_read_close(r);
	return 0;
}

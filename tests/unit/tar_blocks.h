/* SPDX-License-Identifier: Apache-2.0
 * Tar header blocks made by hand, right or wrong, for tests of the readers. */
#ifndef TESTS_UNIT_TAR_BLOCKS_H
#define TESTS_UNIT_TAR_BLOCKS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/tar_block.h"

static inline void blocks_put(struct buf *out, const void *data, size_t len)
{
	if (buf_append(out, data, len, NULL) ||
	    buf_append_zeros(out, tar_write_padding(len), NULL))
		abort();
}

/* Octal digits and a NUL. */
static inline void blocks_octal(char *field, size_t size, uint64_t v)
{
	field[size - 1] = '\0';
	for (size_t i = size - 1; i-- > 0; v >>= 3)
		field[i] = (char)('0' + (v & 7));
}

static inline struct tar_block blocks_header(char type, const char *name, uint64_t size)
{
	struct tar_block b = {.type = type};

	memcpy(b.magic, "ustar\00000", 8);
	memcpy(b.name, name, strlen(name));
	memcpy(b.mode, "0000644", 7);
	memcpy(b.uid, "0000000", 7);
	memcpy(b.gid, "0000000", 7);
	memcpy(b.mtime, "00000000001", 11);
	blocks_octal(b.size, sizeof(b.size), size);
	return b;
}

static inline struct tar_block blocks_gnu(char type, const char *name, uint64_t size)
{
	struct tar_block b = blocks_header(type, name, size);

	memcpy(b.magic, "ustar  ", 8);
	return b;
}

static inline void blocks_seal(struct tar_block *b)
{
	unsigned sum = 0;

	memset(b->checksum, ' ', sizeof(b->checksum));
	for (size_t i = 0; i < sizeof(*b); i++)
		sum += ((const uint8_t *)b)[i];
	blocks_octal(b->checksum, 7, sum);
}

static inline void blocks_add(struct buf *out, struct tar_block b)
{
	blocks_seal(&b);
	blocks_put(out, &b, sizeof(b));
}

static inline void blocks_entry(struct buf *out, char type, const char *name,
				const char *link)
{
	struct tar_block b = blocks_header(type, name, 0);

	memcpy(b.link, link, strlen(link));
	blocks_add(out, b);
}

static inline void blocks_file(struct buf *out, const char *name, const char *text)
{
	blocks_add(out, blocks_header('0', name, strlen(text)));
	blocks_put(out, text, strlen(text));
}

/* An extension header with its body. */
static inline void blocks_extend(struct buf *out, char type, const void *body, size_t len)
{
	blocks_add(out, blocks_header(type, "././@Extension", len));
	blocks_put(out, body, len);
}

/* Appends "LENGTH KEY=VALUE\n" to BODY. */
static inline void blocks_record(struct buf *body, const char *key, const void *value,
				 size_t len)
{
	size_t rest = 1 + strlen(key) + 1 + len + 1, total = rest;
	char text[32];

	while (total != rest + (size_t)snprintf(text, sizeof(text), "%zu", total))
		total = rest + (size_t)snprintf(text, sizeof(text), "%zu", total);
	if (buf_printf(body, NULL, "%zu %s=", total, key) ||
	    buf_append(body, value, len, NULL) || buf_append(body, "\n", 1, NULL))
		abort();
}

/* A PAX header of PAIRS "key=value", separated by newlines. */
static inline void blocks_pax(struct buf *out, char type, const char *pairs)
{
	auto_buf struct buf body;

	buf_init(&body, 1 << 20);
	while (*pairs) {
		const char *equals = strchr(pairs, '='), *end = strchrnul(pairs, '\n');
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)(equals - pairs), pairs);
		blocks_record(&body, key, equals + 1, (size_t)(end - equals - 1));
		pairs = *end ? end + 1 : end;
	}
	blocks_extend(out, type, body.data, body.len);
}

static inline void blocks_end(struct buf *out)
{
	if (tar_write_end(out, NULL))
		abort();
}

#endif

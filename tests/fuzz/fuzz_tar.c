/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: the scan of layers. What it accepts must be covered by framing and content
 * exactly, and a replay without content must see the same. Checksums of blocks that call
 * themselves ustar are made right first, else hardly any input would get past them. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/tar_block.h"
#include "store/tar_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sums {
	uint64_t literal, payload, told, size, entries, names;
	bool content;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int on_entry(void *arg, const struct tar_entry *e, struct err *err)
{
	struct sums *s = arg;

	(void)err;
	check(strlen(e->path) == e->path_len && strlen(e->link) == e->link_len);
	check(e->type == TAR_FILE || e->size == 0);
	s->size = e->size;
	s->told = 0;
	s->entries++;
	s->names = s->names * 31 + e->path_len + e->link_len + e->size;
	for (size_t i = 0; i < e->xattr_count; i++) {
		const uint8_t *value = e->xattrs[i].value;

		check(strlen(e->xattrs[i].name) == e->xattrs[i].name_len);
		for (size_t j = 0; j < e->xattrs[i].value_len; j++)
			s->names += value[j];
	}
	return 0;
}

static int on_data(void *arg, const void *data, size_t len, struct err *err)
{
	struct sums *s = arg;

	(void)err;
	check(len > 0 && len <= s->size - s->told);
	s->told += len;
	s->names += ((const uint8_t *)data)[0] + ((const uint8_t *)data)[len - 1];
	return 0;
}

static int on_hole(void *arg, uint64_t len, struct err *err)
{
	struct sums *s = arg;

	(void)err;
	check(len > 0 && len <= s->size - s->told);
	s->told += len;
	return 0;
}

static int on_end(void *arg, struct err *err)
{
	struct sums *s = arg;

	(void)err;
	check(!s->content || s->told == s->size);
	return 0;
}

static int on_literal(void *arg, const void *data, size_t len, struct err *err)
{
	(void)data;
	(void)err;
	((struct sums *)arg)->literal += len;
	return 0;
}

static int on_payload(void *arg, uint64_t ordinal, uint64_t off, uint64_t len,
		      struct err *err)
{
	struct sums *s = arg;

	(void)ordinal;
	(void)off;
	(void)err;
	s->payload += len;
	return 0;
}

static int scan(const uint8_t *data, size_t size, bool skip, struct sums *s)
{
	const struct tar_sink sink = {on_entry,   on_data,    on_hole, on_end,
				      on_literal, on_payload, s};
	auto_stream struct stream *in = NULL;
	struct tar_limits limits;
	struct tar_result result;
	struct err err = {0};
	int r;

	tar_limits_default(&limits);
	limits.file_bytes = UINT64_MAX;
	*s = (struct sums){.content = !skip};
	check(stream_from_bytes(data, size, &in, &err) == 0);
	r = tar_scan(in, &limits, skip, &sink, NULL, &result, &err);
	if (r < 0) {
		check(err.code == ERR_INVALID || err.code == ERR_LIMIT);
		return r;
	}
	check(result.size == size && result.entries == s->entries);
	check(s->literal + s->payload == size);
	return 0;
}

static void seal(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + TAR_BLOCK_SIZE <= size; at += TAR_BLOCK_SIZE) {
		struct tar_block *b = (struct tar_block *)(void *)(data + at);
		unsigned sum = 0;

		if (memcmp(b->magic, "ustar", 5) != 0)
			continue;
		memset(b->checksum, ' ', sizeof(b->checksum));
		for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
			sum += data[at + i];
		for (size_t i = 6; i-- > 0; sum >>= 3)
			b->checksum[i] = (char)('0' + (sum & 7));
		b->checksum[6] = '\0';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free uint8_t *copy = malloc(size + 1);
	struct sums with, without;

	check(copy != NULL);
	memcpy(copy, data, size);
	seal(copy, size);
	if (scan(copy, size, false, &with) == 0) {
		check(scan(copy, size, true, &without) == 0);
		check(with.entries == without.entries && with.literal == without.literal);
	}
	return 0;
}

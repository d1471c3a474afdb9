/* SPDX-License-Identifier: Apache-2.0
 * Chunk lists: decoding, search, encoding. */
#include "store/chunk_list.h"

#include <inttypes.h>

#include "store/base/endian.h"

int chunk_list_open(const uint8_t *bytes, size_t len, struct chunk_list *ret,
		    struct err *err)
{
	if (!len || len % CHUNK_LIST_ENTRY_SIZE)
		return err_set(err, ERR_CORRUPT, "chunk list has %zu bytes", len);
	*ret = (struct chunk_list){.entries = bytes,
				   .count = len / CHUNK_LIST_ENTRY_SIZE};
	return 0;
}

static uint64_t end_of(const struct chunk_list *list, size_t i)
{
	return get_le64(list->entries + i * CHUNK_LIST_ENTRY_SIZE + DIGEST_SIZE);
}

uint64_t chunk_list_size(const struct chunk_list *list)
{
	return end_of(list, list->count - 1);
}

int chunk_list_get(const struct chunk_list *list, size_t i, struct chunk_range *ret,
		   struct err *err)
{
	uint64_t from = i ? end_of(list, i - 1) : 0;
	uint64_t end = end_of(list, i);
	struct digest digest;
	bool hole;

	memcpy(&digest, list->entries + i * CHUNK_LIST_ENTRY_SIZE, sizeof(digest));
	hole = digest_is_zero(&digest);
	if (end <= from || (!hole && end - from > PACK_BODY_MAX))
		return err_set(err, ERR_CORRUPT,
			       "chunk %zu reaches from %" PRIu64 " to %" PRIu64, i, from,
			       end);
	*ret = (struct chunk_range){
		.digest = digest, .off = from, .len = end - from, .hole = hole};
	return 0;
}

size_t chunk_list_find(const struct chunk_list *list, uint64_t off)
{
	size_t low = 0, high = list->count - 1;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (end_of(list, mid) > off)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

int chunk_list_append(struct buf *buf, const struct digest *chunk, uint64_t end,
		      struct err *err)
{
	struct digest last;
	int r;

	if (digest_is_zero(chunk) && buf->len) {
		uint8_t *entry = buf->data + buf->len - CHUNK_LIST_ENTRY_SIZE;

		memcpy(&last, entry, sizeof(last));
		if (digest_is_zero(&last)) {
			put_le64(entry + DIGEST_SIZE, end);
			return 0;
		}
	}
	r = buf_append(buf, chunk->bytes, DIGEST_SIZE, err);
	if (r == 0)
		r = buf_append_le64(buf, end, err);
	return r;
}

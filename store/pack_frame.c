/* SPDX-License-Identifier: Apache-2.0
 * The bytes of a pack: file header, frame header, table. Pure functions. */
#include "store/pack_private.h"

#include <xxhash.h>

/* Offsets in a frame header (pack_format.h). */
enum {
	H_MAGIC = 0,
	H_TYPE = 4,
	H_METHOD = 5,
	H_ZERO = 6,
	H_COUNT = 8,
	H_STORED = 12,
	H_RAW = 16,
	H_TABLE_SUM = 20,
	H_OFFSET = 24,
	H_SUM = 32,
	H_HEADER_SUM = 40,
};

_Static_assert(H_HEADER_SUM + 8 == PACK_FRAME_HEADER_SIZE, "frame header");
_Static_assert(PACK_FRAME_HEADER_SIZE + (uint64_t)PACK_TABLE_MAX * PACK_TABLE_ENTRY_SIZE +
			       PACK_BODY_MAX <
		       UINT32_MAX,
	       "a frame's length fits 32 bits");

void pack_name(uint32_t number, char name[PACK_NAME_SIZE])
{
	snprintf(name, PACK_NAME_SIZE, "%08x.pack", number);
}

void pack_file_header_encode(uint32_t number, uint8_t bytes[PACK_FILE_HEADER_SIZE])
{
	memcpy(bytes, PACK_FILE_MAGIC, 8);
	put_le32(bytes + 8, number);
	put_le32(bytes + 12, 0);
}

int pack_file_header_check(const uint8_t bytes[PACK_FILE_HEADER_SIZE], uint32_t number,
			   struct err *err)
{
	uint8_t right[PACK_FILE_HEADER_SIZE];

	pack_file_header_encode(number, right);
	if (memcmp(bytes, right, sizeof(right)) != 0)
		return err_set(err, ERR_CORRUPT, "pack %08x: damaged file header",
			       number);
	return 0;
}

void pack_header_sum(struct pack_header *h, const uint8_t *table_and_body)
{
	size_t table_len = (size_t)pack_header_table_len(h);

	h->sum = XXH3_64bits(table_and_body, table_len + h->stored_len);
	h->table_sum = (uint32_t)XXH3_64bits(table_and_body, table_len);
}

void pack_header_encode(const struct pack_header *h, uint64_t off,
			uint8_t bytes[PACK_FRAME_HEADER_SIZE])
{
	put_le32(bytes + H_MAGIC, PACK_FRAME_MAGIC);
	bytes[H_TYPE] = (uint8_t)h->type;
	bytes[H_METHOD] = (uint8_t)h->method;
	put_le16(bytes + H_ZERO, 0);
	put_le32(bytes + H_COUNT, h->count);
	put_le32(bytes + H_STORED, h->stored_len);
	put_le32(bytes + H_RAW, h->raw_len);
	put_le32(bytes + H_TABLE_SUM, h->table_sum);
	put_le64(bytes + H_OFFSET, off);
	put_le64(bytes + H_SUM, h->sum);
	put_le64(bytes + H_HEADER_SUM, XXH3_64bits(bytes, H_HEADER_SUM));
}

/* What a header may say, given that its checksum is right. */
static bool sensible(const struct pack_header *h)
{
	if (h->type < PACK_DATA || h->type > PACK_DOCUMENT || h->method > CODEC_ZSTD)
		return false;
	if (h->count > PACK_TABLE_MAX || h->stored_len > PACK_BODY_MAX ||
	    h->raw_len > PACK_BODY_MAX)
		return false;
	if (h->method == CODEC_RAW && h->stored_len != h->raw_len)
		return false;
	switch (h->type) {
	case PACK_RECIPE:
	case PACK_TREE:
		return h->count == 0;
	case PACK_DOCUMENT:
		return h->count == 1;
	default:
		return true;
	}
}

int pack_header_decode(const uint8_t bytes[PACK_FRAME_HEADER_SIZE], uint64_t off,
		       struct pack_header *ret, struct err *err)
{
	struct pack_header h = {
		.type = bytes[H_TYPE],
		.method = bytes[H_METHOD],
		.count = get_le32(bytes + H_COUNT),
		.stored_len = get_le32(bytes + H_STORED),
		.raw_len = get_le32(bytes + H_RAW),
		.table_sum = get_le32(bytes + H_TABLE_SUM),
		.sum = get_le64(bytes + H_SUM),
	};

	if (get_le32(bytes + H_MAGIC) != PACK_FRAME_MAGIC)
		return err_set(err, ERR_CORRUPT, "no frame begins there");
	if (get_le64(bytes + H_HEADER_SUM) != XXH3_64bits(bytes, H_HEADER_SUM))
		return err_set(err, ERR_CORRUPT, "header checksum mismatch");
	if (get_le64(bytes + H_OFFSET) != off)
		return err_set(err, ERR_CORRUPT, "the frame belongs to another place");
	if (get_le16(bytes + H_ZERO) != 0 || !sensible(&h))
		return err_set(err, ERR_CORRUPT, "the frame's header makes no sense");
	*ret = h;
	return 0;
}

static void entry_decode(const uint8_t *bytes, struct pack_entry *ret)
{
	memcpy(ret->digest.bytes, bytes, DIGEST_SIZE);
	ret->off = get_le32(bytes + DIGEST_SIZE);
	ret->len = get_le32(bytes + DIGEST_SIZE + 4);
}

void pack_entry_encode(const struct pack_entry *e, uint8_t bytes[PACK_TABLE_ENTRY_SIZE])
{
	memcpy(bytes, e->digest.bytes, DIGEST_SIZE);
	put_le32(bytes + DIGEST_SIZE, e->off);
	put_le32(bytes + DIGEST_SIZE + 4, e->len);
}

int pack_header_check_table(const struct pack_header *h, const uint8_t *table,
			    struct err *err)
{
	size_t len = (size_t)pack_header_table_len(h);
	struct pack_entry e;

	if (h->table_sum != (uint32_t)XXH3_64bits(table, len))
		return err_set(err, ERR_CORRUPT, "table checksum mismatch");
	for (uint32_t i = 0; i < h->count; i++) {
		entry_decode(table + (size_t)i * PACK_TABLE_ENTRY_SIZE, &e);
		if (e.off > h->raw_len || e.len > h->raw_len - e.off)
			return err_set(err, ERR_CORRUPT,
				       "table entry %u lies outside of its frame", i);
	}
	return 0;
}

int pack_frame_decode(const uint8_t *bytes, size_t len, uint64_t off,
		      struct pack_frame *ret, struct err *err)
{
	const uint8_t *table = bytes + PACK_FRAME_HEADER_SIZE;
	struct pack_header h;
	int r;

	if (len < PACK_FRAME_HEADER_SIZE)
		return err_set(err, ERR_CORRUPT, "the frame is cut short");
	r = pack_header_decode(bytes, off, &h, err);
	if (r < 0)
		return r;
	if (pack_header_frame_len(&h) != len)
		return err_set(err, ERR_CORRUPT, "the frame has another length");
	r = pack_header_check_table(&h, table, err);
	if (r < 0)
		return r;
	if (h.sum != XXH3_64bits(table, len - PACK_FRAME_HEADER_SIZE))
		return err_set(err, ERR_CORRUPT, "checksum mismatch");
	*ret = (struct pack_frame){
		.type = h.type,
		.method = h.method,
		.count = h.count,
		.stored_len = h.stored_len,
		.raw_len = h.raw_len,
		.table = table,
		.body = table + pack_header_table_len(&h),
	};
	return 0;
}

void pack_frame_entry(const struct pack_frame *f, uint32_t i, struct pack_entry *ret)
{
	entry_decode(f->table + (size_t)i * PACK_TABLE_ENTRY_SIZE, ret);
}

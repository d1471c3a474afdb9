/* SPDX-License-Identifier: Apache-2.0
 * The sealed index: blocks that are checked when they are read, and the search for a digest
 * among sorted records. */
#include "store/share_private.h"

#include <string.h>
#include <xxhash.h>

#include "store/base/endian.h"
#include "store/base/io.h"

#define RECORDS_MAX (1ull << 32)

static uint64_t body_len(const struct share *s)
{
	return s->records * SHARE_RECORD_SIZE + s->state_len;
}

static int damaged(const struct share *s, const char *what, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "published index '%s': %s", s->name, what);
}

/* ---- opening ---- */

static int read_header(struct share *s, uint64_t *ret_table_sum, struct err *err)
{
	uint8_t h[SHARE_HEADER_SIZE];
	int r = io_pread(s->fd, h, sizeof(h), 0, s->name, err);

	if (r < 0)
		return r;
	if (memcmp(h, SHARE_MAGIC, 8) != 0)
		return damaged(s, "it is none, or of a newer version", err);
	if (get_le64(h + 40) != XXH3_64bits(h, 40))
		return damaged(s, "its header has a bad checksum", err);
	s->records = get_le64(h + 8);
	s->state_len = get_le64(h + 16);
	*ret_table_sum = get_le64(h + 24);
	if (s->records > RECORDS_MAX || s->state_len > SHARE_STATE_MAX)
		return damaged(s, "its header makes no sense", err);
	s->blocks = (body_len(s) + SHARE_BLOCK - 1) / SHARE_BLOCK;
	return 0;
}

static int read_table(struct share *s, uint64_t sum, struct err *err)
{
	size_t len = (size_t)s->blocks * sizeof(uint64_t);
	uint64_t size;
	int r = io_size(s->fd, &size, s->name, err);

	if (r < 0)
		return r;
	if (size != SHARE_HEADER_SIZE + body_len(s) + len)
		return damaged(s, "it has another length than it says", err);
	s->sums = malloc(len + 1);
	if (!s->sums)
		return err_nomem(err);
	r = io_pread(s->fd, s->sums, len, SHARE_HEADER_SIZE + body_len(s), s->name, err);
	if (r == 0 && XXH3_64bits(s->sums, len) != sum)
		r = damaged(s, "its table of blocks has a bad checksum", err);
	return r;
}

int share_index_open(struct share *s, int dirfd, struct err *err)
{
	uint64_t sum = 0;
	int r = io_open(dirfd, s->name, O_RDONLY, 0, &s->fd, err);

	if (r == 0)
		r = read_header(s, &sum, err);
	return r < 0 ? r : read_table(s, sum, err);
}

void share_index_close(struct share *s)
{
	for (unsigned i = 0; i < SHARE_CACHED; i++)
		free(s->cache[i].data);
	free(s->sums);
	if (s->fd >= 0)
		close(s->fd);
}

/* ---- blocks ---- */

static size_t block_len(const struct share *s, uint64_t number)
{
	uint64_t left = body_len(s) - number * SHARE_BLOCK;

	return left < SHARE_BLOCK ? (size_t)left : SHARE_BLOCK;
}

/* With the lock; the bytes are valid as long as it is held. */
static int get_block(struct share *s, uint64_t number, const uint8_t **ret,
		     struct err *err)
{
	struct share_block *b = &s->cache[number % SHARE_CACHED];
	size_t len = block_len(s, number);
	int r;

	if (b->number == number + 1) {
		*ret = b->data;
		return 0;
	}
	b->number = 0;
	if (!b->data)
		b->data = malloc(SHARE_BLOCK);
	if (!b->data)
		return err_nomem(err);
	r = io_pread(s->fd, b->data, len, SHARE_HEADER_SIZE + number * SHARE_BLOCK,
		     s->name, err);
	if (r < 0)
		return r;
	if (XXH3_64bits(b->data, len) != get_le64(s->sums + number * sizeof(uint64_t)))
		return damaged(s, "a block has a bad checksum", err);
	b->number = number + 1;
	*ret = b->data;
	return 0;
}

int share_index_state(struct share *s, struct buf *buf, struct err *err)
{
	uint64_t at = s->records * SHARE_RECORD_SIZE;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	while (at < body_len(s) && r == 0) {
		size_t off = (size_t)(at % SHARE_BLOCK);
		const uint8_t *block;
		size_t len;

		r = get_block(s, at / SHARE_BLOCK, &block, err);
		if (r < 0)
			break;
		len = block_len(s, at / SHARE_BLOCK) - off;
		r = buf_append(buf, block + off, len, err);
		at += len;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* ---- records; all with the lock ---- */

_Static_assert(SHARE_BLOCK % SHARE_RECORD_SIZE == 0, "no record lies in two blocks");

static int get_record(struct share *s, uint64_t i, const uint8_t **ret, struct err *err)
{
	uint64_t at = i * SHARE_RECORD_SIZE;
	int r = get_block(s, at / SHARE_BLOCK, ret, err);

	if (r == 0)
		*ret += at % SHARE_BLOCK;
	return r;
}

static uint64_t key_of(const uint8_t *digest)
{
	return __builtin_bswap64(get_le64(digest));
}

/* The first record whose key is at least KEY; s->records if there is none. Digests are spread
 * evenly, so the search begins where it should be and mostly stays in one block. */
static int find(struct share *s, uint64_t key, uint64_t *ret, struct err *err)
{
	uint64_t low = 0, high = s->records;
	uint64_t middle = (uint64_t)((unsigned __int128)key * s->records >> 64);
	uint64_t step = 64;

	while (low < high) {
		const uint8_t *record;
		int r = get_record(s, middle, &record, err);

		if (r < 0)
			return r;
		if (key_of(record) < key) {
			low = middle + 1;
			middle = high - low > step ? low + step : low + (high - low) / 2;
		} else {
			high = middle;
			middle = high - low > step ? high - step : low + (high - low) / 2;
		}
		step *= 4;
		if (middle >= high && low < high)
			middle = high - 1;
	}
	*ret = low;
	return 0;
}

static int decode(const struct share *s, const uint8_t *record, struct object_place *ret,
		  struct err *err)
{
	uint8_t kind = record[SHARE_R_KIND];

	if (kind < OBJECT_WHOLE || kind > OBJECT_DOCUMENT ||
	    get_le32(record + SHARE_R_PACK) & PACK_ALTERNATE_BITS)
		return damaged(s, "a record makes no sense", err);
	*ret = (struct object_place){
		.frame = {get_le32(record + SHARE_R_PACK),
			  get_le32(record + SHARE_R_FRAME_LEN),
			  get_le64(record + SHARE_R_FRAME_OFF)},
		.off = get_le32(record + SHARE_R_OFF),
		.len = get_le32(record + SHARE_R_LEN),
		.kind = kind,
	};
	return 0;
}

static int object_get(struct share *s, const struct digest *d, struct object_place *ret,
		      struct err *err)
{
	uint64_t i;
	int r = find(s, key_of(d->bytes), &i, err);

	for (; r == 0 && i < s->records; i++) {
		const uint8_t *record;
		int order;

		r = get_record(s, i, &record, err);
		if (r < 0)
			return r;
		order = memcmp(record, d->bytes, DIGEST_SIZE);
		if (order == 0)
			return decode(s, record, ret, err);
		if (order > 0)
			break;
	}
	return r < 0 ? r : -ERR_NOTFOUND;
}

int share_object_get(struct share *s, const struct digest *d, struct object_place *ret,
		     struct err *err)
{
	int r;

	pthread_mutex_lock(&s->lock);
	r = object_get(s, d, ret, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static int by_prefix(struct share *s, uint64_t prefix, unsigned bits, struct digest *ret,
		     struct err *err)
{
	uint64_t mask = bits < 64 ? ~(~0ull >> bits) : ~0ull;
	const uint8_t *record;
	uint64_t i;
	int r = find(s, prefix & mask, &i, err);

	if (r < 0)
		return r;
	if (i == s->records)
		return -ERR_NOTFOUND;
	r = get_record(s, i, &record, err);
	if (r < 0)
		return r;
	if ((key_of(record) & mask) != (prefix & mask))
		return -ERR_NOTFOUND;
	memcpy(ret->bytes, record, DIGEST_SIZE);
	if (i + 1 == s->records)
		return 0;
	r = get_record(s, i + 1, &record, err);
	if (r == 0 && (key_of(record) & mask) == (prefix & mask))
		r = err_set(err, ERR_FAILED, "two objects begin with these digits");
	return r;
}

int share_object_by_prefix(struct share *s, uint64_t prefix, unsigned bits,
			   struct digest *ret, struct err *err)
{
	struct digest found;
	int r;

	pthread_mutex_lock(&s->lock);
	r = by_prefix(s, prefix, bits, &found, err);
	pthread_mutex_unlock(&s->lock);
	if (r == 0)
		*ret = found;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0
 * Writes the sealed index of a published store, front to back; the header last. */
#include "store/share_write.h"

#include <string.h>
#include <xxhash.h>

#include "store/base/io.h"
#include "store/check_private.h"
#include "store/share_format.h"

#define WHAT       "published index"
#define BLOCKS_MAX ((size_t)1 << 24)

struct sealing {
	int fd;
	uint64_t at; /* where the next block goes */
	uint64_t records;
	struct buf block, sums;
};

static int write_block(struct sealing *w, struct err *err)
{
	int r = io_pwrite(w->fd, w->block.data, w->block.len, w->at, WHAT, err);

	if (r == 0)
		r = buf_append_le64(&w->sums, XXH3_64bits(w->block.data, w->block.len),
				    err);
	w->at += w->block.len;
	buf_clear(&w->block);
	return r;
}

static int put(struct sealing *w, const uint8_t *data, size_t len, struct err *err)
{
	int r = 0;

	while (len && r == 0) {
		size_t n = SHARE_BLOCK - w->block.len;

		n = n < len ? n : len;
		r = buf_append(&w->block, data, n, err);
		if (r == 0 && w->block.len == SHARE_BLOCK)
			r = write_block(w, err);
		data += n;
		len -= n;
	}
	return r;
}

static int on_object(void *arg, const struct digest *d, const struct object_place *place,
		     struct err *err)
{
	uint8_t record[SHARE_RECORD_SIZE] = {0};
	struct sealing *w = arg;

	memcpy(record, d->bytes, DIGEST_SIZE);
	put_le64(record + SHARE_R_FRAME_OFF, place->frame.off);
	put_le32(record + SHARE_R_PACK, place->frame.pack);
	put_le32(record + SHARE_R_FRAME_LEN, place->frame.len);
	put_le32(record + SHARE_R_OFF, place->off);
	put_le32(record + SHARE_R_LEN, place->len);
	record[SHARE_R_KIND] = (uint8_t)place->kind;
	w->records++;
	return put(w, record, sizeof(record), err);
}

static int make_state(struct catalog_txn *t, struct buf *out, struct err *err)
{
	const struct check_ranges no_packs = {0};
	struct digest_map dropped;
	uint32_t next;
	int r;

	digest_map_init(&dropped, sizeof(struct digest));
	r = check_dump(t, &no_packs, &dropped, out, &next, err);
	digest_map_release(&dropped);
	return r;
}

/* The table of blocks, then the header, which makes a whole of it. */
static int finish(struct sealing *w, uint64_t state_len, struct err *err)
{
	uint8_t h[SHARE_HEADER_SIZE] = SHARE_MAGIC;
	int r = w->block.len ? write_block(w, err) : 0;

	if (r == 0)
		r = io_pwrite(w->fd, w->sums.data, w->sums.len, w->at, WHAT, err);
	put_le64(h + 8, w->records);
	put_le64(h + 16, state_len);
	put_le64(h + 24, XXH3_64bits(w->sums.data, w->sums.len));
	put_le64(h + 40, XXH3_64bits(h, 40));
	if (r == 0)
		r = io_pwrite(w->fd, h, sizeof(h), 0, WHAT, err);
	return r < 0 ? r : io_sync(w->fd, WHAT, err);
}

int share_write_index(int fd, struct catalog_txn *t, uint64_t *ret_objects,
		      struct err *err)
{
	struct sealing w = {.fd = fd, .at = SHARE_HEADER_SIZE};
	auto_buf struct buf state;
	int r;

	buf_init(&state, SHARE_STATE_MAX);
	buf_init(&w.block, SHARE_BLOCK);
	buf_init(&w.sums, BLOCKS_MAX * sizeof(uint64_t));
	r = catalog_object_each(t, on_object, &w, err);
	if (r == 0)
		r = make_state(t, &state, err);
	if (r == 0)
		r = put(&w, state.data, state.len, err);
	if (r == 0)
		r = finish(&w, state.len, err);
	buf_release(&w.block);
	buf_release(&w.sums);
	if (r < 0)
		return r;
	*ret_objects = w.records;
	return 0;
}

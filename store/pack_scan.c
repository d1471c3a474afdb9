/* SPDX-License-Identifier: Apache-2.0
 * Reading a pack from front to back, over damage if need be. */
#include "store/pack_private.h"

#include <sys/stat.h>

#include "store/base/io.h"

#define WINDOW (64u << 10) /* what is searched at a time for the next frame */
#define SECTOR 4096u       /* what is given up at a time where nothing can be read */

struct scan {
	int fd;
	uint32_t number;
	char name[PACK_NAME_SIZE];
	bool body;
	struct buf bytes; /* the frame being looked at */
};

/* What cannot be read is damage too, wherever it comes from. */
static int read_at(struct scan *s, void *data, size_t len, uint64_t off, struct err *err)
{
	struct err cause;
	int r = io_pread(s->fd, data, len, off, s->name, &cause);

	if (r == -ERR_SYSTEM && cause.sys == EIO)
		return err_set(err, ERR_CORRUPT, "it cannot be read");
	return r < 0 ? err_copy(err, &cause) : 0;
}

/* Reads the frame at OFF. *ret_len is its length as soon as its header is known to be
 * whole, else 0. */
static int frame_at(struct scan *s, uint64_t off, struct pack_frame *ret,
		    uint32_t *ret_len, struct err *err)
{
	struct pack_header h;
	uint32_t len;
	int r;

	*ret_len = 0;
	buf_clear(&s->bytes);
	r = buf_reserve(&s->bytes, PACK_FRAME_HEADER_SIZE, err);
	if (r == 0)
		r = read_at(s, s->bytes.data, PACK_FRAME_HEADER_SIZE, off, err);
	if (r == 0)
		r = pack_header_decode(s->bytes.data, off, &h, err);
	if (r < 0)
		return r;
	*ret_len = pack_header_frame_len(&h);
	len = s->body ? *ret_len : *ret_len - h.stored_len;
	s->bytes.len = PACK_FRAME_HEADER_SIZE;
	r = buf_reserve(&s->bytes, len, err);
	if (r == 0)
		r = read_at(s, s->bytes.data + PACK_FRAME_HEADER_SIZE,
			    len - PACK_FRAME_HEADER_SIZE, off + PACK_FRAME_HEADER_SIZE,
			    err);
	if (r < 0)
		return r;
	if (s->body)
		return pack_frame_decode(s->bytes.data, len, off, ret, err);
	*ret = (struct pack_frame){
		.type = h.type,
		.method = h.method,
		.count = h.count,
		.stored_len = h.stored_len,
		.raw_len = h.raw_len,
		.table = s->bytes.data + PACK_FRAME_HEADER_SIZE,
	};
	return pack_header_check_table(&h, ret->table, err);
}

/* Where in the window, which begins at OFF of the file, a frame header stands. LEN if
 * nowhere. */
static size_t find_header(const uint8_t *window, size_t len, uint64_t off)
{
	static const uint8_t magic[4] = {'L', 'F', 'R', 'M'};
	struct pack_header h;
	size_t at = 0;

	while (len - at >= PACK_FRAME_HEADER_SIZE) {
		const uint8_t *found =
			memmem(window + at, len - at, magic, sizeof(magic));

		if (!found)
			break;
		at = (size_t)(found - window);
		if (len - at < PACK_FRAME_HEADER_SIZE)
			break;
		if (pack_header_decode(found, off + at, &h, NULL) == 0)
			return at;
		at++;
	}
	return len;
}

/* The next place at or behind OFF where a frame begins, TO if there is none before. */
static int find_next(struct scan *s, uint64_t off, uint64_t to, uint64_t *ret,
		     struct err *err)
{
	auto_free uint8_t *window = malloc(WINDOW);
	uint64_t size;
	int r = io_size(s->fd, &size, s->name, err);

	if (!window)
		return err_nomem(err);
	if (r < 0)
		return r;
	while (off < to && off < size && size - off >= PACK_FRAME_HEADER_SIZE) {
		size_t len = size - off < WINDOW ? (size_t)(size - off) : WINDOW;
		size_t at;

		r = read_at(s, window, len, off, err);
		if (r == -ERR_CORRUPT) {
			off = (off / SECTOR + 1) * SECTOR;
			continue;
		}
		if (r < 0)
			return r;
		at = find_header(window, len, off);
		if (at < len) {
			*ret = off + at < to ? off + at : to;
			return 0;
		}
		off += len - (PACK_FRAME_HEADER_SIZE - 1);
	}
	*ret = to;
	return 0;
}

static int check_file_header(struct scan *s, struct err *err)
{
	uint8_t header[PACK_FILE_HEADER_SIZE];
	int r = read_at(s, header, sizeof(header), 0, err);

	return r < 0 ? r : pack_file_header_check(header, s->number, err);
}

static int scan_range(struct scan *s, uint64_t from, uint64_t to, bool resync,
		      pack_each_fn *each, pack_damaged_fn *damaged, void *arg,
		      struct err *err)
{
	uint64_t off = from;

	while (off < to) {
		struct pack_frame frame;
		uint64_t next;
		uint32_t len;
		int r = frame_at(s, off, &frame, &len, err);

		if (r == 0) {
			struct pack_place at = {s->number, len, off};

			r = each(arg, &at, &frame, err);
			if (r < 0)
				return r;
			off += len;
			continue;
		}
		if (r != -ERR_CORRUPT || !resync) {
			err_wrap(err, "pack %08x: frame at %llu", s->number,
				 (unsigned long long)off);
			return r;
		}
		next = off + len;
		if (!len) {
			r = find_next(s, off + 1, to, &next, err);
			if (r < 0)
				return r;
		}
		if (damaged)
			damaged(arg, s->number, off, next < to ? next : to);
		off = next;
	}
	return 0;
}

int pack_scan(struct packs *p, uint32_t number, uint64_t from, uint64_t to, bool body,
	      bool resync, pack_each_fn *each, pack_damaged_fn *damaged, void *arg,
	      struct err *err)
{
	struct scan s = {.number = number, .body = body};
	struct pack_handle h;
	int r = packs_acquire(p, number, &h, err);

	if (r < 0)
		return r;
	s.fd = h.fd;
	pack_name(number, s.name);
	buf_init(&s.bytes, UINT32_MAX);
	if (from < PACK_FILE_HEADER_SIZE && to > 0) {
		r = check_file_header(&s, err);
		if (r == -ERR_CORRUPT && resync) {
			if (damaged)
				damaged(arg, number, 0, PACK_FILE_HEADER_SIZE);
			r = 0;
		}
		from = PACK_FILE_HEADER_SIZE;
	}
	if (r == 0)
		r = scan_range(&s, from, to, resync, each, damaged, arg, err);
	buf_release(&s.bytes);
	packs_release(p, &h);
	return r;
}

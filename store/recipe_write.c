/* SPDX-License-Identifier: Apache-2.0
 * Writes a recipe: collects literals and object slices into segments, segments into an
 * index. The recipe depends only on the tar's bytes and its payload's objects, not on how
 * they were cut into calls. */
#include "store/recipe.h"

#include <string.h>

#define LITERAL_MAX  (64u << 10) /* one op; longer runs become several */
#define ZERO_RUN_MIN 512u
#define VARINT_MAX   10u
#define SEGMENTS_MAX \
	((PACK_BODY_MAX - RECIPE_INDEX_HEADER_SIZE) / RECIPE_INDEX_ENTRY_SIZE)

struct recipe_writer {
	struct session *session;
	struct buf literal; /* bytes not yet examined for zero runs */
	struct buf ops;     /* of the open segment */
	struct buf objects; /* of the open segment */
	struct buf index;   /* entries */
	struct buf frame;   /* a finished segment */
	uint64_t at;        /* tar bytes that are in ops */
	uint64_t segment_at;
	uint64_t zeros; /* come after ops, before `slice` and `literal` */

	/* A slice that may still grow; comes after `zeros`, before `literal`. */
	bool has_slice;
	struct digest slice;
	uint64_t slice_off, slice_len;
};

int recipe_writer_new(struct session *s, struct recipe_writer **ret, struct err *err)
{
	struct recipe_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return err_nomem(err);
	w->session = s;
	buf_init(&w->literal, LITERAL_MAX);
	buf_init(&w->ops, RECIPE_SEGMENT_MAX);
	buf_init(&w->objects, RECIPE_SEGMENT_MAX);
	buf_init(&w->index, SEGMENTS_MAX * RECIPE_INDEX_ENTRY_SIZE);
	buf_init(&w->frame, RECIPE_SEGMENT_MAX);
	*ret = w;
	return 0;
}

void recipe_writer_free(struct recipe_writer *w)
{
	if (!w)
		return;
	buf_release(&w->literal);
	buf_release(&w->ops);
	buf_release(&w->objects);
	buf_release(&w->index);
	buf_release(&w->frame);
	free(w);
}

static size_t varint_encode(uint8_t *out, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		out[n++] = (uint8_t)v | 0x80;
	out[n++] = (uint8_t)v;
	return n;
}

/* ---- segments ---- */

static int index_append(struct recipe_writer *w, const struct pack_place *place,
			struct err *err)
{
	uint8_t entry[RECIPE_INDEX_ENTRY_SIZE];

	put_le64(entry, w->segment_at);
	put_le32(entry + 8, place->pack);
	put_le32(entry + 12, place->len);
	put_le64(entry + 16, place->off);
	return buf_append(&w->index, entry, sizeof(entry), err);
}

static int segment_close(struct recipe_writer *w, struct err *err)
{
	struct pack_place place;
	int r;

	if (w->ops.len == 0)
		return 0;
	buf_clear(&w->frame);
	r = buf_append(&w->frame, RECIPE_SEGMENT_MAGIC, 8, err);
	if (r == 0)
		r = buf_append_le32(&w->frame, (uint32_t)w->ops.len, err);
	if (r == 0)
		r = buf_append_le32(&w->frame, (uint32_t)(w->objects.len / DIGEST_SIZE),
				    err);
	if (r == 0)
		r = buf_append(&w->frame, w->ops.data, w->ops.len, err);
	if (r == 0)
		r = buf_append(&w->frame, w->objects.data, w->objects.len, err);
	if (r == 0)
		r = session_put_frame(w->session, PACK_RECIPE, w->frame.data,
				      w->frame.len, &place, err);
	if (r == 0)
		r = index_append(w, &place, err);
	buf_clear(&w->ops);
	buf_clear(&w->objects);
	w->segment_at = w->at;
	return r;
}

/* Makes room for an op of OP_LEN bytes that may bring one new object. */
static int segment_room(struct recipe_writer *w, size_t op_len, struct err *err)
{
	size_t used = RECIPE_SEGMENT_HEADER + w->ops.len + w->objects.len;

	if (used + op_len + DIGEST_SIZE <= RECIPE_SEGMENT_MAX)
		return 0;
	return segment_close(w, err);
}

static int put_zeros(struct recipe_writer *w, struct err *err)
{
	uint8_t op[1 + VARINT_MAX] = {RECIPE_ZEROS};
	uint64_t len = w->zeros;
	int r;

	if (len == 0)
		return 0;
	r = segment_room(w, sizeof(op), err);
	if (r == 0)
		r = buf_append(&w->ops, op, 1 + varint_encode(op + 1, len), err);
	w->zeros = 0;
	w->at += len;
	return r;
}

static int put_slice(struct recipe_writer *w, struct err *err)
{
	uint8_t op[1 + 3 * VARINT_MAX] = {RECIPE_OBJECT};
	size_t n = 1, last;
	bool known;
	int r;

	if (!w->has_slice)
		return 0;
	w->has_slice = false;
	r = segment_room(w, sizeof(op), err);
	if (r < 0)
		return r;
	/* Slices of one object follow each other, so looking at the last one is enough. */
	last = w->objects.len / DIGEST_SIZE;
	known = last > 0 && memcmp(w->objects.data + w->objects.len - DIGEST_SIZE,
				   w->slice.bytes, DIGEST_SIZE) == 0;
	n += varint_encode(op + n, known ? last - 1 : last);
	n += varint_encode(op + n, w->slice_off);
	n += varint_encode(op + n, w->slice_len);
	r = buf_append(&w->ops, op, n, err);
	if (r == 0 && !known)
		r = buf_append(&w->objects, w->slice.bytes, DIGEST_SIZE, err);
	w->at += w->slice_len;
	return r;
}

/* Puts what must come before anything else that is put. */
static int put_pending(struct recipe_writer *w, struct err *err)
{
	int r = put_zeros(w, err);

	return r < 0 ? r : put_slice(w, err);
}

/* ---- literals ---- */

static int put_literal(struct recipe_writer *w, const uint8_t *data, size_t len,
		       struct err *err)
{
	uint8_t op[1 + VARINT_MAX] = {RECIPE_LITERAL};
	size_t n;
	int r;

	r = put_pending(w, err);
	if (r < 0 || len == 0)
		return r;
	n = 1 + varint_encode(op + 1, len);
	r = segment_room(w, n + len, err);
	if (r == 0)
		r = buf_append(&w->ops, op, n, err);
	if (r == 0)
		r = buf_append(&w->ops, data, len, err);
	w->at += len;
	return r;
}

static size_t zeros_before(const uint8_t *p, size_t end, size_t floor)
{
	while (end > floor && p[end - 1] == 0)
		end--;
	return end;
}

static size_t zeros_after(const uint8_t *p, size_t from, size_t len)
{
	for (; from + 8 <= len; from += 8) {
		uint64_t word;

		memcpy(&word, p + from, sizeof(word));
		if (word)
			break;
	}
	while (from < len && p[from] == 0)
		from++;
	return from;
}

/* Finds the first run of zeros of at least ZERO_RUN_MIN bytes in [from, len). A run that
 * long covers a multiple of half its length, so only those are probed. */
static bool find_zeros(const uint8_t *p, size_t from, size_t len, size_t *ret_start,
		       size_t *ret_end)
{
	const size_t step = ZERO_RUN_MIN / 2;

	for (size_t probe = (from + step - 1) / step * step; probe < len; probe += step) {
		size_t start, end;

		if (p[probe])
			continue;
		end = zeros_after(p, probe, len);
		start = zeros_before(p, probe, from);
		if (end - start >= ZERO_RUN_MIN) {
			*ret_start = start;
			*ret_end = end;
			return true;
		}
	}
	return false;
}

/* Turns the collected literal bytes into ops. */
static int literal_flush(struct recipe_writer *w, struct err *err)
{
	const uint8_t *p = w->literal.data;
	size_t len = w->literal.len, from = 0, start, end;
	int r;

	if (len == 0)
		return 0;
	if (w->zeros &&
	    !w->has_slice) { /* the run goes on from what was flushed before */
		from = zeros_after(p, 0, len);
		w->zeros += from;
	}
	while (find_zeros(p, from, len, &start, &end)) {
		r = put_literal(w, p + from, start - from, err);
		if (r == 0)
			r = put_pending(w, err);
		if (r < 0)
			return r;
		w->zeros = end - start;
		from = end;
	}
	r = from < len ? put_literal(w, p + from, len - from, err) : 0;
	buf_clear(&w->literal);
	return r;
}

int recipe_literal(struct recipe_writer *w, const void *data, size_t len, struct err *err)
{
	const uint8_t *p = data;

	while (len) {
		size_t room = LITERAL_MAX - w->literal.len;
		size_t n = len < room ? len : room;
		int r = buf_append(&w->literal, p, n, err);

		if (r == 0 && w->literal.len == LITERAL_MAX)
			r = literal_flush(w, err);
		if (r < 0)
			return r;
		p += n;
		len -= n;
	}
	return 0;
}

int recipe_object(struct recipe_writer *w, const struct digest *d, uint64_t off,
		  uint64_t len, struct err *err)
{
	int r;

	if (w->has_slice && w->literal.len == 0 && digest_equal(&w->slice, d) &&
	    len > 0 && w->slice_len > 0 && off == w->slice_off + w->slice_len) {
		w->slice_len += len;
		return 0;
	}
	r = literal_flush(w, err);
	if (r == 0)
		r = put_pending(w, err);
	if (r < 0)
		return r;
	w->has_slice = true;
	w->slice = *d;
	w->slice_off = off;
	w->slice_len = len;
	return 0;
}

int recipe_finish(struct recipe_writer *w, struct pack_place *ret, uint64_t *ret_tar_size,
		  struct err *err)
{
	auto_buf struct buf out;
	uint32_t count;
	int r = literal_flush(w, err);

	buf_init(&out, PACK_BODY_MAX);
	if (r == 0)
		r = put_pending(w, err);
	if (r == 0)
		r = segment_close(w, err);
	if (r < 0)
		return r;
	count = (uint32_t)(w->index.len / RECIPE_INDEX_ENTRY_SIZE);
	r = buf_append(&out, RECIPE_INDEX_MAGIC, 8, err);
	if (r == 0)
		r = buf_append_le64(&out, w->at, err);
	if (r == 0)
		r = buf_append_le32(&out, count, err);
	if (r == 0)
		r = buf_append_le32(&out, 0, err);
	if (r == 0)
		r = buf_append(&out, w->index.data, w->index.len, err);
	if (r == 0)
		r = session_put_frame(w->session, PACK_RECIPE, out.data, out.len, ret,
				      err);
	if (r == 0)
		*ret_tar_size = w->at;
	return r;
}

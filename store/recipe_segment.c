/* SPDX-License-Identifier: Apache-2.0
 * Decodes recipe segments and indexes. */
#include "store/recipe_segment.h"

#include <string.h>

static int damaged(struct err *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "damaged recipe: %s", what);
}

/* At most ten bytes, no bits beyond 64, no needless trailing zero group. */
static bool varint_decode(struct cursor *c, uint64_t *ret)
{
	uint64_t v = 0;
	uint8_t byte;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (!cursor_u8(c, &byte))
			return false;
		if (shift == 63 && byte > 1)
			return false;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return byte != 0 || shift == 0;
		}
	}
	return false;
}

int recipe_segment_open(struct recipe_segment *g, const uint8_t *bytes, size_t len,
			uint64_t at, struct err *err)
{
	struct cursor c = {bytes, len};
	const uint8_t *magic, *ops;
	uint32_t op_bytes, count;

	if (len > RECIPE_SEGMENT_MAX)
		return damaged(err, "a segment is too long");
	if (!cursor_bytes(&c, 8, &magic) || memcmp(magic, RECIPE_SEGMENT_MAGIC, 8) != 0 ||
	    !cursor_le32(&c, &op_bytes) || !cursor_le32(&c, &count))
		return damaged(err, "not a segment");
	if (!cursor_bytes(&c, op_bytes, &ops) || c.left != (uint64_t)count * DIGEST_SIZE)
		return damaged(err, "a segment has the wrong length");
	*g = (struct recipe_segment){{ops, op_bytes}, c.p, count, 0, at};
	return 0;
}

static int object_decode(struct recipe_segment *g, struct recipe_step *step,
			 struct err *err)
{
	uint64_t object, end;

	if (!varint_decode(&g->ops, &object) ||
	    !varint_decode(&g->ops, &step->object_off) ||
	    !varint_decode(&g->ops, &step->len))
		return damaged(err, "an object op is cut short");
	if (object > g->used || object >= g->count)
		return damaged(err, "an object is out of order");
	if (__builtin_add_overflow(step->object_off, step->len, &end) ||
	    (step->len == 0 && step->object_off != 0))
		return damaged(err, "an object slice is out of range");
	if (object == g->used)
		g->used++;
	memcpy(step->object.bytes, g->objects + object * DIGEST_SIZE, DIGEST_SIZE);
	return 0;
}

int recipe_segment_next(struct recipe_segment *g, struct recipe_step *ret, bool *ret_more,
			struct err *err)
{
	struct recipe_step step = {.at = g->at};
	uint8_t op;
	int r = 0;

	if (!cursor_u8(&g->ops, &op)) {
		if (g->used != g->count)
			return damaged(err, "a segment has unused objects");
		*ret_more = false;
		return 0;
	}
	step.op = (enum recipe_op)op;
	if (op == RECIPE_OBJECT)
		r = object_decode(g, &step, err);
	else if (op != RECIPE_LITERAL && op != RECIPE_ZEROS)
		r = damaged(err, "an op is unknown");
	else if (!varint_decode(&g->ops, &step.len) || step.len == 0)
		r = damaged(err, "an op has no length");
	else if (op == RECIPE_LITERAL &&
		 (step.len > g->ops.left ||
		  !cursor_bytes(&g->ops, step.len, &step.literal)))
		r = damaged(err, "a literal is cut short");
	if (r < 0)
		return r;
	if (__builtin_add_overflow(g->at, step.len, &g->at))
		return damaged(err, "it is longer than a tar can be");
	*ret = step;
	*ret_more = true;
	return 0;
}

int recipe_segment_decode(const uint8_t *bytes, size_t len, uint64_t at,
			  recipe_each_fn *each, void *arg, struct err *err)
{
	struct recipe_segment g;
	struct recipe_step step;
	bool more = true;
	int r = recipe_segment_open(&g, bytes, len, at, err);

	while (r == 0) {
		r = recipe_segment_next(&g, &step, &more, err);
		if (r < 0 || !more)
			break;
		r = each(arg, &step, err);
	}
	return r;
}

int recipe_index_open(struct recipe_index *x, const uint8_t *bytes, size_t len,
		      const struct pack_place *at, struct err *err)
{
	struct cursor c = {bytes, len};
	const uint8_t *magic;
	uint32_t count, zero;
	uint64_t size;

	if (!cursor_bytes(&c, 8, &magic) || memcmp(magic, RECIPE_INDEX_MAGIC, 8) != 0 ||
	    !cursor_le64(&c, &size) || !cursor_le32(&c, &count) ||
	    !cursor_le32(&c, &zero) || zero != 0)
		return damaged(err, "not an index");
	if (c.left != (uint64_t)count * RECIPE_INDEX_ENTRY_SIZE)
		return damaged(err, "the index has the wrong length");
	if ((count == 0 && size != 0) || (count > 0 && get_le64(c.p) != 0))
		return damaged(err, "the index does not begin at the tar's first byte");
	*x = (struct recipe_index){c.p, count, 0, size, *at};
	return 0;
}

int recipe_index_next(struct recipe_index *x, struct pack_place *ret, uint64_t *ret_at,
		      uint64_t *ret_end, bool *ret_more, struct err *err)
{
	const uint8_t *entry = x->entries + (size_t)x->next * RECIPE_INDEX_ENTRY_SIZE;
	uint64_t at, end;

	if (x->next == x->count) {
		*ret_more = false;
		return 0;
	}
	at = get_le64(entry);
	end = x->next + 1 < x->count ? get_le64(entry + RECIPE_INDEX_ENTRY_SIZE)
				     : x->tar_size;
	if (end < at)
		return damaged(err, "the index is out of order");
	ret->pack = get_le32(entry + 8);
	ret->len = get_le32(entry + 12);
	ret->off = get_le64(entry + 16);
	pack_place_beside(ret, &x->at);
	*ret_at = at;
	*ret_end = end;
	*ret_more = true;
	x->next++;
	return 0;
}

int recipe_index_move(struct buf *index, const struct pack_place *at,
		      recipe_move_fn *move, void *arg, struct err *err)
{
	struct recipe_index x;
	uint8_t *entry;
	int r = recipe_index_open(&x, index->data, index->len, at, err);

	if (r < 0)
		return r;
	entry = index->data + (x.entries - index->data);
	for (uint32_t i = 0; i < x.count; i++, entry += RECIPE_INDEX_ENTRY_SIZE) {
		struct pack_place place;
		uint64_t from, to;
		bool more;

		r = recipe_index_next(&x, &place, &from, &to, &more, err);
		if (r == 0)
			r = move(arg, &place, err);
		if (r < 0)
			return r;
		put_le32(entry + 8, place.pack);
		put_le32(entry + 12, place.len);
		put_le64(entry + 16, place.off);
	}
	return 0;
}

int recipe_index_decode(const uint8_t *bytes, size_t len, recipe_index_fn *each,
			void *arg, uint64_t *ret_tar_size, struct err *err)
{
	const struct pack_place nowhere = {0};
	struct pack_place place;
	struct recipe_index x;
	uint64_t at = 0, end = 0;
	bool more = true;
	int r = recipe_index_open(&x, bytes, len, &nowhere, err);

	while (r == 0) {
		r = recipe_index_next(&x, &place, &at, &end, &more, err);
		if (r < 0 || !more)
			break;
		r = each(arg, &place, at, end - at, err);
	}
	if (r == 0)
		*ret_tar_size = x.tar_size;
	return r;
}

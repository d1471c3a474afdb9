/* SPDX-License-Identifier: Apache-2.0
 * Queues of framing and digests, drained into the recipe as far as both are known. */
#include "store/layer_framing.h"

#include <string.h>

/* What a hostile archive can make us queue: sparse maps of an entry are bounded by the
 * scanner (4 MiB), so these are out of reach for honest ones. */
#define ITEMS_MAX    (1u << 20)
#define DIGESTS_MAX  (1u << 20)
#define LITERALS_MAX (64u << 20)

struct item {
	bool literal;
	uint64_t ordinal, off; /* of payload */
	uint64_t len;
};

struct known {
	uint64_t ordinal;
	struct digest digest;
	bool hole;
};

void layer_framing_init(struct layer_framing *f, struct recipe_writer *recipe)
{
	f->recipe = recipe;
	fifo_init(&f->items, sizeof(struct item), ITEMS_MAX);
	fifo_init(&f->digests, sizeof(struct known), DIGESTS_MAX);
	buf_init(&f->literals, LITERALS_MAX);
	f->literals_used = 0;
}

void layer_framing_release(struct layer_framing *f)
{
	fifo_release(&f->items);
	fifo_release(&f->digests);
	buf_release(&f->literals);
}

static int literal_drain(struct layer_framing *f, const struct item *item,
			 struct err *err)
{
	int r = recipe_literal(f->recipe, f->literals.data + f->literals_used,
			       (size_t)item->len, err);

	f->literals_used += (size_t)item->len;
	if (f->literals_used == f->literals.len) {
		buf_clear(&f->literals);
		f->literals_used = 0;
	}
	return r;
}

/* Drops the digests of entries before ORDINAL: their payload has gone by. Those that had
 * none get their place in the recipe here. */
static int digests_pass(struct layer_framing *f, uint64_t ordinal, struct err *err)
{
	const struct known *k;
	int r = 0;

	while (r == 0 && (k = fifo_front(&f->digests)) && k->ordinal < ordinal) {
		if (k->hole)
			r = recipe_object(f->recipe, &k->digest, 0, 0, err);
		fifo_pop(&f->digests);
	}
	return r;
}

static int payload_drain(struct layer_framing *f, const struct item *item,
			 bool *ret_known, struct err *err)
{
	int r = digests_pass(f, item->ordinal, err);
	const struct known *k = fifo_front(&f->digests);

	*ret_known = k != NULL;
	if (r < 0 || !k)
		return r;
	if (k->ordinal != item->ordinal || k->hole)
		return err_set(err, ERR_INVALID,
			       "entry %llu has content where none belongs",
			       (unsigned long long)item->ordinal);
	return recipe_object(f->recipe, &k->digest, item->off, item->len, err);
}

static int drain(struct layer_framing *f, struct err *err)
{
	const struct item *item;
	bool known = true;

	while ((item = fifo_front(&f->items))) {
		int r = item->literal ? literal_drain(f, item, err)
				      : payload_drain(f, item, &known, err);

		if (r < 0 || !known)
			return r;
		fifo_pop(&f->items);
	}
	return 0;
}

static int literals_append(struct layer_framing *f, const void *data, size_t len,
			   struct err *err)
{
	struct buf *b = &f->literals;

	if (2 * f->literals_used > b->len) {
		b->len -= f->literals_used;
		memmove(b->data, b->data + f->literals_used, b->len);
		f->literals_used = 0;
	}
	return buf_append(b, data, len, err);
}

int layer_framing_literal(struct layer_framing *f, const void *data, size_t len,
			  struct err *err)
{
	struct item item = {.literal = true, .len = len}, *last = fifo_back(&f->items);
	int r;

	if (!last)
		return recipe_literal(f->recipe, data, len, err);
	r = literals_append(f, data, len, err);
	if (r < 0 || len == 0)
		return r;
	if (last->literal) {
		last->len += len;
		return 0;
	}
	return fifo_push(&f->items, &item, err);
}

int layer_framing_payload(struct layer_framing *f, uint64_t ordinal, uint64_t off,
			  uint64_t len, struct err *err)
{
	struct item item = {.ordinal = ordinal, .off = off, .len = len};
	struct item *last = fifo_back(&f->items);
	int r;

	if (len == 0)
		return 0;
	if (last && !last->literal && last->ordinal == ordinal &&
	    last->off + last->len == off) {
		last->len += len;
		return 0;
	}
	r = fifo_push(&f->items, &item, err);
	return r < 0 ? r : drain(f, err);
}

int layer_framing_digest(struct layer_framing *f, uint64_t ordinal,
			 const struct digest *d, bool hole, struct err *err)
{
	struct known known = {ordinal, *d, hole};
	int r = fifo_push(&f->digests, &known, err);

	return r < 0 ? r : drain(f, err);
}

int layer_framing_finish(struct layer_framing *f, struct err *err)
{
	const struct item *item;
	int r = drain(f, err);

	if (r < 0)
		return r;
	item = fifo_front(&f->items);
	if (item)
		return err_set(err, ERR_INVALID,
			       "entry %llu has content where none belongs",
			       (unsigned long long)item->ordinal);
	return digests_pass(f, UINT64_MAX, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * The published stores that a store reads from, asked one after the other. */
#include <string.h>

#include "store/alternates_private.h"

/* A question to one published store; SLOT bits make its places ours. -ERR_NOTFOUND: ask the
 * next. */
struct question {
	int (*ask)(struct share *s, const struct question *q, uint32_t slot,
		   struct err *err);
	const struct digest *digest;
	uint64_t prefix;
	unsigned bits;
	void *ret;
	enum record_type type; /* of ask_row: what RET is, and its size */
	size_t size;
};

static int ask_all(struct alternates *a, const struct question *q, struct err *err)
{
	int r = -ERR_NOTFOUND;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->publisher_count && r == -ERR_NOTFOUND; i++) {
		uint32_t slot = PACK_ALTERNATE | (uint32_t)i << PACK_ALTERNATE_SHIFT;
		struct publisher *p = &a->publishers[i];

		if (p->share)
			r = q->ask(p->share, q, slot, err);
		/* A damaged index is as good as none: others may have it. */
		if (r == -ERR_CORRUPT || r == -ERR_SYSTEM)
			r = -ERR_NOTFOUND;
	}
	pthread_rwlock_unlock(&a->lock);
	return r;
}

static int ask(struct alternates *a, const struct question *q, struct err *err)
{
	int r = ask_all(a, q, err);

	return r == -ERR_NOTFOUND && alternates_refresh_if_old(a) ? ask_all(a, q, err)
								  : r;
}

static int ask_object(struct share *s, const struct question *q, uint32_t slot,
		      struct err *err)
{
	struct object_place *place = q->ret;
	int r = share_object_get(s, q->digest, place, err);

	if (r == 0)
		place->frame.pack |= slot;
	return r;
}

int alternates_object_get(struct alternates *a, const struct digest *d,
			  struct object_place *ret, struct err *err)
{
	const struct question q = {.ask = ask_object, .digest = d, .ret = ret};

	return ask(a, &q, err);
}

static int ask_prefix(struct share *s, const struct question *q, uint32_t slot,
		      struct err *err)
{
	(void)slot;
	return share_object_by_prefix(s, q->prefix, q->bits, q->ret, err);
}

int alternates_object_by_prefix(struct alternates *a, uint64_t prefix, unsigned bits,
				struct digest *ret, struct err *err)
{
	const struct question q = {
		.ask = ask_prefix, .prefix = prefix, .bits = bits, .ret = ret};

	return ask(a, &q, err);
}

/* One that misses content is not worth having. */
static int ask_layer(struct share *s, const struct question *q, uint32_t slot,
		     struct err *err)
{
	const struct record_layer *layer = share_layer(s, q->digest);
	struct record_layer *ret = q->ret;

	(void)err;
	if (!layer || layer->flags & LAYER_DAMAGED)
		return -ERR_NOTFOUND;
	*ret = *layer;
	ret->recipe.pack |= slot;
	if (ret->tree.pack)
		ret->tree.pack |= slot;
	return 0;
}

int alternates_layer_get(struct alternates *a, const struct digest *diffid,
			 struct record_layer *ret, struct err *err)
{
	const struct question q = {.ask = ask_layer, .digest = diffid, .ret = ret};

	return ask(a, &q, err);
}

static int ask_row(struct share *s, const struct question *q, uint32_t slot,
		   struct err *err)
{
	const void *there = share_row(s, q->type, q->digest);

	(void)err;
	(void)slot;
	if (!there)
		return -ERR_NOTFOUND;
	memcpy(q->ret, there, q->size);
	return 0;
}

static int row_get(struct alternates *a, enum record_type type, const struct digest *d,
		   void *ret, size_t size, struct err *err)
{
	const struct question q = {
		.ask = ask_row, .digest = d, .ret = ret, .type = type, .size = size};

	return ask(a, &q, err);
}

int alternates_blob_get(struct alternates *a, const struct digest *blob,
			struct record_blob *ret, struct err *err)
{
	return row_get(a, RECORD_BLOB, blob, ret, sizeof(*ret), err);
}

int alternates_encoding_get(struct alternates *a, const struct digest *blob,
			    struct record_encoding *ret, struct err *err)
{
	return row_get(a, RECORD_ENCODING, blob, ret, sizeof(*ret), err);
}

int alternates_chain_get(struct alternates *a, const struct digest *chainid,
			 struct record_chain *ret, struct err *err)
{
	return row_get(a, RECORD_CHAIN, chainid, ret, sizeof(*ret), err);
}

int alternates_image_get(struct alternates *a, const struct digest *manifest,
			 struct record_image *ret, struct err *err)
{
	return row_get(a, RECORD_IMAGE, manifest, ret, sizeof(*ret), err);
}

int alternates_key_get(struct alternates *a, const struct digest *key,
		       struct record_key *ret, struct err *err)
{
	return row_get(a, RECORD_KEY, key, ret, sizeof(*ret), err);
}

struct key_search {
	alternates_match_fn *matches;
	const void *arg;
	struct digest found;
	unsigned count;
};

/* All are asked, whatever one says. */
static int ask_match(struct share *s, const struct question *q, uint32_t slot,
		     struct err *err)
{
	struct key_search *k = q->ret;

	(void)err;
	(void)slot;
	for (size_t i = 0; i < share_key_count(s); i++) {
		const struct digest *key = &share_key(s, i)->key;

		if (k->matches(k->arg, key) &&
		    !(k->count && digest_equal(key, &k->found))) {
			k->count++;
			k->found = *key;
		}
	}
	return -ERR_NOTFOUND;
}

int alternates_key_match(struct alternates *a, alternates_match_fn *matches,
			 const void *arg, struct digest *ret, struct err *err)
{
	struct key_search k = {.matches = matches, .arg = arg};
	const struct question q = {.ask = ask_match, .ret = &k};

	if (ask(a, &q, err) != -ERR_NOTFOUND || !k.count)
		return -ERR_NOTFOUND;
	if (k.count > 1)
		return err_set(err, ERR_INVALID, "several keys of alternates fit");
	*ret = k.found;
	return 0;
}

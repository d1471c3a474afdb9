/* SPDX-License-Identifier: Apache-2.0
 * Items of a journal record to bytes and back. */
#include "store/record.h"

#include <string.h>

#define ITEM_HEADER_SIZE 6 /* u16 type, u32 length of the payload */

/* ---- encoding: the buffer remembers whether it failed ---- */

struct encoder {
	struct buf *buf;
	struct err *err;
	int r;
};

static void put_u32(struct encoder *e, uint32_t v)
{
	if (e->r == 0)
		e->r = buf_append_le32(e->buf, v, e->err);
}

static void put_u64(struct encoder *e, uint64_t v)
{
	if (e->r == 0)
		e->r = buf_append_le64(e->buf, v, e->err);
}

static void put_digest(struct encoder *e, const struct digest *d)
{
	if (e->r == 0)
		e->r = buf_append(e->buf, d->bytes, DIGEST_SIZE, e->err);
}

static void put_place(struct encoder *e, const struct pack_place *p)
{
	put_u32(e, p->pack);
	put_u32(e, p->len);
	put_u64(e, p->off);
}

static void put_string(struct encoder *e, const char *s)
{
	size_t len = strlen(s);

	if (e->r == 0 && len > UINT16_MAX)
		e->r = err_set(e->err, ERR_LIMIT, "a string of %zu bytes is too long",
			       len);
	if (e->r == 0)
		e->r = buf_append_le16(e->buf, (uint16_t)len, e->err);
	if (e->r == 0 && len)
		e->r = buf_append(e->buf, s, len, e->err);
}

static void put_layer(struct encoder *e, const struct record_layer *l)
{
	put_digest(e, &l->diffid);
	put_place(e, &l->recipe);
	put_place(e, &l->tree);
	put_u32(e, l->number);
	put_u32(e, l->flags);
	put_u64(e, l->tar_size);
	put_u64(e, l->content_size);
	put_u64(e, l->new_size);
	put_u64(e, l->entries);
	put_u64(e, (uint64_t)l->created);
}

static void put_ref(struct encoder *e, const struct record_ref *ref)
{
	size_t len = strlen(ref->name);

	if (len == 0 || len > RECORD_REF_NAME_MAX || ref->count > RECORD_REF_TARGETS_MAX)
		e->r = err_set(e->err, ERR_LIMIT,
			       "the name '%.64s' is too long or has too many platforms",
			       ref->name);
	put_string(e, ref->name);
	put_digest(e, &ref->index);
	put_u32(e, ref->count);
	put_u64(e, (uint64_t)ref->created);
	for (uint32_t i = 0; i < ref->count && e->r == 0; i++) {
		put_digest(e, &ref->targets[i].manifest);
		put_string(e, ref->targets[i].platform);
	}
}

static void put_key(struct encoder *e, const struct record_key *key)
{
	put_digest(e, &key->key);
	put_digest(e, &key->chainid);
	put_digest(e, &key->manifest);
	put_digest(e, &key->parent);
	put_string(e, key->scope);
	put_u64(e, (uint64_t)key->created);
}

static void put_payload(struct encoder *e, const struct record_item *item)
{
	switch (item->type) {
	case RECORD_PACK:
		put_u32(e, item->pack.pack);
		put_u64(e, item->pack.from);
		put_u64(e, item->pack.to);
		return;
	case RECORD_LAYER:
		put_layer(e, &item->layer);
		return;
	case RECORD_CHAIN:
		put_digest(e, &item->chain.chainid);
		put_digest(e, &item->chain.parent);
		put_digest(e, &item->chain.diffid);
		put_u32(e, item->chain.number);
		return;
	case RECORD_BLOB:
		put_digest(e, &item->blob.blob);
		put_digest(e, &item->blob.diffid);
		put_u64(e, item->blob.size);
		put_u32(e, item->blob.compression);
		return;
	case RECORD_IMAGE:
		put_digest(e, &item->image.manifest);
		put_digest(e, &item->image.config);
		put_digest(e, &item->image.chainid);
		put_string(e, item->image.platform);
		return;
	case RECORD_REF:
		put_ref(e, &item->ref);
		return;
	case RECORD_UNREF:
		put_string(e, item->unref.name);
		return;
	case RECORD_TREE:
		put_u32(e, item->tree.number);
		put_u32(e, item->tree.superseded);
		put_u32(e, item->tree.version);
		put_digest(e, &item->tree.sha256);
		return;
	case RECORD_DROP:
		put_digest(e, &item->drop.object);
		return;
	case RECORD_KEY:
		put_key(e, &item->key);
		return;
	case RECORD_UNKEY:
		put_digest(e, &item->unkey.key);
		return;
	case RECORD_ARTIFACT:
		put_digest(e, &item->artifact.manifest);
		put_digest(e, &item->artifact.needs);
		put_digest(e, &item->artifact.subject);
		put_u64(e, (uint64_t)item->artifact.created);
		return;
	case RECORD_GONE:
		put_u32(e, item->gone.kind);
		put_u32(e, item->gone.number);
		put_digest(e, &item->gone.id);
		return;
	case RECORD_PACK_GONE:
		put_u32(e, item->pack_gone.pack);
		return;
	}
	e->r = err_set(e->err, ERR_FAILED, "no item has type %u", (unsigned)item->type);
}

/* The targets first: they have the stricter alignment. */
int record_ref_copy(const struct record_ref *ref, struct record_ref *ret,
		    void **ret_memory, struct err *err)
{
	size_t targets = ref->count * sizeof(ref->targets[0]);
	size_t name = strlen(ref->name) + 1;
	char *at = malloc(targets + name);

	if (!at)
		return err_nomem(err);
	*ret = *ref;
	ret->targets = targets ? memcpy(at, ref->targets, targets) : NULL;
	ret->name = memcpy(at + targets, ref->name, name);
	*ret_memory = at;
	return 0;
}

int record_encode(struct buf *buf, const struct record_item *item, struct err *err)
{
	struct encoder e = {.buf = buf, .err = err};
	size_t start = buf->len;

	e.r = buf_append_le16(buf, (uint16_t)item->type, err);
	put_u32(&e, 0);
	put_payload(&e, item);
	if (e.r < 0) {
		buf->len = start;
		return e.r;
	}
	put_le32(buf->data + start + 2, (uint32_t)(buf->len - start - ITEM_HEADER_SIZE));
	return 0;
}

/* ---- decoding ---- */

/* Room for the strings of one item. */
struct arena {
	char name[RECORD_REF_NAME_MAX + 1];
	struct record_ref_target targets[RECORD_REF_TARGETS_MAX];
};

static bool take_digest(struct cursor *c, struct digest *ret)
{
	const uint8_t *p;

	if (!cursor_bytes(c, DIGEST_SIZE, &p))
		return false;
	memcpy(ret->bytes, p, DIGEST_SIZE);
	return true;
}

static bool take_place(struct cursor *c, struct pack_place *ret)
{
	return cursor_le32(c, &ret->pack) && cursor_le32(c, &ret->len) &&
	       cursor_le64(c, &ret->off);
}

static bool take_i64(struct cursor *c, int64_t *ret)
{
	uint64_t v;

	if (!cursor_le64(c, &v))
		return false;
	*ret = (int64_t)v;
	return true;
}

/* Copies a string of less than SIZE bytes without NULs inside, and terminates it. */
static bool take_string(struct cursor *c, char *ret, size_t size)
{
	const uint8_t *p;
	uint16_t len;

	if (!cursor_le16(c, &len) || len >= size || !cursor_bytes(c, len, &p) ||
	    memchr(p, 0, len))
		return false;
	memcpy(ret, p, len);
	ret[len] = '\0';
	return true;
}

static bool take_name(struct cursor *c, struct arena *a, const char **ret)
{
	*ret = a->name;
	return take_string(c, a->name, sizeof(a->name)) && a->name[0];
}

static bool take_layer(struct cursor *c, struct record_layer *l)
{
	return take_digest(c, &l->diffid) && take_place(c, &l->recipe) &&
	       take_place(c, &l->tree) && cursor_le32(c, &l->number) &&
	       cursor_le32(c, &l->flags) && cursor_le64(c, &l->tar_size) &&
	       cursor_le64(c, &l->content_size) && cursor_le64(c, &l->new_size) &&
	       cursor_le64(c, &l->entries) && take_i64(c, &l->created);
}

static bool take_ref(struct cursor *c, struct arena *a, struct record_ref *ref)
{
	if (!take_name(c, a, &ref->name) || !take_digest(c, &ref->index) ||
	    !cursor_le32(c, &ref->count) || !take_i64(c, &ref->created) ||
	    ref->count > RECORD_REF_TARGETS_MAX)
		return false;
	ref->targets = a->targets;
	for (uint32_t i = 0; i < ref->count; i++) {
		struct record_ref_target *t = &a->targets[i];

		if (!take_digest(c, &t->manifest) ||
		    !take_string(c, t->platform, sizeof(t->platform)))
			return false;
	}
	return true;
}

static bool take_key(struct cursor *c, struct record_key *key)
{
	return take_digest(c, &key->key) && take_digest(c, &key->chainid) &&
	       take_digest(c, &key->manifest) && take_digest(c, &key->parent) &&
	       take_string(c, key->scope, sizeof(key->scope)) &&
	       take_i64(c, &key->created);
}

static bool take_artifact(struct cursor *c, struct record_artifact *a)
{
	return take_digest(c, &a->manifest) && take_digest(c, &a->needs) &&
	       take_digest(c, &a->subject) && take_i64(c, &a->created);
}

static bool take_gone(struct cursor *c, struct record_gone *g)
{
	return cursor_le32(c, &g->kind) && cursor_le32(c, &g->number) &&
	       take_digest(c, &g->id) && g->kind <= GONE_ARTIFACT &&
	       (g->kind != GONE_NUMBER || digest_is_zero(&g->id));
}

static bool take_payload(struct cursor *c, struct arena *a, struct record_item *item)
{
	switch (item->type) {
	case RECORD_PACK:
		return cursor_le32(c, &item->pack.pack) &&
		       cursor_le64(c, &item->pack.from) &&
		       cursor_le64(c, &item->pack.to) && item->pack.from <= item->pack.to;
	case RECORD_LAYER:
		return take_layer(c, &item->layer);
	case RECORD_CHAIN:
		return take_digest(c, &item->chain.chainid) &&
		       take_digest(c, &item->chain.parent) &&
		       take_digest(c, &item->chain.diffid) &&
		       cursor_le32(c, &item->chain.number);
	case RECORD_BLOB:
		return take_digest(c, &item->blob.blob) &&
		       take_digest(c, &item->blob.diffid) &&
		       cursor_le64(c, &item->blob.size) &&
		       cursor_le32(c, &item->blob.compression);
	case RECORD_IMAGE:
		return take_digest(c, &item->image.manifest) &&
		       take_digest(c, &item->image.config) &&
		       take_digest(c, &item->image.chainid) &&
		       take_string(c, item->image.platform, sizeof(item->image.platform));
	case RECORD_REF:
		return take_ref(c, a, &item->ref);
	case RECORD_UNREF:
		return take_name(c, a, &item->unref.name);
	case RECORD_TREE:
		return cursor_le32(c, &item->tree.number) &&
		       cursor_le32(c, &item->tree.superseded) &&
		       cursor_le32(c, &item->tree.version) &&
		       take_digest(c, &item->tree.sha256);
	case RECORD_DROP:
		return take_digest(c, &item->drop.object);
	case RECORD_KEY:
		return take_key(c, &item->key);
	case RECORD_UNKEY:
		return take_digest(c, &item->unkey.key);
	case RECORD_ARTIFACT:
		return take_artifact(c, &item->artifact);
	case RECORD_GONE:
		return take_gone(c, &item->gone);
	case RECORD_PACK_GONE:
		return cursor_le32(c, &item->pack_gone.pack) && item->pack_gone.pack;
	}
	return false;
}

int record_decode(const uint8_t *bytes, size_t len, record_each_fn *each, void *arg,
		  struct err *err)
{
	struct cursor c = {bytes, len};
	struct arena arena;
	int r = 0;

	while (c.left && r == 0) {
		struct record_item item;
		struct cursor payload;
		uint32_t size;
		uint16_t type;

		memset(&item, 0, sizeof(item));
		if (!cursor_le16(&c, &type) || !cursor_le32(&c, &size) ||
		    !cursor_bytes(&c, size, &payload.p))
			return err_set(err, ERR_CORRUPT, "an item is cut short");
		payload.left = size;
		item.type = type;
		if (!take_payload(&payload, &arena, &item) || payload.left)
			return err_set(err, ERR_CORRUPT,
				       "an item of type %u makes no sense", type);
		r = each(arg, &item, err);
	}
	return r;
}

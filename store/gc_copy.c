/* SPDX-License-Identifier: Apache-2.0
 * Moves what is needed of a pack into another one: frames of which most is needed as they are,
 * out of the others the objects that are, side by side in new frames. Recipes and trees name
 * places, so what names a place that moves is written anew. */
#include "store/gc_private.h"

#include <string.h>

#include "store/recipe_segment.h"
#include "store/tree_frames.h"

/* A frame is copied as it is if at least this part of its objects is live, in quarters. */
#define WHOLE_QUARTERS 3
#define FILL           (512u << 10)
#define ENTRIES_MAX    16384
#define TREE_MAX       ((size_t)2 << 30)
#define LIST_MAX       (1u << 30)

void gc_copy_init(struct gc_copy *c, struct gc_mark *m, const struct gc_options *o,
		  struct session *s, uint32_t pack)
{
	*c = (struct gc_copy){.mark = m, .options = o, .session = s, .pack = pack};
	buf_init(&c->data, PACK_BODY_MAX);
	buf_init(&c->data_table, PACK_TABLE_MAX * sizeof(struct pack_entry));
	buf_init(&c->lists, PACK_BODY_MAX);
	buf_init(&c->lists_table, PACK_TABLE_MAX * sizeof(struct pack_entry));
	buf_init(&c->left, LIST_MAX);
	buf_init(&c->others, LIST_MAX);
	buf_init(&c->moved, LIST_MAX);
}

void gc_copy_release(struct gc_copy *c)
{
	buf_release(&c->data);
	buf_release(&c->data_table);
	buf_release(&c->lists);
	buf_release(&c->lists_table);
	buf_release(&c->left);
	buf_release(&c->others);
	buf_release(&c->moved);
}

/* ---- objects side by side ---- */

static int flush(struct gc_copy *c, enum pack_frame_type type, struct err *err)
{
	struct buf *data = type == PACK_DATA ? &c->data : &c->lists;
	struct buf *table = type == PACK_DATA ? &c->data_table : &c->lists_table;
	struct pack_place place;
	int r = 0;

	if (table->len)
		r = session_pack_append(
			c->session, type,
			(const struct pack_entry *)(const void *)table->data,
			(uint32_t)(table->len / sizeof(struct pack_entry)), data->data,
			data->len, &place, err);
	buf_clear(data);
	buf_clear(table);
	return r;
}

static int flush_all(struct gc_copy *c, struct err *err)
{
	int r = flush(c, PACK_DATA, err);

	return r < 0 ? r : flush(c, PACK_CHUNKS, err);
}

static int gather(struct gc_copy *c, enum pack_frame_type type,
		  const struct pack_entry *entry, const uint8_t *raw, struct err *err)
{
	struct buf *data = type == PACK_DATA ? &c->data : &c->lists;
	struct buf *table = type == PACK_DATA ? &c->data_table : &c->lists_table;
	struct pack_entry e = *entry;
	int r = 0;

	if (table->len &&
	    (data->len + e.len > FILL || table->len / sizeof(e) >= ENTRIES_MAX))
		r = flush(c, type, err);
	e.off = (uint32_t)data->len;
	if (r == 0)
		r = buf_append(data, raw + entry->off, e.len, err);
	return r < 0 ? r : buf_append(table, &e, sizeof(e), err);
}

/* ---- frames ---- */

/* The entry is the one that the catalog leads to. */
static bool is_ours(const struct gc_mark *m, int64_t i, const struct pack_place *at)
{
	return i >= 0 && gc_mark_frame(m, (size_t)i)->at.pack == at->pack &&
	       gc_mark_frame(m, (size_t)i)->at.off == at->off;
}

struct weight {
	uint64_t bytes, live;
	uint32_t dead; /* entries */
};

static void weigh(const struct gc_mark *m, const struct pack_place *at,
		  const struct pack_frame *f, struct weight *ret)
{
	*ret = (struct weight){0};
	for (uint32_t k = 0; k < f->count; k++) {
		struct pack_entry e;
		int64_t i;

		pack_frame_entry(f, k, &e);
		i = gc_mark_find(m, &e.digest);
		ret->bytes += e.len;
		if (is_ours(m, i, at) && (m->flags[i] & GC_LIVE))
			ret->live += e.len;
		else
			ret->dead++;
	}
}

static int gather_live(struct gc_copy *c, const struct pack_place *at,
		       const struct pack_frame *f, struct err *err)
{
	struct gc_mark *m = c->mark;
	int r;

	buf_clear(&m->body);
	r = buf_reserve(&m->body, f->raw_len, err);
	if (r == 0)
		r = codec_decompress(m->codec, f->method, f->body, f->stored_len,
				     m->body.data, f->raw_len, err);
	for (uint32_t k = 0; k < f->count && r == 0; k++) {
		struct pack_entry e;
		int64_t i;

		pack_frame_entry(f, k, &e);
		i = gc_mark_find(m, &e.digest);
		if (is_ours(m, i, at) && (m->flags[i] & GC_LIVE))
			r = gather(c, f->type, &e, m->body.data, err);
	}
	return r;
}

static int note_left(struct gc_copy *c, const struct pack_place *at,
		     const struct pack_frame *f, struct err *err)
{
	const struct gc_mark *m = c->mark;
	int r = 0;

	for (uint32_t k = 0; k < f->count && r == 0; k++) {
		struct gc_left left = {.at = *at};
		struct pack_entry e;
		int64_t i;

		pack_frame_entry(f, k, &e);
		i = gc_mark_find(m, &e.digest);
		/* One that lies in the pack twice is dealt with where the catalog leads. */
		if (i < 0 || gc_mark_frame(m, (size_t)i)->at.pack != c->pack)
			r = buf_append(&c->others, &e.digest, sizeof(e.digest), err);
		if (r < 0 || !is_ours(m, i, at) || (m->flags[i] & GC_LIVE))
			continue;
		left.digest = e.digest;
		left.object = (uint32_t)i;
		c->left_whole = c->left_whole || f->type == PACK_DATA;
		r = buf_append(&c->left, &left, sizeof(left), err);
	}
	return r;
}

static int copy_whole(struct gc_copy *c, const struct pack_place *at,
		      const struct pack_frame *f, struct err *err)
{
	struct pack_place place;
	int r = session_pack_copy(c->session, f, &place, err);

	if (r == 0 && c->options->copied)
		c->options->copied(c->options->arg, at, &place);
	return r;
}

/* Lists are copied exactly: one whose chunks are gone must not come back. */
static int copy_frame(struct gc_copy *c, const struct pack_place *at,
		      const struct pack_frame *f, struct err *err)
{
	struct weight w;
	int r;

	weigh(c->mark, at, f, &w);
	if (w.dead == f->count)
		return note_left(c, at, f, err);
	if (w.dead == 0 ||
	    (f->type == PACK_DATA && w.live >= w.bytes / 4 * WHOLE_QUARTERS))
		return copy_whole(c, at, f, err);
	r = gather_live(c, at, f, err);
	return r < 0 ? r : note_left(c, at, f, err);
}

static int on_frame(void *arg, const struct pack_place *at, const struct pack_frame *f,
		    struct err *err)
{
	return f->count ? copy_frame(arg, at, f, err) : 0;
}

/* ---- recipes and trees ---- */

static int compress_segment(struct gc_copy *c, struct pack_place *place, struct err *err)
{
	struct gc_mark *m = c->mark;
	int r = recipe_frame_read(store_packs(m->store), place, m->codec, &m->frame_bytes,
				  &m->body, err);

	return r < 0 ? r
		     : session_put_frame(c->session, PACK_RECIPE, m->body.data,
					 m->body.len, place, err);
}

static int copy_segment(void *arg, struct pack_place *place, struct err *err)
{
	struct gc_copy *c = arg;
	struct gc_mark *m = c->mark;
	struct pack_frame f;
	int r;

	if (place->pack != c->pack)
		return 0;
	if (c->session->level != CODEC_LEVEL_DEFAULT)
		return compress_segment(c, place, err);
	r = pack_read(store_packs(m->store), place, &m->frame_bytes, &f, err);
	return r < 0 ? r : session_pack_copy(c->session, &f, place, err);
}

/* The index with the segments' new places. */
static int copy_recipe(struct gc_copy *c, const struct pack_place *at,
		       struct pack_place *ret, struct err *err)
{
	struct gc_mark *m = c->mark;
	int r = recipe_frame_read(store_packs(m->store), at, m->codec, &m->frame_bytes,
				  &m->index, err);

	if (r == 0)
		r = recipe_index_move(&m->index, at, copy_segment, c, err);
	return r < 0 ? r
		     : session_put_frame(c->session, PACK_RECIPE, m->index.data,
					 m->index.len, ret, err);
}

/* One that cannot be read is left out: it can be made again. */
static int copy_tree(struct gc_copy *c, const struct pack_place *at,
		     struct pack_place *ret, struct err *err)
{
	auto_buf struct buf image;
	int r;

	*ret = (struct pack_place){0};
	if (!at->pack)
		return 0;
	buf_init(&image, TREE_MAX);
	r = tree_frames_get(store_packs(c->mark->store), at, &image, err);
	if (r == -ERR_CORRUPT || r == -ERR_NOTFOUND)
		return 0;
	return r < 0 ? r : tree_frames_put(c->session, image.data, image.len, ret, err);
}

static int copy_layer(struct gc_copy *c, const struct digest *diffid, struct err *err)
{
	struct gc_moved moved = {.diffid = *diffid};
	struct catalog_txn *t = NULL;
	struct record_layer layer;
	int r = catalog_begin(store_catalog(c->mark->store), false, &t, err);

	if (r == 0)
		r = catalog_layer_get(t, diffid, &layer, err);
	catalog_abort(t);
	if (r < 0)
		return r == -ERR_NOTFOUND ? 0 : r;
	moved.recipe = layer.recipe;
	moved.tree = layer.tree;
	r = copy_recipe(c, &layer.recipe, &moved.new_recipe, err);
	if (r == 0)
		r = copy_tree(c, &layer.tree, &moved.new_tree, err);
	return r < 0 ? r : buf_append(&c->moved, &moved, sizeof(moved), err);
}

static int copy_layers(struct gc_copy *c, struct err *err)
{
	const struct gc_mark *m = c->mark;
	const struct gc_user *users = (const struct gc_user *)(const void *)m->users.data;
	size_t count = m->users.len / sizeof(*users);
	uint32_t last = UINT32_MAX;
	int r = 0;

	/* Those of a layer follow each other. */
	for (size_t i = 0; i < count && r == 0; i++) {
		const struct gc_layer *l;

		if (users[i].pack != c->pack || users[i].layer == last)
			continue;
		last = users[i].layer;
		l = digest_map_entry(&m->layers, last);
		r = copy_layer(c, &l->diffid, err);
	}
	return r;
}

/* ---- all ---- */

int gc_copy_run(struct gc_copy *c, uint64_t length, struct err *err)
{
	int r = pack_scan(store_packs(c->mark->store), c->pack, 0, length, true, false,
			  on_frame, NULL, c, err);

	if (r == 0)
		r = flush_all(c, err);
	return r < 0 ? r : copy_layers(c, err);
}

int gc_copy_check(struct gc_copy *c, struct catalog_txn *t, struct err *err)
{
	const struct digest *others = (const struct digest *)(const void *)c->others.data;

	for (size_t i = 0; i < c->others.len / sizeof(*others); i++) {
		struct object_place place;
		int r = catalog_object_get(t, &others[i], &place, NULL);

		if (r == 0 && place.frame.pack == c->pack)
			return err_set(err, ERR_BUSY,
				       "the catalog was made anew while pack %08x was "
				       "copied",
				       c->pack);
		if (r < 0 && r != -ERR_NOTFOUND)
			return catalog_object_get(t, &others[i], &place, err);
	}
	return 0;
}

static int copy_again(struct gc_copy *c, const struct pack_place *at, struct err *err)
{
	struct gc_mark *m = c->mark;
	auto_buf struct buf bytes;
	struct pack_frame f;
	int r;

	buf_init(&bytes, 2 * (size_t)PACK_BODY_MAX);
	r = pack_read(store_packs(m->store), at, &bytes, &f, err);
	return r < 0 ? r : copy_frame(c, at, &f, err);
}

/* A frame is copied once more with all that is live of it by now: having something twice
 * harms nobody. */
int gc_copy_late(struct gc_copy *c, struct err *err)
{
	size_t count = c->left.len / sizeof(struct gc_left);
	uint64_t last = 0;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		struct gc_left left;

		memcpy(&left, c->left.data + i * sizeof(left), sizeof(left));
		if (!(c->mark->flags[left.object] & GC_LIVE) || left.at.off == last)
			continue;
		last = left.at.off;
		r = copy_again(c, &left.at, err);
	}
	return r < 0 ? r : flush_all(c, err);
}

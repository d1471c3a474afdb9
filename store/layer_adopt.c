/* SPDX-License-Identifier: Apache-2.0
 * A layer of an alternate, adopted. */
#include "store/layer_adopt.h"

#include <time.h>

#include "store/layer.h"
#include "store/recipe_segment.h"
#include "store/tree_frames.h"

struct adoption {
	struct session *session;
	struct packs *packs;
	struct codec *codec;
	struct buf scratch, index, segment;
};

static int read_frame(struct adoption *a, const struct pack_place *at, struct buf *raw,
		      struct err *err)
{
	enum pack_frame_type type;
	int r = pack_read_body(a->packs, at, a->codec, &a->scratch, raw, &type, err);

	if (r == 0 && type != PACK_RECIPE)
		r = err_set(err, ERR_CORRUPT, "a frame is no part of a recipe");
	return r;
}

static int copy_segment(struct adoption *a, struct pack_place *place, struct err *err)
{
	int r = read_frame(a, place, &a->segment, err);

	return r < 0 ? r
		     : session_put_frame(a->session, PACK_RECIPE, a->segment.data,
					 a->segment.len, place, err);
}

/* All segments, then the index with their new places. */
static int copy_recipe(struct adoption *a, const struct pack_place *at,
		       struct pack_place *ret, struct err *err)
{
	struct recipe_index x;
	uint8_t *entry;
	int r = read_frame(a, at, &a->index, err);

	if (r == 0)
		r = recipe_index_open(&x, a->index.data, a->index.len, err);
	if (r < 0)
		return r;
	entry = a->index.data + (x.entries - a->index.data);
	for (uint32_t i = 0; i < x.count; i++) {
		struct pack_place place;
		uint64_t from, to;
		bool more;

		r = recipe_index_next(&x, &place, &from, &to, &more, err);
		pack_place_beside(&place, at);
		if (r == 0)
			r = copy_segment(a, &place, err);
		if (r < 0)
			return r;
		put_le32(entry + 8, place.pack);
		put_le32(entry + 12, place.len);
		put_le64(entry + 16, place.off);
		entry += RECIPE_INDEX_ENTRY_SIZE;
	}
	return session_put_frame(a->session, PACK_RECIPE, a->index.data, a->index.len,
				 ret, err);
}

/* One that cannot be read is left out: it is made again from the recipe. */
static int copy_tree(struct adoption *a, const struct pack_place *at,
		     struct pack_place *ret, struct err *err)
{
	auto_buf struct buf image;

	*ret = (struct pack_place){0};
	buf_init(&image, LAYER_TREE_MAX);
	if (!at->pack || tree_frames_get(a->packs, at, &image, NULL) < 0)
		return 0;
	return tree_frames_put(a->session, image.data, image.len, ret, err);
}

static int adopt(struct adoption *a, const struct record_layer *theirs,
		 struct record_item *item, struct err *err)
{
	int r = codec_new(&a->codec, err);

	item->layer = *theirs;
	item->layer.new_size = 0;
	item->layer.created = time(NULL);
	if (r == 0)
		r = copy_recipe(a, &theirs->recipe, &item->layer.recipe, err);
	if (r == 0)
		r = copy_tree(a, &theirs->tree, &item->layer.tree, err);
	return r < 0 ? r : session_add(a->session, item, err);
}

int layer_adopt(struct session *s, const struct digest *diffid, struct record_layer *ret,
		struct err *err)
{
	struct store *store = session_store(s);
	struct adoption a = {.session = s, .packs = store_packs(store)};
	struct record_item item = {.type = RECORD_LAYER};
	char text[DIGEST_TEXT_SIZE];
	struct record_layer theirs;
	int r = alternates_layer_get(store_alternates(store), diffid, &theirs, err);

	if (r == -ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "no alternate has layer %s",
			       digest_format(diffid, text));
	if (r < 0)
		return r;
	buf_init(&a.scratch, 2 * (size_t)PACK_BODY_MAX);
	buf_init(&a.index, PACK_BODY_MAX);
	buf_init(&a.segment, PACK_BODY_MAX);
	r = adopt(&a, &theirs, &item, err);
	buf_release(&a.scratch);
	buf_release(&a.index);
	buf_release(&a.segment);
	codec_free(a.codec);
	if (r < 0)
		return err_wrap(err, "layer %s of an alternate",
				digest_format(diffid, text));
	*ret = item.layer;
	return 0;
}

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

static int copy_segment(void *arg, struct pack_place *place, struct err *err)
{
	struct adoption *a = arg;
	int r = recipe_frame_read(a->packs, place, a->codec, &a->scratch, &a->segment,
				  err);

	return r < 0 ? r
		     : session_put_frame(a->session, PACK_RECIPE, a->segment.data,
					 a->segment.len, place, err);
}

/* All segments, then the index with their new places. */
static int copy_recipe(struct adoption *a, const struct pack_place *at,
		       struct pack_place *ret, struct err *err)
{
	int r = recipe_frame_read(a->packs, at, a->codec, &a->scratch, &a->index, err);

	if (r == 0)
		r = recipe_index_move(&a->index, at, copy_segment, a, err);
	return r < 0 ? r
		     : session_put_frame(a->session, PACK_RECIPE, a->index.data,
					 a->index.len, ret, err);
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

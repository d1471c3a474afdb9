/* SPDX-License-Identifier: Apache-2.0
 * Layers of which the journal's record is lost. The recipe gives the tar, and the tar's
 * SHA-256 is the DiffID: so a recipe that gives a whole tar is a layer. Which images and
 * names it belonged to no pack tells. */
#include "store/check_private.h"

#include <string.h>
#include <time.h>

#include "store/digest_set.h"
#include "store/layer.h"
#include "store/tree_frames.h"

#define FOUND_MAX (256u << 20) /* bytes of places */

void check_salvage_init(struct check_salvage *v, struct store *s,
			struct check_report *told)
{
	*v = (struct check_salvage){.store = s, .told = told};
	pthread_mutex_init(&v->lock, NULL);
	buf_init(&v->recipes, FOUND_MAX);
	buf_init(&v->trees, FOUND_MAX);
}

void check_salvage_release(struct check_salvage *v)
{
	buf_release(&v->recipes);
	buf_release(&v->trees);
	pthread_mutex_destroy(&v->lock);
}

/* ---- among the frames ---- */

static bool begins_with(const struct pack_frame *f, const uint8_t *raw, const char *magic,
			uint32_t header)
{
	return f->raw_len >= header && memcmp(raw, magic, 8) == 0;
}

int check_salvage_frame(struct check_salvage *v, const struct pack_place *at,
			const struct pack_frame *f, const uint8_t *raw, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&v->lock);
	if (f->type == PACK_RECIPE &&
	    begins_with(f, raw, RECIPE_INDEX_MAGIC, RECIPE_INDEX_HEADER_SIZE)) {
		r = buf_append(&v->recipes, at, sizeof(*at), err);
	} else if (f->type == PACK_TREE &&
		   begins_with(f, raw, TREE_FRAME_MAGIC, TREE_FRAME_HEADER)) {
		const struct check_salvage_tree tree = {*at, get_le64(raw + 8)};

		r = buf_append(&v->trees, &tree, sizeof(tree), err);
	}
	pthread_mutex_unlock(&v->lock);
	return r;
}

/* ---- recipes that belong to no layer ---- */

static int compare_places(const void *x, const void *y)
{
	const struct pack_place *a = x, *b = y;

	if (a->pack != b->pack)
		return a->pack < b->pack ? -1 : 1;
	return a->off < b->off ? -1 : a->off > b->off;
}

static size_t recipe_count(const struct check_salvage *v)
{
	return v->recipes.len / sizeof(struct pack_place);
}

/* Takes the recipe out of the list: its length is set to 0. */
static int on_known(void *arg, const struct record_layer *layer, struct err *err)
{
	struct check_salvage *v = arg;
	struct pack_place *found = NULL;

	(void)err;
	if (recipe_count(v))
		found = bsearch(&layer->recipe, v->recipes.data, recipe_count(v),
				sizeof(layer->recipe), compare_places);
	if (found)
		found->len = 0;
	return 0;
}

static int leave_known(struct check_salvage *v, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = catalog_begin(store_catalog(v->store), false, &t, err);

	if (recipe_count(v))
		qsort(v->recipes.data, recipe_count(v), sizeof(struct pack_place),
		      compare_places);
	return r < 0 ? r : catalog_layer_each(t, NULL, on_known, v, err);
}

/* ---- a layer from its recipe ---- */

struct found {
	struct check_salvage *v;
	struct objects *objects;
	struct record_layer layer;
	struct digest_set own;   /* content of this layer */
	struct digest_set *seen; /* content of all found so far */
};

static int on_entry(void *arg, const struct tar_entry *e, struct err *err)
{
	(void)arg;
	(void)e;
	(void)err;
	return 0;
}

static int on_data(void *arg, const void *data, size_t len, struct err *err)
{
	(void)arg;
	(void)data;
	(void)len;
	(void)err;
	return 0;
}

static int on_hole(void *arg, uint64_t len, struct err *err)
{
	(void)arg;
	(void)len;
	(void)err;
	return 0;
}

static int on_end(void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	return 0;
}

static int read_tar(struct found *f, struct err *err)
{
	const struct tar_sink sink = {
		.entry = on_entry,
		.data = on_data,
		.hole = on_hole,
		.entry_end = on_end,
	};
	auto_stream struct stream *tar = NULL;
	struct tar_limits limits;
	struct tar_result result;
	int r = recipe_open(f->v->store, f->objects, &f->layer.recipe, &tar, err);

	tar_limits_default(&limits);
	limits.entries = limits.bytes = limits.file_bytes = UINT64_MAX;
	limits.pax_record = SIZE_MAX / 16;
	if (r == 0)
		r = tar_scan(tar, &limits, false, &sink, &f->layer.diffid, &result, err);
	if (r == 0) {
		f->layer.tar_size = result.size;
		f->layer.entries = result.entries;
	}
	return r;
}

static int add_content(void *arg, const struct recipe_step *step, struct err *err)
{
	struct found *f = arg;
	bool fresh = false;
	uint64_t size;
	int r;

	if (step->op != RECIPE_OBJECT)
		return 0;
	r = digest_set_add(&f->own, &step->object, &fresh, err);
	if (r < 0 || !fresh)
		return r;
	r = objects_size(f->objects, &step->object, &size, err);
	if (r == 0)
		r = digest_set_add(f->seen, &step->object, &fresh, err);
	if (r < 0)
		return r;
	f->layer.content_size += size;
	if (fresh)
		f->layer.new_size += size;
	return 0;
}

/* Looks among the trees for the one that the recipe gives. */
static int find_tree(struct found *f, const struct buf *image, struct err *err)
{
	const struct check_salvage_tree *trees =
		(const struct check_salvage_tree *)(const void *)f->v->trees.data;
	size_t count = f->v->trees.len / sizeof(*trees);
	int r = 0;

	for (size_t i = 0; i < count && !f->layer.tree.pack && r == 0; i++) {
		auto_buf struct buf kept;

		buf_init(&kept, image->len);
		if (trees[i].len != image->len)
			continue;
		r = tree_frames_get(store_packs(f->v->store), &trees[i].at, &kept, err);
		if (r == 0 && kept.len == image->len &&
		    memcmp(kept.data, image->data, image->len) == 0)
			f->layer.tree = trees[i].at;
		else if (r < 0 && check_is_damage(r, err))
			r = 0;
	}
	return r;
}

static int make_tree(struct found *f, struct err *err)
{
	auto_buf struct buf image;
	struct tree tree;
	int r;

	buf_init(&image, LAYER_TREE_MAX);
	r = layer_rebuild_tree(f->v->store, &f->layer, &image, err);
	if (r == 0)
		r = tree_open(&tree, image.data, image.len, err);
	if (r < 0)
		return r;
	f->layer.flags = tree.flags;
	return find_tree(f, &image, err);
}

static int put_layer(struct found *f, bool *ret_new, struct err *err)
{
	struct store_apply apply = {.store = f->v->store};
	struct record_item item = {.type = RECORD_LAYER};
	struct catalog_mark mark;
	struct record_layer there;
	int r = catalog_begin(store_catalog(f->v->store), true, &apply.txn, err);

	*ret_new = false;
	if (r == 0)
		r = catalog_mark_get(apply.txn, &mark, err);
	if (r == 0) {
		r = catalog_layer_get(apply.txn, &f->layer.diffid, &there, err);
		*ret_new = r == -ERR_NOTFOUND;
	}
	if (*ret_new) {
		item.layer = f->layer;
		item.layer.number = mark.next_number;
		r = store_apply_item(&apply, &item, err);
	}
	if (r < 0 || !*ret_new) {
		catalog_abort(apply.txn);
		return r;
	}
	return catalog_commit(apply.txn, err);
}

static int salvage(struct found *f, const struct pack_place *recipe, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	bool fresh;
	int r;

	f->layer = (struct record_layer){.recipe = *recipe, .created = time(NULL)};
	r = read_tar(f, err);
	if (r == 0)
		r = recipe_each(f->v->store, recipe, add_content, f, err);
	if (r == 0)
		r = make_tree(f, err);
	/* What an import has left half done. */
	if (r < 0)
		return check_is_damage(r, err) ? 0 : r;
	r = put_layer(f, &fresh, err);
	if (r == 0 && fresh)
		check_problem(f->v->told, "layer %s: found in pack %08x",
			      digest_format(&f->layer.diffid, text), recipe->pack);
	return r;
}

int check_salvage_layers(struct check_salvage *v, struct err *err)
{
	const struct pack_place *recipes;
	struct digest_set seen = {0};
	struct found f = {.v = v, .seen = &seen};
	int r = leave_known(v, err);

	if (r == 0)
		r = objects_new(v->store, CHECK_CACHE, &f.objects, err);
	recipes = (const struct pack_place *)(const void *)v->recipes.data;
	for (size_t i = 0; i < recipe_count(v) && r == 0; i++) {
		if (!recipes[i].len)
			continue;
		r = salvage(&f, &recipes[i], err);
		digest_set_release(&f.own);
		f.own = (struct digest_set){0};
	}
	objects_free(f.objects);
	digest_set_release(&seen);
	return r;
}

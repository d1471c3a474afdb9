/* SPDX-License-Identifier: Apache-2.0
 * What packs have that is needed. The table of objects is read once, in its own order, into
 * arrays; from then on marking asks no database: a recipe's digests are found in the sorted
 * array of keys, near where a digest as large as theirs has to be. */
#include "store/gc_private.h"

#include <string.h>

#include "store/chunk_list.h"
#include "store/recipe_segment.h"
#include "store/tree_frames.h"

#define ARRAY_MAX (64ull << 30)

void gc_mark_init(struct gc_mark *m, struct store *s)
{
	*m = (struct gc_mark){.store = s};
	buf_init(&m->frames, ARRAY_MAX);
	buf_init(&m->users, ARRAY_MAX);
	buf_init(&m->plain, ARRAY_MAX);
	buf_init(&m->packs, ARRAY_MAX);
	buf_init(&m->frame_bytes, 2 * (size_t)PACK_BODY_MAX);
	buf_init(&m->index, PACK_BODY_MAX);
	buf_init(&m->body, PACK_BODY_MAX);
	digest_map_init(&m->layers, sizeof(struct gc_layer));
}

void gc_mark_release(struct gc_mark *m)
{
	free(m->keys);
	free(m->frame);
	free(m->len);
	free(m->flags);
	free(m->frame_slots);
	buf_release(&m->frames);
	buf_release(&m->users);
	buf_release(&m->plain);
	buf_release(&m->packs);
	buf_release(&m->frame_bytes);
	buf_release(&m->index);
	buf_release(&m->body);
	digest_map_release(&m->layers);
	codec_free(m->codec);
}

/* ---- frames by place ---- */

static struct gc_frame *frames_of(const struct gc_mark *m)
{
	return (struct gc_frame *)(void *)m->frames.data;
}

static size_t frame_count(const struct gc_mark *m)
{
	return m->frames.len / sizeof(struct gc_frame);
}

static uint32_t *slot_of(const struct gc_mark *m, const struct pack_place *at)
{
	uint64_t h = (at->off ^ (uint64_t)at->pack << 40) * 0x9e3779b97f4a7c15ull;
	uint32_t mask = (1u << m->frame_slot_bits) - 1;
	uint32_t i = (uint32_t)(h >> (64 - m->frame_slot_bits));

	for (;; i = (i + 1) & mask) {
		uint32_t *slot = &m->frame_slots[i];
		const struct gc_frame *f;

		if (!*slot)
			return slot;
		f = &frames_of(m)[*slot - 1];
		if (f->at.pack == at->pack && f->at.off == at->off)
			return slot;
	}
}

static int grow_slots(struct gc_mark *m, struct err *err)
{
	unsigned bits = m->frame_slot_bits ? m->frame_slot_bits + 1 : 12;
	uint32_t *slots;

	if (m->frame_slots && frame_count(m) < 1u << (m->frame_slot_bits - 1))
		return 0;
	slots = calloc((size_t)1 << bits, sizeof(*slots));
	if (!slots)
		return err_nomem(err);
	free(m->frame_slots);
	m->frame_slots = slots;
	m->frame_slot_bits = bits;
	for (size_t i = 0; i < frame_count(m); i++)
		*slot_of(m, &frames_of(m)[i].at) = (uint32_t)i + 1;
	return 0;
}

static int frame_number(struct gc_mark *m, const struct pack_place *at, uint32_t *ret,
			struct err *err)
{
	const struct gc_frame f = {.at = *at};
	uint32_t *slot;
	int r = grow_slots(m, err);

	if (r < 0)
		return r;
	slot = slot_of(m, at);
	if (!*slot) {
		r = buf_append(&m->frames, &f, sizeof(f), err);
		if (r < 0)
			return r;
		*slot = (uint32_t)frame_count(m);
	}
	*ret = *slot - 1;
	return 0;
}

/* ---- the table of objects ---- */

static uint64_t key_of(const struct digest *d)
{
	return __builtin_bswap64(get_le64(d->bytes));
}

static int grow(struct gc_mark *m, struct err *err)
{
	size_t capacity = m->capacity ? 2 * m->capacity : 4096;
	void *p[4];

	if (m->count < m->capacity)
		return 0;
	if (capacity > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "more than %zu objects", m->count);
	p[0] = reallocarray(m->keys, capacity, sizeof(*m->keys));
	m->keys = p[0] ? p[0] : m->keys;
	p[1] = reallocarray(m->frame, capacity, sizeof(*m->frame));
	m->frame = p[1] ? p[1] : m->frame;
	p[2] = reallocarray(m->len, capacity, sizeof(*m->len));
	m->len = p[2] ? p[2] : m->len;
	p[3] = reallocarray(m->flags, capacity, sizeof(*m->flags));
	m->flags = p[3] ? p[3] : m->flags;
	if (!p[0] || !p[1] || !p[2] || !p[3])
		return err_nomem(err);
	m->capacity = capacity;
	return 0;
}

static int on_object(void *arg, const struct digest *d, const struct object_place *place,
		     struct err *err)
{
	struct gc_mark *m = arg;
	size_t i = m->count;
	int r = grow(m, err);

	if (r == 0)
		r = frame_number(m, &place->frame, &m->frame[i], err);
	if (r < 0)
		return r;
	m->keys[i] = key_of(d);
	m->len[i] = place->len;
	m->flags[i] = place->kind == OBJECT_CHUNKED ? GC_CHUNKED : 0;
	m->count++;
	return 0;
}

/* Digests are evenly spread, so the place of one is nearly known. */
static size_t first_at_least(const struct gc_mark *m, uint64_t key)
{
	size_t guess = (size_t)((unsigned __int128)key * m->count >> 64), step = 16;
	size_t low = guess, high = guess;

	while (low > 0 && m->keys[low - 1] >= key) {
		high = low;
		low = low > step ? low - step : 0;
		step *= 2;
	}
	for (step = 16; high < m->count && m->keys[high] < key; step *= 2) {
		low = high + 1;
		high = m->count - high > step ? high + step : m->count;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->keys[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int64_t gc_mark_find(const struct gc_mark *m, const struct digest *d)
{
	uint64_t key = key_of(d);
	size_t i = m->count ? first_at_least(m, key) : 0;

	return i < m->count && m->keys[i] == key ? (int64_t)i : -1;
}

/* ---- marking ---- */

void gc_mark_object(struct gc_mark *m, const struct digest *d)
{
	int64_t i = gc_mark_find(m, d);

	if (i < 0)
		return;
	for (size_t k = (size_t)i; k < m->count && m->keys[k] == m->keys[i]; k++)
		m->flags[k] |= GC_LIVE;
}

static int mark_list(struct gc_mark *m, const uint8_t *bytes, size_t len, struct err *err)
{
	struct chunk_list list;
	int r = chunk_list_open(bytes, len, &list, err);

	for (size_t i = 0; r == 0 && i < list.count; i++) {
		struct chunk_range range;

		r = chunk_list_get(&list, i, &range, err);
		if (r == 0 && !range.hole)
			gc_mark_object(m, &range.digest);
	}
	return r;
}

static bool wants_chunks(const struct gc_mark *m, size_t i)
{
	return (m->flags[i] & (GC_LIVE | GC_CHUNKED | GC_EXPANDED)) ==
	       (GC_LIVE | GC_CHUNKED);
}

/* All lists in the frame that are live. */
static int expand_frame(struct gc_mark *m, const struct pack_place *at, struct err *err)
{
	struct packs *packs = store_packs(m->store);
	struct pack_frame f;
	int r = pack_read(packs, at, &m->frame_bytes, &f, err);

	buf_clear(&m->body);
	if (r == 0)
		r = buf_reserve(&m->body, f.raw_len, err);
	if (r == 0)
		r = codec_decompress(m->codec, f.method, f.body, f.stored_len,
				     m->body.data, f.raw_len, err);
	for (uint32_t k = 0; r == 0 && k < f.count; k++) {
		struct pack_entry e;
		int64_t i;

		pack_frame_entry(&f, k, &e);
		i = gc_mark_find(m, &e.digest);
		if (i < 0 || !wants_chunks(m, (size_t)i))
			continue;
		r = mark_list(m, m->body.data + e.off, e.len, err);
		m->flags[i] |= GC_EXPANDED;
	}
	return r;
}

/* Where the object is now: gc itself may have moved it since the table was read. */
static int place_now(struct gc_mark *m, size_t i, struct pack_place *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct object_place place;
	struct digest d;
	int r = catalog_begin(store_catalog(m->store), false, &t, err);

	if (r == 0)
		r = catalog_object_by_prefix(t, m->keys[i], 64, &d, err);
	if (r == 0)
		r = catalog_object_get(t, &d, &place, err);
	if (r == 0)
		*ret = place.frame;
	return r;
}

static int expand(struct gc_mark *m, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < m->count && r == 0; i++) {
		struct pack_place at;

		if (!wants_chunks(m, i))
			continue;
		at = gc_mark_frame(m, i)->at;
		if (m->table_whole)
			r = place_now(m, i, &at, err);
		if (r == 0)
			r = expand_frame(m, &at, err);
		if (r == -ERR_NOTFOUND)
			r = 0;
		m->flags[i] |= GC_EXPANDED;
	}
	return r;
}

/* ---- layers ---- */

static int add_plain(struct gc_mark *m, uint32_t layer, const struct pack_place *at,
		     struct err *err)
{
	const struct gc_user user = {at->pack, layer};
	const struct gc_user *last;
	int r = buf_append(&m->plain, at, sizeof(*at), err);

	if (r < 0)
		return r;
	if (m->users.len) {
		last = (const struct gc_user *)(const void *)(m->users.data +
							      m->users.len) -
		       1;
		if (last->pack == user.pack && last->layer == user.layer)
			return 0;
	}
	return buf_append(&m->users, &user, sizeof(user), err);
}

struct tree_visit {
	struct gc_mark *mark;
	uint32_t layer;
};

static int on_tree_frame(void *arg, const struct pack_place *at, struct err *err)
{
	const struct tree_visit *v = arg;

	return add_plain(v->mark, v->layer, at, err);
}

/* A damaged one is made again from the recipe when it is wanted. */
static int mark_tree(struct gc_mark *m, uint32_t number, const struct record_layer *layer,
		     struct err *err)
{
	struct tree_visit v = {m, number};
	int r;

	if (!layer->tree.pack)
		return 0;
	r = tree_frames_each(store_packs(m->store), &layer->tree, on_tree_frame, &v, err);
	return r == -ERR_CORRUPT || r == -ERR_NOTFOUND ? 0 : r;
}

static int read_recipe_frame(struct gc_mark *m, const struct pack_place *at,
			     struct buf *raw, struct err *err)
{
	int r = recipe_frame_read(store_packs(m->store), at, m->codec, &m->frame_bytes,
				  raw, err);

	return r == -ERR_NOTFOUND ? err_set(err, ERR_CORRUPT, "a pack is missing") : r;
}

/* The objects of a segment are all in one list at its end. */
static int mark_segment(struct gc_mark *m, const struct pack_place *at, uint64_t tar_at,
			struct err *err)
{
	struct recipe_segment g;
	int r = read_recipe_frame(m, at, &m->body, err);

	if (r == 0)
		r = recipe_segment_open(&g, m->body.data, m->body.len, tar_at, err);
	for (uint32_t i = 0; r == 0 && i < g.count; i++) {
		struct digest d;

		memcpy(d.bytes, g.objects + (size_t)i * DIGEST_SIZE, DIGEST_SIZE);
		gc_mark_object(m, &d);
	}
	return r;
}

static int mark_recipe(struct gc_mark *m, uint32_t number, const struct pack_place *at,
		       struct err *err)
{
	struct recipe_index x;
	bool more = true;
	int r = read_recipe_frame(m, at, &m->index, err);

	if (r == 0)
		r = add_plain(m, number, at, err);
	if (r == 0)
		r = recipe_index_open(&x, m->index.data, m->index.len, at, err);
	while (r == 0) {
		struct pack_place segment;
		uint64_t from, to;

		r = recipe_index_next(&x, &segment, &from, &to, &more, err);
		if (r < 0 || !more)
			break;
		r = mark_segment(m, &segment, from, err);
		if (r == 0)
			r = add_plain(m, number, &segment, err);
	}
	return r;
}

static uint64_t mark_of(const struct record_layer *layer)
{
	return (layer->recipe.off ^ layer->tree.off << 20) * 31 + layer->recipe.pack +
	       ((uint64_t)layer->tree.pack << 32);
}

/* Without knowing all of a layer's objects nothing could be taken away. */
static int mark_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct gc_mark *m = arg;
	struct gc_layer *l;
	int64_t known = digest_map_find(&m->layers, &layer->diffid);
	uint32_t i = (uint32_t)known;
	int r = 0;

	if (m->only && digest_map_find(m->only, &layer->diffid) < 0)
		return 0;
	if (known < 0)
		r = digest_map_add(&m->layers, &layer->diffid, &i, err);
	if (r < 0)
		return r;
	l = digest_map_entry(&m->layers, i);
	if (l->mark == mark_of(layer))
		return 0;
	l->mark = mark_of(layer);
	r = mark_recipe(m, i, &layer->recipe, err);
	if (r == 0)
		r = mark_tree(m, i, layer, err);
	if (r == -ERR_CORRUPT)
		err_wrap(err, "layer %s: 'layercache repair' comes before gc",
			 digest_format(&layer->diffid, text));
	return r;
}

/* ---- documents, blobs ---- */

static int mark_image(void *arg, const struct record_image *image, struct err *err)
{
	struct gc_mark *m = arg;

	(void)err;
	if (m->only_images && digest_map_find(m->only_images, &image->manifest) < 0)
		return 0;
	gc_mark_object(m, &image->manifest);
	gc_mark_object(m, &image->config);
	return 0;
}

static int mark_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	(void)err;
	gc_mark_object(arg, &ref->index);
	return 0;
}

/* The compressed form itself, where it was kept. */
static int mark_blob(void *arg, const struct record_blob *blob, struct err *err)
{
	struct gc_mark *m = arg;

	(void)err;
	if (!m->only || digest_map_find(m->only, &blob->diffid) >= 0)
		gc_mark_object(m, &blob->blob);
	return 0;
}

int gc_mark_more(struct gc_mark *m, struct catalog_txn *t, struct err *err)
{
	int r = catalog_layer_each(t, NULL, mark_layer, m, err);

	if (r == 0)
		r = catalog_image_each(t, NULL, mark_image, m, err);
	if (r == 0)
		r = catalog_ref_each(t, NULL, mark_ref, m, err);
	if (r == 0)
		r = catalog_blob_each(t, NULL, mark_blob, m, err);
	if (r == 0)
		r = gc_artifacts_mark(m, t, err);
	if (r == 0)
		r = gc_mark_keys(m, t, err);
	return r < 0 ? r : expand(m, err);
}

int gc_mark_pinned(struct gc_mark *m, const struct pins_seen *pins, struct err *err)
{
	for (size_t i = 0; i < m->count; i++) {
		if (!(m->flags[i] & GC_LIVE) &&
		    pins_seen_has(pins, __builtin_bswap64(m->keys[i])))
			m->flags[i] |= GC_LIVE;
	}
	return expand(m, err);
}

static int on_pack(void *arg, uint32_t number, uint64_t length, struct err *err)
{
	const struct gc_pack pack = {number, length};
	struct gc_mark *m = arg;

	return buf_append(&m->packs, &pack, sizeof(pack), err);
}

/* All in one transaction: what is committed to a pack after it has another length. */
int gc_mark_run(struct gc_mark *m, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	int r = codec_new(&m->codec, err);

	if (r == 0)
		r = catalog_begin(store_catalog(m->store), false, &t, err);
	if (r == 0)
		r = catalog_object_each(t, on_object, m, err);
	if (r == 0)
		r = catalog_pack_each(t, on_pack, m, err);
	if (r == 0)
		r = gc_mark_more(m, t, err);
	m->table_whole = true;
	return r;
}

/* ---- objects in several frames ---- */

static int on_table(void *arg, const struct pack_place *at, const struct pack_frame *f,
		    struct err *err)
{
	struct gc_mark *m = arg;

	(void)err;
	for (uint32_t k = 0; k < f->count; k++) {
		const struct gc_frame *known;
		struct pack_entry e;
		int64_t i;

		pack_frame_entry(f, k, &e);
		i = gc_mark_find(m, &e.digest);
		if (i < 0)
			continue;
		known = gc_mark_frame(m, (size_t)i);
		if (known->at.pack != at->pack || known->at.off != at->off)
			m->flags[i] |= GC_TWICE;
	}
	return 0;
}

/* Damage is passed over: what lies there counts for nothing. */
static int look_through(struct gc_mark *m, uint32_t pack, uint64_t from, uint64_t to,
			struct err *err)
{
	int r = pack_scan(store_packs(m->store), pack, from, to, false, true, on_table,
			  NULL, m, err);

	return r == -ERR_NOTFOUND ? 0 : r;
}

static struct gc_pack *packs_of(const struct gc_mark *m)
{
	return (struct gc_pack *)(void *)m->packs.data;
}

int gc_mark_twice(struct gc_mark *m, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < m->packs.len / sizeof(struct gc_pack) && r == 0; i++)
		r = look_through(m, packs_of(m)[i].number, 0, packs_of(m)[i].length, err);
	return r;
}

static int on_grown_pack(void *arg, uint32_t number, uint64_t length, struct err *err)
{
	struct gc_pack fresh = {number, 0}, *pack = NULL;
	struct gc_mark *m = arg;
	int r = 0;

	for (size_t i = 0; i < m->packs.len / sizeof(fresh) && !pack; i++)
		if (packs_of(m)[i].number == number)
			pack = &packs_of(m)[i];
	if (!pack) {
		r = buf_append(&m->packs, &fresh, sizeof(fresh), err);
		if (r < 0)
			return r;
		pack = &packs_of(m)[m->packs.len / sizeof(fresh) - 1];
	}
	if (length > pack->length)
		r = look_through(m, number, pack->length, length, err);
	pack->length = length;
	return r;
}

int gc_mark_twice_more(struct gc_mark *m, struct catalog_txn *t, struct err *err)
{
	return catalog_pack_each(t, on_grown_pack, m, err);
}

void gc_mark_weigh(struct gc_mark *m)
{
	for (size_t i = 0; i < frame_count(m); i++)
		frames_of(m)[i].bytes = frames_of(m)[i].live = 0;
	for (size_t i = 0; i < m->count; i++) {
		struct gc_frame *f = &frames_of(m)[m->frame[i]];

		f->bytes += m->len[i];
		if (m->flags[i] & GC_LIVE)
			f->live += m->len[i];
	}
}

/* SPDX-License-Identifier: Apache-2.0
 * Reads a recipe: step by step, or as the tar it stands for. */
#include "store/recipe_segment.h"

#include <string.h>

/* How many objects ahead of the one being read are decoded. */
#define AHEAD 4u

/* Steps of a whole recipe, one segment in memory at a time. */
struct steps {
	struct packs *packs;
	struct codec *codec;
	struct buf scratch, index_bytes, segment_bytes;
	struct recipe_index index;
	struct recipe_segment segment;
	uint64_t segment_end;
	uint64_t from; /* segments that end before it are passed over */
	bool in_segment;
};

int recipe_frame_read(struct packs *packs, const struct pack_place *at,
		      struct codec *codec, struct buf *scratch, struct buf *raw,
		      struct err *err)
{
	enum pack_frame_type type;
	int r = pack_read_body(packs, at, codec, scratch, raw, &type, err);

	if (r == 0 && type != PACK_RECIPE)
		r = err_set(err, ERR_CORRUPT,
			    "pack %08x: the frame at %llu is no part of a recipe",
			    at->pack, (unsigned long long)at->off);
	return r;
}

static int frame_read(struct steps *p, const struct pack_place *at, struct buf *raw,
		      struct err *err)
{
	return recipe_frame_read(p->packs, at, p->codec, &p->scratch, raw, err);
}

static void steps_release(struct steps *p)
{
	codec_free(p->codec);
	buf_release(&p->scratch);
	buf_release(&p->index_bytes);
	buf_release(&p->segment_bytes);
}

/* gc may move the recipe while it is read; what is open can be read on. */
static void warm_packs(struct steps *p)
{
	struct recipe_index all = p->index;
	uint32_t last = 0;
	uint64_t at, end;
	bool more = true;

	while (more) {
		struct pack_place place;

		if (recipe_index_next(&all, &place, &at, &end, &more, NULL) < 0)
			return; /* told when it is read */
		if (more && place.pack != last)
			packs_warm(p->packs, place.pack);
		if (more)
			last = place.pack;
	}
}

/* Zeroed before; steps_release in any case. */
static int steps_open(struct steps *p, struct store *s, const struct pack_place *index,
		      struct err *err)
{
	int r;

	p->packs = store_packs(s);
	buf_init(&p->scratch, 2 * (size_t)PACK_BODY_MAX);
	buf_init(&p->index_bytes, PACK_BODY_MAX);
	buf_init(&p->segment_bytes, PACK_BODY_MAX);
	r = codec_new(&p->codec, err);
	if (r == 0)
		r = frame_read(p, index, &p->index_bytes, err);
	if (r == 0)
		r = recipe_index_open(&p->index, p->index_bytes.data, p->index_bytes.len,
				      index, err);
	if (r == 0)
		warm_packs(p);
	return r;
}

static int segment_next(struct steps *p, bool *ret_more, struct err *err)
{
	struct pack_place place;
	uint64_t at;
	int r = recipe_index_next(&p->index, &place, &at, &p->segment_end, ret_more, err);

	if (r < 0 || !*ret_more || p->segment_end <= p->from)
		return r;
	r = frame_read(p, &place, &p->segment_bytes, err);
	if (r == 0)
		r = recipe_segment_open(&p->segment, p->segment_bytes.data,
					p->segment_bytes.len, at, err);
	p->in_segment = r == 0;
	return r;
}

static int steps_next(struct steps *p, struct recipe_step *ret, bool *ret_more,
		      struct err *err)
{
	bool more = true;
	int r;

	while (more) {
		if (!p->in_segment) {
			r = segment_next(p, &more, err);
			if (r < 0)
				return r;
			continue;
		}
		r = recipe_segment_next(&p->segment, ret, &p->in_segment, err);
		if (r < 0)
			return r;
		if (p->segment.at > p->segment_end ||
		    (!p->in_segment && p->segment.at != p->segment_end))
			return err_set(
				err, ERR_CORRUPT,
				"damaged recipe: a segment and the index disagree");
		if (p->in_segment)
			break;
	}
	*ret_more = more;
	return 0;
}

int recipe_each(struct store *s, const struct pack_place *index, recipe_each_fn *each,
		void *arg, struct err *err)
{
	struct steps p = {0};
	struct recipe_step step;
	bool more = true;
	int r = steps_open(&p, s, index, err);

	while (r == 0) {
		r = steps_next(&p, &step, &more, err);
		if (r < 0 || !more)
			break;
		r = each(arg, &step, err);
	}
	steps_release(&p);
	return r;
}

/* ---- as a stream ---- */

struct recipe_stream {
	struct stream base;
	struct steps steps;
	struct objects *objects; /* NULL: payload as zeros */
	recipe_each_fn *watch;   /* may be NULL */
	void *watch_arg;
	struct recipe_step step;
	uint64_t done; /* bytes of `step` delivered */
};

/* Lets the objects that come next be decoded while this one is copied. */
static void read_ahead(struct recipe_stream *s)
{
	const struct recipe_segment *g = &s->steps.segment;
	uint32_t next = g->used + AHEAD - 1;
	struct digest d;

	if (next >= g->count)
		return;
	memcpy(d.bytes, g->objects + (size_t)next * DIGEST_SIZE, DIGEST_SIZE);
	objects_readahead(s->objects, &d);
}

static int step_begin(struct recipe_stream *s, bool *ret_more, struct err *err)
{
	int r;

	s->step.len = s->done = 0; /* nothing left also when no step follows */
	r = steps_next(&s->steps, &s->step, ret_more, err);
	if (r < 0 || !*ret_more)
		return r;
	if (s->objects && s->step.op == RECIPE_OBJECT && s->step.object_off == 0)
		read_ahead(s);
	return s->watch ? s->watch(s->watch_arg, &s->step, err) : 0;
}

static int payload_read(struct recipe_stream *s, void *data, size_t len, struct err *err)
{
	const struct digest *d = &s->step.object;
	char text[DIGEST_TEXT_SIZE];
	size_t n;
	int r;

	if (!s->objects) {
		memset(data, 0, len);
		return 0;
	}
	r = objects_read(s->objects, d, s->step.object_off + s->done, data, len, &n, err);
	if (r == -ERR_NOTFOUND && err) /* the store's damage: the layer was there */
		err->code = ERR_CORRUPT;
	if (r == -ERR_NOTFOUND)
		return -ERR_CORRUPT;
	if (r == 0 && n < len)
		return err_set(err, ERR_CORRUPT,
			       "object %s is shorter than its recipe says",
			       digest_format(d, text));
	return r;
}

static int step_read(struct recipe_stream *s, uint8_t *data, size_t len, struct err *err)
{
	int r = 0;

	if (s->step.op == RECIPE_OBJECT)
		r = payload_read(s, data, len, err);
	else if (s->step.op == RECIPE_LITERAL)
		memcpy(data, s->step.literal + s->done, len);
	else
		memset(data, 0, len);
	s->done += len;
	return r;
}

static int recipe_stream_read(struct stream *base, void *data, size_t cap,
			      size_t *ret_len, struct err *err)
{
	struct recipe_stream *s = (struct recipe_stream *)base;
	size_t done = 0;
	bool more = true;

	while (done < cap) {
		uint64_t left = s->step.len - s->done;
		size_t n = left < cap - done ? (size_t)left : cap - done;
		int r;

		if (n == 0) {
			r = step_begin(s, &more, err);
			if (r < 0)
				return r;
			if (!more)
				break;
			continue;
		}
		r = step_read(s, (uint8_t *)data + done, n, err);
		if (r < 0)
			return r;
		done += n;
	}
	*ret_len = done;
	return 0;
}

static void recipe_stream_close(struct stream *base)
{
	struct recipe_stream *s = (struct recipe_stream *)base;

	steps_release(&s->steps);
	free(s);
}

static int stream_new(struct store *store, struct objects *objects,
		      const struct pack_place *index, recipe_each_fn *watch, void *arg,
		      struct stream **ret, struct err *err)
{
	struct recipe_stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_nomem(err);
	s->base = (struct stream){recipe_stream_read, recipe_stream_close};
	s->objects = objects;
	s->watch = watch;
	s->watch_arg = arg;
	r = steps_open(&s->steps, store, index, err);
	if (r < 0) {
		recipe_stream_close(&s->base);
		return r;
	}
	*ret = &s->base;
	return 0;
}

int recipe_open(struct store *s, struct objects *objects, const struct pack_place *index,
		struct stream **ret, struct err *err)
{
	return stream_new(s, objects, index, NULL, NULL, ret, err);
}

int recipe_open_at(struct store *s, struct objects *objects,
		   const struct pack_place *index, uint64_t at, struct stream **ret,
		   struct err *err)
{
	struct stream *base = NULL;
	struct recipe_stream *rs;
	bool more = true;
	int r = stream_new(s, objects, index, NULL, NULL, &base, err);

	if (r < 0)
		return r;
	rs = (struct recipe_stream *)base;
	rs->steps.from = at;
	while (r == 0 && at && more && rs->step.at + rs->step.len <= at)
		r = step_begin(rs, &more, err);
	if (r < 0) {
		stream_close(base);
		return r;
	}
	if (more && at > rs->step.at)
		rs->done = at - rs->step.at;
	*ret = base;
	return 0;
}

int recipe_replay(struct store *s, const struct pack_place *index, recipe_each_fn *watch,
		  void *arg, struct stream **ret, struct err *err)
{
	return stream_new(s, NULL, index, watch, arg, ret, err);
}

int recipe_watch(struct store *s, struct objects *objects, const struct pack_place *index,
		 recipe_each_fn *watch, void *arg, struct stream **ret, struct err *err)
{
	return stream_new(s, objects, index, watch, arg, ret, err);
}

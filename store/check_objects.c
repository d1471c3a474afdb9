/* SPDX-License-Identifier: Apache-2.0
 * The catalog's table of objects against the packs. Frames come by in pack order and each
 * of their objects is looked up: it has to be there, here or in another frame. As places are
 * unique, the table has nothing else exactly if as many of its objects were met at their own
 * place as it has; no list of all is needed. */
#include "store/check_private.h"

#include "store/chunk_list.h"

void check_objects_init(struct check_objects *c)
{
	pthread_mutex_init(&c->lock, NULL);
	digest_map_init(&c->large, sizeof(struct check_large));
}

void check_objects_release(struct check_objects *c)
{
	check_ranges_release(&c->bad);
	digest_map_release(&c->large);
	pthread_mutex_destroy(&c->lock);
}

/* ---- lists of chunks ---- */

static int check_chunk(struct store *s, struct catalog_txn *t,
		       const struct chunk_range *range, struct err *err)
{
	struct object_place place;
	char hex[DIGEST_HEX_SIZE];
	int r = store_object_get(s, t, &range->digest, &place, err);

	if (r == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "its chunk %s is missing",
			       digest_hex(&range->digest, hex));
	if (r == 0 && (place.kind == OBJECT_CHUNKED || place.len != range->len))
		return err_set(err, ERR_CORRUPT, "its chunk %s has another length",
			       digest_hex(&range->digest, hex));
	return r;
}

int check_objects_list(struct store *s, struct catalog_txn *t, const uint8_t *bytes,
		       size_t len, uint64_t *ret_size, struct err *err)
{
	struct chunk_list list;
	int r = chunk_list_open(bytes, len, &list, err);

	for (size_t i = 0; r == 0 && i < list.count; i++) {
		struct chunk_range range;

		r = chunk_list_get(&list, i, &range, err);
		if (r == 0 && !range.hole)
			r = check_chunk(s, t, &range, err);
	}
	if (r == 0)
		*ret_size = chunk_list_size(&list);
	return r;
}

static int keep_large(struct check_objects *c, const struct digest *d, uint64_t size,
		      struct err *err)
{
	struct check_large *large;
	uint32_t i;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (digest_map_find(&c->large, d) < 0) {
		r = digest_map_add(&c->large, d, &i, err);
		if (r == 0) {
			large = digest_map_entry(&c->large, i);
			large->size = size;
		}
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

static int look_at_list(struct check_objects *c, struct catalog_txn *t,
			const struct pack_entry *e, const uint8_t *raw, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct err cause = {0};
	uint64_t size;
	int r = check_objects_list(c->store, t, raw + e->off, e->len, &size, &cause);

	if (r == 0)
		return keep_large(c, &e->digest, size, err);
	r = check_judge(c->report, r, &cause, "object %s",
			digest_format(&e->digest, text));
	return r < 0 ? err_copy(err, &cause) : 0;
}

/* ---- frames ---- */

static bool is_at(const struct object_place *place, const struct pack_place *at,
		  const struct pack_entry *e)
{
	return place->frame.pack == at->pack && place->frame.off == at->off &&
	       place->frame.len == at->len && place->off == e->off &&
	       place->len == e->len;
}

static bool right_kind(enum object_kind kind, enum pack_frame_type type)
{
	switch (type) {
	case PACK_CHUNKS:
		return kind == OBJECT_CHUNKED;
	case PACK_DOCUMENT:
		return kind == OBJECT_DOCUMENT;
	default:
		return kind == OBJECT_WHOLE;
	}
}

static int look_up(struct check_objects *c, struct catalog_txn *t,
		   const struct pack_place *at, enum pack_frame_type type,
		   const struct pack_entry *e, uint64_t *matched, bool *ret_found,
		   struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	struct object_place place;
	int r = catalog_object_get(t, &e->digest, &place, NULL);

	*ret_found = r == 0;
	if (r == -ERR_NOTFOUND) {
		if (digest_map_find(c->dropped, &e->digest) < 0)
			check_problem(c->report,
				      "catalog: object %s of pack %08x is missing",
				      digest_format(&e->digest, text), at->pack);
		return 0;
	}
	if (r < 0)
		return catalog_object_get(t, &e->digest, &place, err);
	if (is_at(&place, at, e) && right_kind(place.kind, type))
		++*matched;
	return 0;
}

int check_objects_frame(void *arg, const struct pack_place *at,
			const struct pack_frame *f, const uint8_t *raw, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct check_objects *c = arg;
	uint64_t matched = 0;
	int r;

	if (f->count == 0)
		return 0;
	/* One short transaction for each frame: it may be a commit that has just ended
	 * which is looked at, and no reader stands in the way of the next one for long. */
	r = catalog_begin(store_catalog(c->store), false, &t, err);
	for (uint32_t i = 0; i < f->count && r == 0; i++) {
		struct pack_entry e;
		bool found;

		pack_frame_entry(f, i, &e);
		r = look_up(c, t, at, f->type, &e, &matched, &found, err);
		/* Of a list that was dropped the chunks may be gone. */
		if (r == 0 && found && f->type == PACK_CHUNKS)
			r = look_at_list(c, t, &e, raw, err);
	}
	pthread_mutex_lock(&c->lock);
	c->matched += matched;
	pthread_mutex_unlock(&c->lock);
	return r;
}

int check_objects_bad(void *arg, uint32_t pack, uint64_t from, uint64_t to,
		      const char *why, struct err *err)
{
	struct check_objects *c = arg;

	(void)why;
	return check_ranges_add(&c->bad, pack, from, to, err);
}

/* ---- what the table has beyond the frames ---- */

struct rest {
	struct check_objects *c;
	struct check_ranges committed; /* by now */
	uint64_t count;
	bool deep;

	struct digest digest; /* what is looked for in a frame */
	const struct object_place *place;
	bool found;
};

static int find_in_table(void *arg, const struct pack_place *at,
			 const struct pack_frame *f, struct err *err)
{
	struct rest *rest = arg;

	(void)err;
	for (uint32_t i = 0; i < f->count && !rest->found; i++) {
		struct pack_entry e;

		pack_frame_entry(f, i, &e);
		rest->found = digest_equal(&e.digest, &rest->digest) &&
			      is_at(rest->place, at, &e) &&
			      right_kind(rest->place->kind, f->type);
	}
	return 0;
}

static int look_behind(struct rest *rest, const struct digest *d,
		       const struct object_place *place, struct err *err)
{
	struct check_objects *c = rest->c;
	char text[DIGEST_TEXT_SIZE];
	struct err cause = {0};
	int r;

	rest->digest = *d;
	rest->place = place;
	rest->found = false;
	r = pack_scan(c->store->packs, place->frame.pack, place->frame.off,
		      place->frame.off + 1, false, false, find_in_table, NULL, rest,
		      &cause);
	if (r < 0 && !check_is_damage(r, &cause))
		return err_copy(err, &cause);
	if (!rest->found)
		check_problem(c->report,
			      "catalog: object %s is not in pack %08x at %llu, where it "
			      "should be",
			      digest_format(d, text), place->frame.pack,
			      (unsigned long long)place->frame.off);
	return 0;
}

static int on_object(void *arg, const struct digest *d, const struct object_place *place,
		     struct err *err)
{
	struct rest *rest = arg;
	const struct check_objects *c = rest->c;
	uint32_t pack = place->frame.pack;
	uint64_t off = place->frame.off;
	char text[DIGEST_TEXT_SIZE];

	if (check_ranges_have(&c->bad, pack, off))
		return 0; /* told */
	if (!check_ranges_have(c->ranges, pack, off)) {
		/* Committed since then: the next run looks at it. */
		if (!rest->deep && !check_ranges_have(&rest->committed, pack, off))
			check_problem(c->report,
				      "catalog: object %s is at %llu of pack %08x, where "
				      "nothing is committed",
				      digest_format(d, text), (unsigned long long)off,
				      pack);
		return 0;
	}
	rest->count++;
	return rest->deep ? look_behind(rest, d, place, err) : 0;
}

/* The journal is read once the transaction has begun: it knows all that the catalog knows
 * by then. */
static int count_rest(struct rest *rest, struct err *err)
{
	struct store *s = rest->c->store;
	auto_catalog_txn struct catalog_txn *t = NULL;
	bool replaced;
	int r = catalog_begin(store_catalog(s), false, &t, err);

	if (r == 0)
		r = journal_refresh(s->journal, &replaced, err);
	if (r == 0)
		r = check_state_committed(s->journal, &rest->committed, err);
	return r < 0 ? r : catalog_object_each(t, on_object, rest, err);
}

int check_objects_finish(struct check_objects *c, struct err *err)
{
	struct rest rest = {.c = c};
	int r;

	check_ranges_settle(&c->bad);
	r = count_rest(&rest, err);
	if (r == 0 && rest.count != c->matched) {
		rest.deep = true;
		r = count_rest(&rest, err);
	}
	check_ranges_release(&rest.committed);
	return r;
}

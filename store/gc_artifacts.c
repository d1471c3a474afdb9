/* SPDX-License-Identifier: Apache-2.0
 * What is needed of artifacts, and what they need. There are few of them, and each is looked
 * at until nothing more is found. */
#include "store/artifact.h"
#include "store/gc_private.h"

#define LIST_MAX    (ARTIFACT_NEEDS_MAX * sizeof(struct digest))
#define CACHE_BYTES (1u << 20)

struct search {
	struct gc_roots *g;
	struct catalog_txn *txn;
	const struct pins_seen *pins;
	struct objects *objects;
	bool found; /* one more in this round */
};

static bool has(const struct digest_map *m, const struct digest *d)
{
	return digest_map_find(m, d) >= 0;
}

static const struct digest *digests_of(const struct buf *list)
{
	return (const struct digest *)(const void *)list->data;
}

static bool is_wanted(const struct search *s, const struct record_artifact *a)
{
	const struct gc_roots *g = s->g;

	if (has(&g->listed, &a->manifest))
		return true;
	if (!digest_is_zero(&a->subject) &&
	    (has(&g->images, &a->subject) || has(&g->listed, &a->subject) ||
	     has(&g->artifacts, &a->subject)))
		return true;
	if (g->options->grace > 0 && a->created >= g->cutoff)
		return true;
	return s->pins && pins_seen_has(s->pins, get_le64(a->manifest.bytes));
}

static int keep_for(struct search *s, const struct record_artifact *a,
		    const struct digest *d, struct err *err)
{
	const struct gc_reason reason = {.kind = GC_BY_ARTIFACT, .id = a->manifest};
	int r = gc_roots_keep(s->g, s->txn, d, err);

	return r < 0 ? r : gc_why_root(s->g->why, s->txn, &reason, d, err);
}

/* Whatever the digest names. */
static int keep_need(struct search *s, const struct record_artifact *a,
		     const struct digest *d, struct err *err)
{
	struct record_blob blob;
	int r = gc_roots_list(s->g, d, err);

	if (r == 0)
		r = keep_for(s, a, d, err);
	if (r < 0)
		return r;
	r = catalog_blob_get(s->txn, d, &blob, NULL);
	if (r == 0)
		r = keep_for(s, a, &blob.diffid, err);
	return r == -ERR_NOTFOUND ? 0 : r;
}

static int on_artifact(void *arg, const struct record_artifact *a, struct err *err)
{
	struct search *s = arg;
	auto_buf struct buf list;
	uint32_t i;
	int r;

	buf_init(&list, LIST_MAX);
	if (has(&s->g->artifacts, &a->manifest) || !is_wanted(s, a))
		return 0;
	s->found = true;
	r = digest_map_add(&s->g->artifacts, &a->manifest, &i, err);
	if (r == 0)
		r = artifact_needs(s->objects, a, &list, err);
	for (size_t k = 0; k < list.len / sizeof(struct digest) && r == 0; k++)
		r = keep_need(s, a, &digests_of(&list)[k], err);
	return r;
}

int gc_artifacts_find(struct gc_roots *g, struct catalog_txn *t,
		      const struct pins_seen *pins, struct err *err)
{
	auto_objects struct objects *objects = NULL;
	struct search s = {.g = g, .txn = t, .pins = pins};
	int r = objects_new(g->store, CACHE_BYTES, &objects, err);

	s.objects = objects;
	do {
		s.found = false;
		if (r == 0)
			r = catalog_artifact_each(t, NULL, on_artifact, &s, err);
	} while (r == 0 && s.found);
	return r;
}

/* ---- marking ---- */

struct marking {
	struct gc_mark *mark;
	struct objects *objects;
};

static int mark_artifact(void *arg, const struct record_artifact *a, struct err *err)
{
	struct marking *m = arg;
	auto_buf struct buf list;
	int r = 0;

	buf_init(&list, LIST_MAX);
	if (m->mark->only_artifacts && !has(m->mark->only_artifacts, &a->manifest))
		return 0;
	if (!m->objects)
		r = objects_new(m->mark->store, CACHE_BYTES, &m->objects, err);
	if (r == 0)
		r = artifact_needs(m->objects, a, &list, err);
	if (r < 0)
		return r;
	gc_mark_object(m->mark, &a->manifest);
	gc_mark_object(m->mark, &a->needs);
	for (size_t k = 0; k < list.len / sizeof(struct digest); k++)
		gc_mark_object(m->mark, &digests_of(&list)[k]);
	return 0;
}

int gc_artifacts_mark(struct gc_mark *mark, struct catalog_txn *t, struct err *err)
{
	struct marking m = {.mark = mark};
	int r = catalog_artifact_each(t, NULL, mark_artifact, &m, err);

	objects_free(m.objects);
	return r;
}

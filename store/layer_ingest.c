/* SPDX-License-Identifier: Apache-2.0
 * A layer in: one pass over its bytes feeds the objects, the recipe and the tree. */
#include "store/layer.h"
#include "store/layer_framing.h"
#include "store/layer_meter.h"
#include "store/digest_set.h"
#include "store/tree_frames.h"
#include "store/tree_write.h"

#include <string.h>
#include <time.h>

/* Files up to this size are hashed and stored in one go, larger ones in pieces. */
#define WHOLE_MAX (8u << 20)

#define AHEAD_SIZE  (256u << 10)
#define AHEAD_COUNT 8u

struct ingest {
	struct session *session;
	struct recipe_writer *recipe;
	struct tree_model *tree;
	struct layer_framing framing;
	struct digest_set seen;
	uint64_t content_size, new_size;

	/* The entry that is being told. */
	uint64_t entries; /* told so far; its ordinal is one less */
	tree_ref inode;
	char name[256];
	uint64_t size, got, stored; /* content: announced, told, of that no hole */
	struct buf whole;           /* content up to WHOLE_MAX ... */
	bool done; /* ... unless it came in one piece: its digest is known */
	struct session_writer *writer; /* larger content */
	struct digest digest;
};

static int ingest_init(struct ingest *g, struct session *s, struct err *err)
{
	int r;

	*g = (struct ingest){.session = s};
	buf_init(&g->whole, WHOLE_MAX);
	r = recipe_writer_new(s, &g->recipe, err);
	layer_framing_init(&g->framing, g->recipe);
	return r < 0 ? r : tree_model_new(&g->tree, err);
}

static void ingest_release(struct ingest *g)
{
	layer_framing_release(&g->framing);
	recipe_writer_free(g->recipe);
	tree_model_free(g->tree);
	digest_set_release(&g->seen);
	buf_release(&g->whole);
	session_writer_free(g->writer);
}

/* ---- entries and their content ---- */

static void keep_base_name(struct ingest *g, const struct tar_entry *e)
{
	const char *slash = memrchr(e->path, '/', e->path_len);
	const char *base = slash ? slash + 1 : e->path;
	size_t len = (size_t)(e->path + e->path_len - base);

	if (len >= sizeof(g->name))
		len = sizeof(g->name) - 1;
	memcpy(g->name, base, len);
	g->name[len] = '\0';
}

static int on_entry(void *arg, const struct tar_entry *e, struct err *err)
{
	static const struct digest unknown;
	struct ingest *g = arg;
	int r = tree_model_apply(g->tree, e, &unknown, &g->inode, err);

	g->entries++;
	g->size = e->type == TAR_FILE ? e->size : 0;
	g->got = g->stored = 0;
	g->done = false;
	buf_clear(&g->whole);
	if (r < 0 || g->size == 0)
		return r;
	keep_base_name(g, e);
	if (g->size > WHOLE_MAX)
		return session_writer_new(g->session, g->name, &g->writer, err);
	return 0;
}

static int content_room(struct ingest *g, uint64_t len, struct err *err)
{
	if (len > g->size - g->got)
		return err_set(err, ERR_INVALID, "'%s' is longer than its header says",
			       g->name);
	g->got += len;
	return 0;
}

static int whole_put(struct ingest *g, const void *data, size_t len, struct err *err)
{
	uint64_t added;
	int r;

	digest_of(data, len, &g->digest);
	r = session_put_object(g->session, &g->digest, data, len, g->name, &added, err);
	if (r < 0)
		return r;
	g->new_size += added;
	g->done = true;
	return 0;
}

static int on_data(void *arg, const void *data, size_t len, struct err *err)
{
	struct ingest *g = arg;
	int r = content_room(g, len, err);

	if (r < 0)
		return r;
	g->stored += len;
	if (g->writer)
		return session_write(g->writer, data, len, err);
	if (len == g->size)
		return whole_put(g, data, len, err);
	return buf_append(&g->whole, data, len, err);
}

static int on_hole(void *arg, uint64_t len, struct err *err)
{
	struct ingest *g = arg;
	int r = content_room(g, len, err);

	if (r < 0)
		return r;
	if (g->writer)
		return session_write_zeros(g->writer, len, err);
	return buf_append_zeros(&g->whole, (size_t)len, err);
}

static int writer_finish(struct ingest *g, struct err *err)
{
	uint64_t size, added;
	int r = session_writer_finish(g->writer, &g->digest, &size, &added, err);

	session_writer_free(steal_ptr(&g->writer));
	if (r == 0)
		g->new_size += added;
	return r;
}

static int on_entry_end(void *arg, struct err *err)
{
	struct ingest *g = arg;
	bool first;
	int r = 0;

	if (g->size == 0)
		return 0;
	if (g->got != g->size)
		return err_set(err, ERR_INVALID, "'%s' is shorter than its header says",
			       g->name);
	if (g->writer)
		r = writer_finish(g, err);
	else if (!g->done)
		r = whole_put(g, g->whole.data, g->whole.len, err);
	if (r == 0)
		r = digest_set_add(&g->seen, &g->digest, &first, err);
	if (r < 0)
		return r;
	if (first)
		g->content_size += g->size;
	if (g->inode != TREE_NONE)
		tree_model_set_digest(g->tree, g->inode, &g->digest);
	return layer_framing_digest(&g->framing, g->entries - 1, &g->digest,
				    g->stored == 0, err);
}

static int on_literal(void *arg, const void *data, size_t len, struct err *err)
{
	struct ingest *g = arg;

	return layer_framing_literal(&g->framing, data, len, err);
}

static int on_payload(void *arg, uint64_t ordinal, uint64_t off, uint64_t len,
		      struct err *err)
{
	struct ingest *g = arg;

	return layer_framing_payload(&g->framing, ordinal, off, len, err);
}

/* ---- the whole layer ---- */

/* What arrives beside the entries: sizes and digests of the stream itself. */
struct arrival {
	struct digest diffid, blob;
	uint64_t blob_size;
	enum inflate_kind kind;
	struct tar_result tar;
};

/* Builds IN -> meter -> decoder -> thread. Owns IN. */
static int open_decoded(struct stream *in, const struct layer_expect *expect,
			struct layer_meter *meter, enum inflate_kind *ret_kind,
			struct stream **ret, struct err *err)
{
	uint64_t size = expect->blob_size ? expect->blob_size : UINT64_MAX;
	struct stream *s;
	int r = layer_meter_open(meter, in, size, &s, err);

	if (r == 0)
		r = inflate_open(s, expect->any_filter, ret_kind, &s, err);
	if (r < 0)
		return r;
	/* A plain tar is its own blob: the scan hashes it anyway. */
	if (*ret_kind == INFLATE_NONE)
		meter->hashing = false;
	return stream_ahead(s, AHEAD_SIZE, AHEAD_COUNT, ret, err);
}

static int scan(struct ingest *g, struct stream *in, const struct layer_limits *limits,
		struct arrival *a, struct err *err)
{
	const struct tar_sink sink = {on_entry,   on_data,    on_hole, on_entry_end,
				      on_literal, on_payload, g};
	int r = tar_scan(in, &limits->tar, false, &sink, &a->diffid, &a->tar, err);

	return r < 0 ? r : layer_framing_finish(&g->framing, err);
}

static int pull(struct ingest *g, struct stream *in, const struct layer_expect *expect,
		const struct layer_limits *limits, layer_progress_fn *progress, void *arg,
		struct arrival *ret, struct err *err)
{
	struct layer_meter meter = {0};
	struct layer_gauge gauge;
	struct stream *decoded = NULL;
	int r = open_decoded(in, expect, &meter, &ret->kind, &decoded, err);

	if (r == 0) {
		layer_gauge_init(&gauge, decoded, &meter, limits, progress, arg);
		r = scan(g, &gauge.base, limits, ret, err);
	}
	stream_close(decoded); /* ends the decoding thread: the meter is at rest */
	if (r == 0 && !meter.at_end)
		r = err_set(err, ERR_INVALID, "bytes follow its end");
	if (r == 0 && meter.hashing)
		layer_meter_digest(&meter, &ret->blob);
	else
		ret->blob = ret->diffid;
	ret->blob_size = meter.count;
	layer_meter_release(&meter);
	return r;
}

static int check_digest(const struct digest *expected, const struct digest *found,
			const char *what, const char *who, struct err *err)
{
	char e[DIGEST_TEXT_SIZE], f[DIGEST_TEXT_SIZE];

	if (digest_is_zero(expected) || digest_equal(expected, found))
		return 0;
	return err_set(err, ERR_INVALID, "%s mismatch: the %s says %s, the content is %s",
		       what, who, digest_format(expected, e), digest_format(found, f));
}

static int record_items(struct session *s, const struct layer *l, struct err *err)
{
	const struct record_item layer = {.type = RECORD_LAYER, .layer = l->record};
	const struct record_item blob = {.type = RECORD_BLOB, .blob = l->blob};
	int r = session_add(s, &layer, err);

	if (r == 0 && !digest_equal(&l->blob.blob, &l->blob.diffid))
		r = session_add(s, &blob, err);
	return r;
}

static int finish(struct ingest *g, const struct arrival *a, struct layer *l,
		  struct err *err)
{
	uint64_t tar_size;
	int r;

	l->blob = (struct record_blob){a->blob, a->diffid, a->blob_size, a->kind};
	l->record = (struct record_layer){
		.diffid = a->diffid,
		.flags = tree_model_layer_flags(g->tree),
		.tar_size = a->tar.size,
		.content_size = g->content_size,
		.new_size = g->new_size,
		.entries = a->tar.entries,
		.created = (int64_t)time(NULL),
	};
	r = recipe_finish(g->recipe, &l->record.recipe, &tar_size, err);
	if (r < 0)
		return r;
	if (tar_size != a->tar.size)
		return err_set(err, ERR_FAILED, "its recipe covers %llu of %llu bytes",
			       (unsigned long long)tar_size,
			       (unsigned long long)a->tar.size);
	r = tree_write(g->tree, &l->tree, err);
	if (r == 0)
		r = tree_frames_put(g->session, l->tree.data, l->tree.len,
				    &l->record.tree, err);
	return r < 0 ? r : record_items(g->session, l, err);
}

int layer_ingest(struct session *s, struct stream *in, const char *name,
		 const struct layer_expect *expect, const struct layer_limits *limits,
		 layer_progress_fn *progress, void *progress_arg, struct layer *ret,
		 struct err *err)
{
	static const struct layer_expect nothing;
	struct layer_limits defaults;
	struct arrival a = {0};
	struct layer l = {0};
	struct ingest g;
	int r;

	layer_limits_default(&defaults);
	limits = limits ? limits : &defaults;
	expect = expect ? expect : &nothing;
	buf_init(&l.tree, LAYER_TREE_MAX);
	r = ingest_init(&g, s, err);
	if (r < 0)
		stream_close(in);
	else
		r = pull(&g, in, expect, limits, progress, progress_arg, &a, err);
	if (r == 0)
		r = check_digest(&expect->blob, &a.blob, "digest", "manifest", err);
	if (r == 0)
		r = check_digest(&expect->diffid, &a.diffid, "DiffID", "config", err);
	if (r == 0)
		r = finish(&g, &a, &l, err);
	ingest_release(&g);
	if (r < 0) {
		layer_release(&l);
		return r == -ERR_CANCELED ? r : err_wrap(err, "%s", name);
	}
	*ret = l;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * A layer's tree from its recipe: the tar is replayed with zeros for content, and each
 * file's digest is the object that the recipe has where the file's payload begins. */
#include "store/base/fifo.h"
#include "store/layer.h"
#include "store/tree_write.h"

#include <string.h>

#define QUEUE_MAX (1u << 20)

/* A digest at a tar offset (from the recipe), then of an entry (once the scan came there). */
struct named {
	uint64_t at;
	struct digest digest;
};

struct waiting {
	uint64_t ordinal;
	tree_ref inode;
};

struct rebuild {
	struct tree_model *tree;
	struct fifo objects; /* struct named by tar offset */
	struct fifo holes;   /* struct digest of files without payload, in order */
	struct fifo known;   /* struct named by ordinal */
	struct fifo files;   /* struct waiting: entries with content not yet named */
	uint64_t entries, at;
	uint64_t payload_of; /* one more than the ordinal last told, 0: none */
};

static int damaged(struct err *err)
{
	return err_set(err, ERR_CORRUPT,
		       "damaged recipe: it does not name a file's content");
}

static int on_step(void *arg, const struct recipe_step *step, struct err *err)
{
	struct rebuild *b = arg;
	struct named n = {step->at, step->object};

	if (step->op != RECIPE_OBJECT)
		return 0;
	if (step->len == 0)
		return fifo_push(&b->holes, &step->object, err);
	return fifo_push(&b->objects, &n, err);
}

static int file_is_hole(struct rebuild *b, const struct waiting *file, struct err *err)
{
	const struct digest *d = fifo_front(&b->holes);

	if (!d)
		return damaged(err);
	if (file->inode != TREE_NONE)
		tree_model_set_digest(b->tree, file->inode, d);
	fifo_pop(&b->holes);
	return 0;
}

/* Brings entries and named payload together; both come in order. */
static int settle(struct rebuild *b, struct err *err)
{
	const struct waiting *file;
	const struct named *n;

	while ((file = fifo_front(&b->files)) && (n = fifo_front(&b->known))) {
		if (n->at < file->ordinal)
			return damaged(err);
		if (n->at == file->ordinal) {
			if (file->inode != TREE_NONE)
				tree_model_set_digest(b->tree, file->inode, &n->digest);
			fifo_pop(&b->known);
		} else if (file_is_hole(b, file, err) < 0) {
			return -ERR_CORRUPT;
		}
		fifo_pop(&b->files);
	}
	return 0;
}

static int on_entry(void *arg, const struct tar_entry *e, struct err *err)
{
	static const struct digest unknown;
	struct rebuild *b = arg;
	struct waiting file = {.ordinal = b->entries++};
	int r = tree_model_apply(b->tree, e, &unknown, &file.inode, err);

	if (r < 0 || e->type != TAR_FILE || e->size == 0)
		return r;
	r = fifo_push(&b->files, &file, err);
	return r < 0 ? r : settle(b, err);
}

static int on_literal(void *arg, const void *data, size_t len, struct err *err)
{
	struct rebuild *b = arg;

	(void)data;
	(void)err;
	b->at += len;
	return 0;
}

static int on_payload(void *arg, uint64_t ordinal, uint64_t off, uint64_t len,
		      struct err *err)
{
	struct rebuild *b = arg;
	struct named *n, known;
	int r;

	(void)off;
	while ((n = fifo_front(&b->objects)) && n->at < b->at)
		fifo_pop(&b->objects);
	if (len > 0 && b->payload_of != ordinal + 1) {
		if (!n || n->at != b->at)
			return damaged(err);
		known = (struct named){ordinal, n->digest};
		r = fifo_push(&b->known, &known, err);
		if (r < 0)
			return r;
		b->payload_of = ordinal + 1;
	}
	b->at += len;
	return settle(b, err);
}

static int on_end(void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	return 0;
}

static int replay(struct rebuild *b, struct store *s, const struct record_layer *layer,
		  struct err *err)
{
	const struct tar_sink sink = {.entry = on_entry,
				      .entry_end = on_end,
				      .literal = on_literal,
				      .payload = on_payload,
				      .arg = b};
	auto_stream struct stream *tar = NULL;
	const struct waiting *file;
	struct tar_limits limits;
	struct tar_result result;
	int r = recipe_replay(s, &layer->recipe, on_step, b, &tar, err);

	/* What was let in once, with whatever budget, is let in again. */
	tar_limits_default(&limits);
	limits.entries = limits.bytes = limits.file_bytes = UINT64_MAX;
	limits.pax_record = SIZE_MAX / 16;
	if (r == 0)
		r = tar_scan(tar, &limits, true, &sink, NULL, &result, err);
	while (r == 0 && (file = fifo_front(&b->files))) {
		r = file_is_hole(b, file, err);
		fifo_pop(&b->files);
	}
	if (r == 0 && (result.size != layer->tar_size || fifo_front(&b->known)))
		r = damaged(err);
	return r;
}

int layer_rebuild_tree(struct store *s, const struct record_layer *layer, struct buf *out,
		       struct err *err)
{
	struct rebuild b = {0};
	int r = tree_model_new(&b.tree, err);

	fifo_init(&b.objects, sizeof(struct named), QUEUE_MAX);
	fifo_init(&b.holes, sizeof(struct digest), QUEUE_MAX);
	fifo_init(&b.known, sizeof(struct named), QUEUE_MAX);
	fifo_init(&b.files, sizeof(struct waiting), QUEUE_MAX);
	if (r == 0)
		r = replay(&b, s, layer, err);
	if (r == 0)
		r = tree_write(b.tree, out, err);
	fifo_release(&b.objects);
	fifo_release(&b.holes);
	fifo_release(&b.known);
	fifo_release(&b.files);
	tree_model_free(b.tree);
	/* It was accepted when it came in, so now it is the store that is damaged. */
	if ((r == -ERR_INVALID || r == -ERR_LIMIT) && err)
		err->code = ERR_CORRUPT;
	return r == -ERR_INVALID || r == -ERR_LIMIT ? -ERR_CORRUPT : r;
}

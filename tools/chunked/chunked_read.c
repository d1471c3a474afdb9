/* SPDX-License-Identifier: Apache-2.0
 * The tar of a zstd:chunked layer from the store and from parts of the blob. */
#include "tools/chunked/chunked_read.h"

#include <string.h>

#include "store/codec.h"
#include "tools/chunked/known_parts.h"
#include "tools/chunked/packed_text.h"
#include "tools/chunked/range_fetch.h"
#include "tools/chunked/tarsplit_read.h"
#include "tools/chunked/toc_read.h"

#define TEXT_MAX   (1u << 30) /* a table or tar-split, decompressed; never in memory */
#define WORTH_PART 3 / 4      /* of the blob; more is not worth the requests */

/* Where the next bytes of content come from. */
enum part_kind {
	PART_STORE,
	PART_ZEROS,
	PART_CHUNK, /* `plain` */
};

struct part {
	enum part_kind kind;
	struct digest digest;
	uint64_t off, len;
};

struct chunked_read {
	struct stream base;
	struct source *source;
	const struct descriptor *desc;
	uint8_t *tail; /* from the table on */
	size_t tail_len;
	uint64_t content;

	/* The plan: for every file with content whether the store has it, and if it does not,
	 * the same for its chunks. */
	struct known_parts known;
	struct range_plan plan;

	/* The tar. */
	struct range_fetch *fetch;
	struct toc_read *toc;
	struct tarsplit_read *split;
	struct codec *codec;
	struct buf packed, plain;
	const uint8_t *segment;
	size_t segment_len;
	const struct toc_entry *file; /* whose content is given out */
	size_t chunk;                 /* the next one of it */
	struct part part;
};

/* ---- table and tar-split ---- */

static bool fits(uint64_t at, uint64_t len, uint64_t size, uint64_t blob)
{
	return len && len <= PACKED_TEXT_MAX && size <= TEXT_MAX && at <= blob &&
	       len <= blob - at;
}

static int get_tail(struct chunked_read *r, struct err *err)
{
	const struct descriptor_toc *t = &r->desc->toc;
	auto_stream struct stream *in = NULL;
	uint64_t until = t->split_at + t->split_len;
	struct digest digest;
	size_t len;
	int rc;

	if (!fits(t->at, t->len, t->size, r->desc->size) ||
	    !fits(t->split_at, t->split_len, t->split_size, r->desc->size) ||
	    t->split_at < t->at + t->len || until - t->at > 2ull * PACKED_TEXT_MAX)
		return err_set(err, ERR_INVALID,
			       "the table of contents is said to be where it cannot be");
	r->tail_len = (size_t)(until - t->at);
	r->tail = malloc(r->tail_len);
	if (!r->tail)
		return err_nomem(err);
	rc = r->source->open_range(r->source, r->desc, t->at, until, &in, err);
	if (!rc)
		rc = stream_read_full(in, r->tail, r->tail_len, &len, err);
	if (rc)
		return rc;
	if (len < r->tail_len)
		return err_set(err, ERR_INVALID, "the table of contents ends early");
	digest_of(r->tail, t->len, &digest);
	if (!digest_equal(&digest, &t->digest))
		return err_set(err, ERR_INVALID,
			       "the table of contents has another digest");
	return 0;
}

static const uint8_t *split_bytes(const struct chunked_read *r)
{
	return r->tail + (r->desc->toc.split_at - r->desc->toc.at);
}

static int open_table(const struct chunked_read *r, struct toc_read **ret,
		      struct err *err)
{
	const struct descriptor_toc *t = &r->desc->toc;

	return toc_read_open(r->tail, t->len, t->size, t->at, ret, err);
}

/* ---- the plan ---- */

static int is_known(struct chunked_read *r, const struct digest *d, uint64_t size,
		    bool *ret, struct err *err)
{
	int rc = known_parts_has(&r->known, d, size, ret, err);

	return rc ?: known_parts_note(&r->known, *ret, err);
}

static int plan_file(struct chunked_read *r, const struct toc_entry *e, struct err *err)
{
	bool known;
	int rc = is_known(r, &e->digest, e->size, &known, err);

	for (size_t i = 0; i < e->count && !rc && !known; i++) {
		const struct toc_chunk *c = &e->chunks[i];
		bool has = true;

		if (!c->zeros && e->count > 1)
			rc = is_known(r, &c->digest, c->len, &has, err);
		else
			has = c->zeros;
		if (!rc && !has)
			rc = range_plan_add(&r->plan, c->at, c->end, err);
	}
	return rc;
}

static int make_plan(struct chunked_read *r, struct err *err)
{
	auto_toc_read struct toc_read *toc = NULL;
	const struct toc_entry *e;
	struct digest split;
	int rc = open_table(r, &toc, err);

	while (!rc) {
		rc = toc_read_next(toc, &e, err);
		if (rc || !e)
			break;
		r->content += e->size;
		if (e->size)
			rc = plan_file(r, e, err);
	}
	if (rc)
		return rc;
	digest_of(split_bytes(r), r->desc->toc.split_len, &split);
	if (!digest_is_zero(toc_read_split(toc)) &&
	    !digest_equal(toc_read_split(toc), &split))
		return err_set(err, ERR_INVALID, "tar-split has another digest");
	range_plan_join(&r->plan);
	if (range_plan_bytes(&r->plan) > r->desc->size * WORTH_PART)
		return err_set(err, ERR_LIMIT, "most of it is new");
	return 0;
}

/* ---- content ---- */

/* Gets a chunk, and looks whether it is what the table says. */
static int get_chunk(struct chunked_read *r, const struct toc_chunk *c, struct err *err)
{
	size_t len = (size_t)(c->end - c->at);
	struct digest digest;
	int rc;

	buf_clear(&r->packed);
	buf_clear(&r->plain);
	rc = buf_reserve(&r->packed, len, err);
	if (!rc)
		rc = buf_reserve(&r->plain, (size_t)c->len, err);
	if (!rc)
		rc = range_fetch_read(r->fetch, c->at, r->packed.data, len, err);
	if (rc)
		return rc;
	rc = codec_decompress_foreign(r->codec, r->packed.data, len, r->plain.data,
				      (size_t)c->len, err);
	if (rc == -ERR_NOMEM)
		return rc;
	digest_of(r->plain.data, rc ? 0 : (size_t)c->len, &digest);
	if (rc || !digest_equal(&digest, &c->digest))
		return err_set(err, ERR_INVALID,
			       "a chunk of '%.200s' is not what the table says",
			       r->file->name);
	return 0;
}

/* Sets `part`; there is more of the file. */
static int next_part(struct chunked_read *r, struct err *err)
{
	const struct toc_chunk *c = &r->file->chunks[r->chunk++];
	bool known = !c->zeros && r->file->count > 1 && known_parts_next(&r->known);

	r->part = (struct part){c->zeros ? PART_ZEROS
				: known  ? PART_STORE
					 : PART_CHUNK,
				c->digest, 0, c->len};
	return r->part.kind == PART_CHUNK ? get_chunk(r, c, err) : 0;
}

static int begin_file(struct chunked_read *r, const struct tarsplit_line *line,
		      struct err *err)
{
	int rc = toc_read_next(r->toc, &r->file, err);

	if (rc)
		return rc;
	if (!r->file || strcmp(r->file->name, line->name) != 0 ||
	    r->file->size != line->size)
		return err_set(err, ERR_INVALID,
			       "table of contents and tar-split say different things of "
			       "'%.200s'",
			       line->name);
	r->chunk = 0;
	if (r->file->size && known_parts_next(&r->known)) {
		r->part = (struct part){PART_STORE, r->file->digest, 0, r->file->size};
		r->chunk = r->file->count;
	}
	return 0;
}

static int give_part(struct chunked_read *r, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	struct part *p = &r->part;
	int rc = 0;

	*ret_len = p->len - p->off < cap ? (size_t)(p->len - p->off) : cap;
	if (p->kind == PART_ZEROS)
		memset(data, 0, *ret_len);
	else if (p->kind == PART_CHUNK)
		memcpy(data, r->plain.data + p->off, *ret_len);
	else
		rc = known_parts_read(&r->known, &p->digest, p->off, data, *ret_len,
				      ret_len, err);
	p->off += *ret_len;
	return rc;
}

/* ---- the tar ---- */

static int end_tar(struct chunked_read *r, struct err *err)
{
	const struct toc_entry *e;
	int rc = toc_read_next(r->toc, &e, err);

	if (!rc && e)
		rc = err_set(err, ERR_INVALID,
			     "tar-split has fewer entries than the "
			     "table of contents");
	return rc;
}

static int next_line(struct chunked_read *r, bool *ret_end, struct err *err)
{
	struct tarsplit_line line;
	int rc = tarsplit_read_next(r->split, &line, ret_end, err);

	if (rc)
		return rc;
	if (*ret_end)
		return end_tar(r, err);
	if (line.file)
		return begin_file(r, &line, err);
	r->segment = line.bytes->data;
	r->segment_len = line.bytes->len;
	return 0;
}

static int read_tar(struct stream *s, void *data, size_t cap, size_t *ret_len,
		    struct err *err)
{
	struct chunked_read *r = (struct chunked_read *)s;
	bool end = false;
	int rc = 0;

	while (!rc && !end) {
		if (r->segment_len) {
			*ret_len = r->segment_len < cap ? r->segment_len : cap;
			memcpy(data, r->segment, *ret_len);
			r->segment += *ret_len;
			r->segment_len -= *ret_len;
			return 0;
		}
		if (r->part.off < r->part.len)
			return give_part(r, data, cap, ret_len, err);
		if (r->file && r->chunk < r->file->count)
			rc = next_part(r, err);
		else
			rc = next_line(r, &end, err);
	}
	*ret_len = 0;
	return rc;
}

static void close_nothing(struct stream *s)
{
	(void)s; /* chunked_read_close */
}

struct stream *chunked_read_stream(struct chunked_read *r)
{
	return &r->base;
}

uint64_t chunked_read_bytes(const struct chunked_read *r)
{
	return r->tail_len + range_plan_bytes(&r->plan);
}

uint64_t chunked_read_content(const struct chunked_read *r)
{
	return r->content;
}

void chunked_read_close(struct chunked_read *r)
{
	if (!r)
		return;
	range_fetch_free(r->fetch);
	range_plan_release(&r->plan);
	toc_read_close(r->toc);
	tarsplit_read_close(r->split);
	codec_free(r->codec);
	known_parts_release(&r->known);
	buf_release(&r->packed);
	buf_release(&r->plain);
	free(r->tail);
	free(r);
}

int chunked_read_open(struct source *source, const struct descriptor *d,
		      struct objects *objects, struct chunked_read **ret, struct err *err)
{
	auto_chunked_read struct chunked_read *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_nomem(err);
	r->base = (struct stream){read_tar, close_nothing};
	r->source = source;
	r->desc = d;
	known_parts_init(&r->known, objects);
	buf_init(&r->packed, TOC_CHUNK_MAX);
	buf_init(&r->plain, TOC_CHUNK_MAX);
	rc = get_tail(r, err);
	if (!rc)
		rc = make_plan(r, err);
	if (!rc)
		rc = open_table(r, &r->toc, err);
	if (!rc)
		rc = tarsplit_read_open(split_bytes(r), d->toc.split_len,
					d->toc.split_size, &r->split, err);
	if (!rc)
		rc = codec_new(&r->codec, err);
	if (!rc)
		rc = range_fetch_new(source, d, &r->plan, &r->fetch, err);
	if (!rc)
		*ret = steal_ptr(&r);
	return rc;
}

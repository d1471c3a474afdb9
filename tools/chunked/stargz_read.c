/* SPDX-License-Identifier: Apache-2.0
 * The tar of an eStargz layer from the store and from parts of the blob. */
#include "tools/chunked/stargz_read.h"

#include <string.h>

#include "store/inflate.h"
#include "store/tar_write.h"
#include "tools/chunked/known_parts.h"
#include "tools/chunked/range_fetch.h"
#include "tools/chunked/stargz_footer.h"
#include "tools/chunked/stargz_table.h"
#include "tools/chunked/stargz_toc.h"

#define WORTH_PART  3 / 4       /* of the blob; more is not worth the requests */
#define PLAIN_MAX   (64u << 20) /* a stretch, decompressed */
#define READ_SIZE   (64u << 10)
#define ALWAYS_READ 2 /* stretches at the start: they show how headers are written */
#define MAGIC_AT    257

/* A note about a stretch, or a piece of a known one. */
enum note {
	UNKNOWN,
	KNOWN,       /* as a whole: the stretch, or the file */
	KNOWN_CHUNK, /* the chunk alone */
};

struct stargz_read {
	struct stream base;
	struct source *source;
	const struct descriptor *desc;
	struct stargz_table table;
	struct known_parts known;
	struct range_plan plan;
	uint64_t content;

	/* The tar. */
	struct range_fetch *fetch;
	struct stargz_toc *toc;
	bool gnu; /* how headers are written, as far as was seen */
	struct buf packed, plain;
	const struct stargz_stretch *stretch; /* a known one that is given out */
	size_t piece;                         /* its next one */
	const uint8_t *framing;
	struct digest digest; /* content from the store comes first, ... */
	uint64_t off, left;
	const uint8_t *bytes; /* ... then these */
	size_t bytes_len;
	struct stream *tail; /* then the end of the tar */
};

static int open_toc(const struct stargz_read *r, struct stargz_toc **ret, struct err *err)
{
	struct stream *text;
	int rc = stargz_table_text(&r->table, &text, err);

	return rc ?: stargz_toc_open(text, r->table.size, r->table.at, ret, err);
}

/* ---- the plan ---- */

static int look_up(const struct stargz_read *r, const struct digest *d, uint64_t size,
		   bool *ret, struct err *err)
{
	*ret = false;
	return digest_is_zero(d) ? 0 : known_parts_has(&r->known, d, size, ret, err);
}

static int look_up_piece(const struct stargz_read *r, const struct stargz_piece *p,
			 enum note *ret, struct err *err)
{
	bool file, chunk = false;
	int rc = look_up(r, &p->file, p->file_size, &file, err);

	if (!rc && !file)
		rc = look_up(r, &p->chunk, p->len, &chunk, err);
	if (!rc)
		*ret = file ? KNOWN : chunk ? KNOWN_CHUNK : UNKNOWN;
	return rc;
}

/* Adds the notes about S; it counts as unknown unless all of it is known. */
static int note_stretch(struct stargz_read *r, const struct stargz_stretch *s,
			bool *ret_known, struct err *err)
{
	size_t at = r->known.notes.len;
	enum note note = KNOWN;
	int rc = known_parts_note(&r->known, KNOWN, err);

	for (size_t i = 0; i < s->count && !rc && note != UNKNOWN; i++) {
		rc = look_up_piece(r, &s->pieces[i], &note, err);
		if (!rc)
			rc = known_parts_note(&r->known, (uint8_t)note, err);
	}
	if (rc)
		return rc;
	*ret_known = note != UNKNOWN;
	if (*ret_known)
		return 0;
	r->known.notes.len = at;
	return known_parts_note(&r->known, UNKNOWN, err);
}

static int plan_stretch(struct stargz_read *r, const struct stargz_stretch *s,
			size_t number, struct err *err)
{
	bool known = false;
	int rc;

	for (size_t i = 0; i < s->count; i++)
		r->content += s->pieces[i].len;
	if (number < ALWAYS_READ || s->last)
		rc = known_parts_note(&r->known, UNKNOWN, err);
	else
		rc = note_stretch(r, s, &known, err);
	if (rc || (known && !s->untold))
		return rc;
	return range_plan_add(&r->plan, known ? s->headers_at : s->at, s->end, err);
}

static int make_plan(struct stargz_read *r, struct err *err)
{
	auto_stargz_toc struct stargz_toc *toc = NULL;
	const struct stargz_stretch *s;
	int rc = open_toc(r, &toc, err);

	for (size_t number = 0; !rc; number++) {
		rc = stargz_toc_next(toc, false, &s, err);
		if (rc || !s)
			break;
		rc = plan_stretch(r, s, number, err);
	}
	if (rc)
		return rc;
	range_plan_join(&r->plan);
	if (range_plan_bytes(&r->plan) > r->desc->size * WORTH_PART)
		return err_set(err, ERR_LIMIT, "most of it is new");
	return 0;
}

/* ---- stretches that are fetched ---- */

static int inflate_all(struct stargz_read *r, struct err *err)
{
	auto_stream struct stream *in = NULL;
	enum inflate_kind kind;
	size_t len = 0;
	int rc = stream_from_bytes(r->packed.data, r->packed.len, &in, err);

	if (!rc)
		rc = inflate_open(steal_ptr(&in), false, &kind, &in, err);
	if (!rc && kind != INFLATE_GZIP)
		rc = err_set(err, ERR_INVALID, "a part of the blob is not gzip");
	buf_clear(&r->plain);
	do {
		if (!rc)
			rc = buf_reserve(&r->plain, READ_SIZE, err);
		if (!rc)
			rc = in->read(in, r->plain.data + r->plain.len, READ_SIZE, &len,
				      err);
		r->plain.len += rc ? 0 : len;
	} while (!rc && len);
	return rc;
}

static int check_content(const struct stargz_read *r, const struct stargz_stretch *s,
			 struct err *err)
{
	const uint8_t *p = r->plain.data;

	for (size_t i = 0; i < s->count; i++) {
		const struct stargz_piece *piece = &s->pieces[i];
		struct digest is;

		digest_of(p, (size_t)piece->len, &is);
		if (!digest_is_zero(&piece->chunk) && !digest_equal(&is, &piece->chunk))
			return err_set(err, ERR_INVALID,
				       "a chunk is not what the table says");
		p += piece->len + piece->framing;
	}
	return 0;
}

static bool same_framing(const struct stargz_read *r, const struct stargz_stretch *s)
{
	const uint8_t *p = r->plain.data, *told = s->framing->data;

	if (!s->count)
		return !s->len || memcmp(p, told, (size_t)s->len) == 0;
	for (size_t i = 0; i < s->count; i++) {
		const struct stargz_piece *piece = &s->pieces[i];

		p += piece->len;
		if (piece->framing && memcmp(p, told, piece->framing) != 0)
			return false;
		p += piece->framing;
		told += piece->framing;
	}
	return true;
}

/* Looks how the first header is written. *ret_other: not as it was told. */
static void learn(struct stargz_read *r, const struct stargz_stretch *s, bool *ret_other)
{
	static const char gnu[] = "ustar  ";
	bool is;

	*ret_other = false;
	if ((s->header == s->len && !s->untold) ||
	    r->plain.len < s->header + TAR_BLOCK_SIZE)
		return;
	is = memcmp(r->plain.data + s->header + MAGIC_AT, gnu, sizeof(gnu)) == 0;
	*ret_other = is != r->gnu;
	r->gnu = is;
}

/* Sets `plain` to what these bytes of the blob decompress to. */
static int get_plain(struct stargz_read *r, uint64_t at, uint64_t end, struct err *err)
{
	size_t len = (size_t)(end - at);
	int rc;

	buf_clear(&r->packed);
	rc = buf_reserve(&r->packed, len, err);
	if (!rc)
		rc = range_fetch_read(r->fetch, at, r->packed.data, len, err);
	if (rc)
		return rc;
	r->packed.len = len;
	return inflate_all(r, err);
}

static int get_stretch(struct stargz_read *r, const struct stargz_stretch *s,
		       struct err *err)
{
	bool other = false;
	int rc = get_plain(r, s->at, s->end, err);

	if (rc)
		return rc;
	/* What is told of others depends on the first entry, if on any. */
	if (!s->untold || !s->count)
		learn(r, s, &other);
	r->bytes = r->plain.data;
	r->bytes_len = r->plain.len;
	if (other || (s->untold && !s->count))
		return 0;
	if (s->untold && r->plain.len >= s->pieces[0].len)
		return check_content(r, s, err);
	if (r->plain.len == s->len || (r->plain.len > s->len && s->last)) {
		rc = check_content(r, s, err);
		if (rc || same_framing(r, s))
			return rc;
	}
	return err_set(err, ERR_INVALID,
		       "its headers are not what the table of contents tells");
}

/* ---- the tar ---- */

static void give_piece(struct stargz_read *r)
{
	const struct stargz_piece *p = &r->stretch->pieces[r->piece++];
	bool whole = known_parts_next(&r->known) == KNOWN;

	r->digest = whole ? p->file : p->chunk;
	r->off = whole ? p->off : 0;
	r->left = p->len;
	r->bytes = r->stretch->untold ? r->plain.data : r->framing;
	r->bytes_len = r->stretch->untold ? r->plain.len : p->framing;
	r->framing += p->framing;
}

/* *ret_end: there are no more. */
static int next_stretch(struct stargz_read *r, bool *ret_end, struct err *err)
{
	const struct stargz_stretch *s;
	int rc = stargz_toc_next(r->toc, r->gnu, &s, err);

	r->stretch = NULL;
	*ret_end = !rc && !s;
	if (rc || !s)
		return rc;
	if (known_parts_next(&r->known) == UNKNOWN)
		return get_stretch(r, s, err);
	r->stretch = s;
	r->piece = 0;
	r->framing = s->framing->data;
	return s->untold ? get_plain(r, s->headers_at, s->end, err) : 0;
}

static int give(struct stargz_read *r, void *data, size_t cap, size_t *ret_len,
		struct err *err)
{
	int rc;

	if (r->left) {
		rc = known_parts_read(&r->known, &r->digest, r->off, data,
				      cap < r->left ? cap : (size_t)r->left, ret_len,
				      err);
		if (rc)
			return rc;
		r->off += *ret_len;
		r->left -= *ret_len;
		return 0;
	}
	*ret_len = r->bytes_len < cap ? r->bytes_len : cap;
	memcpy(data, r->bytes, *ret_len);
	r->bytes += *ret_len;
	r->bytes_len -= *ret_len;
	return 0;
}

static int read_tar(struct stream *s, void *data, size_t cap, size_t *ret_len,
		    struct err *err)
{
	struct stargz_read *r = (struct stargz_read *)s;
	bool end = false;
	int rc = 0;

	*ret_len = 0;
	while (!rc && !r->tail) {
		if (r->left || r->bytes_len)
			return give(r, data, cap, ret_len, err);
		if (r->stretch && r->piece < r->stretch->count)
			give_piece(r);
		else
			rc = next_stretch(r, &end, err);
		if (end)
			rc = stargz_table_tar(&r->table, &r->tail, err);
	}
	return rc ?: r->tail->read(r->tail, data, cap, ret_len, err);
}

static void close_nothing(struct stream *s)
{
	(void)s; /* stargz_read_close */
}

/* ---- its life ---- */

struct stream *stargz_read_stream(struct stargz_read *r)
{
	return &r->base;
}

uint64_t stargz_read_bytes(const struct stargz_read *r)
{
	return STARGZ_FOOTER_MAX + r->table.len + range_plan_bytes(&r->plan);
}

uint64_t stargz_read_content(const struct stargz_read *r)
{
	return r->content;
}

void stargz_read_close(struct stargz_read *r)
{
	if (!r)
		return;
	range_fetch_free(r->fetch);
	range_plan_release(&r->plan);
	stargz_toc_close(r->toc);
	stream_close(r->tail);
	stargz_table_release(&r->table);
	known_parts_release(&r->known);
	buf_release(&r->packed);
	buf_release(&r->plain);
	free(r);
}

int stargz_read_open(struct source *source, const struct descriptor *d,
		     struct objects *objects, struct stargz_read **ret, struct err *err)
{
	auto_stargz_read struct stargz_read *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_nomem(err);
	r->base = (struct stream){read_tar, close_nothing};
	r->source = source;
	r->desc = d;
	known_parts_init(&r->known, objects);
	buf_init(&r->packed, STARGZ_PART_MAX);
	buf_init(&r->plain, PLAIN_MAX);
	rc = stargz_table_get(&r->table, source, d, err);
	if (!rc)
		rc = make_plan(r, err);
	if (!rc)
		rc = open_toc(r, &r->toc, err);
	if (!rc)
		rc = range_fetch_new(source, d, &r->plan, &r->fetch, err);
	if (!rc)
		*ret = steal_ptr(&r);
	return rc;
}

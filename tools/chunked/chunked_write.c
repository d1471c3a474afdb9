/* SPDX-License-Identifier: Apache-2.0
 * A layer's tar as a zstd:chunked blob. */
#include "tools/chunked/chunked_write.h"

#include <string.h>

#include "store/deflate.h"
#include "store/digest_set.h"
#include "tools/chunked/crc64.h"
#include "tools/chunked/entry_name.h"
#include "tools/chunked/tar_cut.h"
#include "tools/chunked/tarsplit_write.h"
#include "tools/chunked/toc_entry.h"
#include "tools/chunked/toc_write.h"

#define SKIPPABLE    0x184d2a50u
#define FOOTER_SIZE  64u
#define FOOTER_MAGIC "GNUlInUx"
#define TYPE_TOC     1u
#define SEGMENT_MAX  (1u << 20) /* of bytes that belong to no entry */
#define FLIGHT_MAX   256u       /* pieces that are being compressed, or more */

struct chunked_write {
	struct stream base;
	struct tar_cut *cut;
	struct stream *frames;
	struct toc_write toc;
	struct tarsplit_write split;
	struct descriptor_toc place;
	struct digest_set names;
	const char *why; /* there is no table */

	/* The file that is being told. */
	struct buf name;
	uint64_t size, crc;
	struct hasher *hasher;

	/* Pieces that went in and have not come out; of chunks. */
	bool content[FLIGHT_MAX];
	uint64_t in, out;
	uint64_t at; /* bytes of the blob that came out */

	struct buf tail; /* table, tar-split and footer */
	size_t given;    /* of the tail */
	bool at_tail;
};

/* ---- what the cutter tells ---- */

static int end_file(struct chunked_write *w, struct err *err)
{
	return tarsplit_write_file(&w->split, (const char *)w->name.data, w->size, w->crc,
				   err);
}

static int is_unique(struct chunked_write *w, const struct tar_raw_entry *e,
		     struct err *err)
{
	struct digest name;
	bool fresh = true;
	int rc = entry_name_digest(e->path, e->path_len, &name, err);

	if (!rc)
		rc = digest_set_add(&w->names, &name, &fresh, err);
	if (!rc && !fresh)
		w->why = "two entries of one name";
	return rc;
}

static int on_entry(void *arg, const struct tar_raw_entry *e, const uint8_t *framing,
		    size_t len, size_t header_len, bool *ret_refused, struct err *err)
{
	struct chunked_write *w = arg;
	json_t *entry;
	int rc = is_unique(w, e, err);

	if (!rc && !w->why)
		rc = toc_entry_make(e, framing + (len - header_len), header_len,
				    TOC_ZSTD_CHUNKED, &entry, &w->why, err);
	*ret_refused = w->why != NULL;
	if (rc || w->why)
		return rc;
	w->size = e->type == TAR_FILE ? e->payload_size : 0;
	w->crc = 0;
	buf_clear(&w->name);
	rc = toc_write_entry(&w->toc, entry, w->size, err);
	if (!rc)
		rc = buf_append(&w->name, e->path, e->path_len + 1, err);
	if (!rc)
		rc = tarsplit_write_segment(&w->split, framing, len, err);
	return rc || w->size ? rc : end_file(w, err);
}

static int on_content(void *arg, const void *data, size_t len, bool last, struct err *err)
{
	struct chunked_write *w = arg;
	struct digest digest;
	int rc;

	w->crc = crc64(w->crc, data, len);
	digest_of(data, len, &digest);
	if (len != w->size)
		hasher_update(w->hasher, data, len);
	rc = toc_write_chunk(&w->toc, &digest, len, err);
	if (rc || !last)
		return rc;
	if (len != w->size)
		hasher_final(w->hasher, &digest);
	toc_write_content(&w->toc, &digest);
	return end_file(w, err);
}

static int on_rest(void *arg, const void *data, size_t len, struct err *err)
{
	struct chunked_write *w = arg;
	const uint8_t *p = data;
	int rc = 0;

	while (len && !rc) {
		size_t n = len < SEGMENT_MAX ? len : SEGMENT_MAX;

		rc = tarsplit_write_segment(&w->split, p, n, err);
		p += n;
		len -= n;
	}
	return rc;
}

/* ---- pieces ---- */

static int next_piece(void *arg, void *data, size_t cap, size_t *ret_len, struct err *err)
{
	struct chunked_write *w = arg;
	int rc;

	(void)cap;
	if (w->in - w->out == FLIGHT_MAX)
		return err_set(err, ERR_FAILED, "too many pieces at once");
	rc = tar_cut_next(w->cut, data, ret_len, &w->content[w->in % FLIGHT_MAX], err);
	w->in++;
	return rc;
}

static int packed_piece(void *arg, size_t len, struct err *err)
{
	struct chunked_write *w = arg;
	uint64_t at = w->at;

	w->at += len;
	if (w->content[w->out++ % FLIGHT_MAX] && !w->why)
		return toc_write_place(&w->toc, at, len, err);
	return 0;
}

/* ---- what follows the frames ---- */

static int add_skippable(struct chunked_write *w, const void *data, size_t len,
			 uint64_t *ret_at, struct err *err)
{
	int rc = buf_append_le32(&w->tail, SKIPPABLE, err);

	if (!rc)
		rc = buf_append_le32(&w->tail, (uint32_t)len, err);
	*ret_at = w->at + w->tail.len;
	return rc ? rc : buf_append(&w->tail, data, len, err);
}

static int add_footer(struct chunked_write *w, struct err *err)
{
	const struct descriptor_toc *p = &w->place;
	const uint64_t numbers[] = {p->at,       p->len,       p->size,      TYPE_TOC,
				    p->split_at, p->split_len, p->split_size};
	auto_buf struct buf footer;
	uint64_t at;
	int rc = 0;

	buf_init(&footer, FOOTER_SIZE);
	for (size_t i = 0; i < ARRAY_LEN(numbers) && !rc; i++)
		rc = buf_append_le64(&footer, numbers[i], err);
	if (!rc)
		rc = buf_append(&footer, FOOTER_MAGIC, strlen(FOOTER_MAGIC), err);
	return rc ? rc : add_skippable(w, footer.data, footer.len, &at, err);
}

static int make_tail(struct chunked_write *w, struct err *err)
{
	struct packed_text *toc = &w->toc.text, *split = &w->split.text;
	struct descriptor_toc *p = &w->place;
	struct digest digest;
	int rc = packed_text_finish(split, err);

	if (rc)
		return rc;
	digest_of(split->packed.data, split->packed.len, &digest);
	rc = toc_write_finish(&w->toc, &digest, err);
	if (rc)
		return rc;
	digest_of(toc->packed.data, toc->packed.len, &p->digest);
	p->len = toc->packed.len;
	p->size = toc->size;
	p->split_len = split->packed.len;
	p->split_size = split->size;
	rc = add_skippable(w, toc->packed.data, toc->packed.len, &p->at, err);
	if (!rc)
		rc = add_skippable(w, split->packed.data, split->packed.len, &p->split_at,
				   err);
	if (!rc)
		rc = add_footer(w, err);
	p->given = !rc;
	return rc;
}

/* ---- the stream ---- */

static int read_blob(struct stream *s, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	struct chunked_write *w = (struct chunked_write *)s;
	size_t left;
	int rc;

	if (!w->at_tail) {
		rc = w->frames->read(w->frames, data, cap, ret_len, err);
		if (rc || *ret_len)
			return rc;
		w->at_tail = true;
		if (!w->why)
			rc = make_tail(w, err);
		if (rc)
			return rc;
	}
	left = w->tail.len - w->given;
	if (left > cap)
		left = cap;
	if (left)
		memcpy(data, w->tail.data + w->given, left);
	w->given += left;
	*ret_len = left;
	return 0;
}

static void close_nothing(struct stream *s)
{
	(void)s; /* chunked_write_close */
}

struct stream *chunked_write_stream(struct chunked_write *w)
{
	return &w->base;
}

const struct descriptor_toc *chunked_write_toc(const struct chunked_write *w,
					       const char **ret_why)
{
	*ret_why = w->why;
	return &w->place;
}

void chunked_write_close(struct chunked_write *w)
{
	if (!w)
		return;
	stream_close(w->frames);
	tar_cut_free(w->cut);
	toc_write_release(&w->toc);
	tarsplit_write_release(&w->split);
	digest_set_release(&w->names);
	hasher_free(w->hasher);
	buf_release(&w->name);
	buf_release(&w->tail);
	free(w);
}

int chunked_write_open(struct stream *tar, int level, unsigned threads,
		       struct chunked_write **ret, struct err *err)
{
	auto_chunked_write struct chunked_write *w = calloc(1, sizeof(*w));
	const struct tar_cut_sink sink = {on_entry, on_content, on_rest, w};
	const struct deflate_pieces pieces = {TAR_CUT_MAX, next_piece, packed_piece, w};
	struct tar_limits limits;
	int rc;

	if (!w)
		return err_nomem(err);
	w->base = (struct stream){read_blob, close_nothing};
	tar_limits_default(&limits);
	buf_init(&w->name, limits.path + 1);
	buf_init(&w->tail, 2 * (size_t)PACKED_TEXT_MAX + 1024);
	tarsplit_write_init(&w->split);
	rc = toc_write_init(&w->toc, TOC_ZSTD_CHUNKED, err);
	if (!rc)
		rc = hasher_new(&w->hasher, err);
	if (!rc)
		rc = tar_cut_new(tar, &sink, &w->cut, err);
	if (!rc)
		rc = deflate_open_pieces(&pieces, INFLATE_ZSTD, level, threads,
					 &w->frames, err);
	if (!rc)
		*ret = steal_ptr(&w);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0
 * A layer as an eStargz blob. */
#include "tools/chunked/stargz_write.h"

#include <string.h>

#include "store/deflate.h"
#include "store/digest_set.h"
#include "store/tar_write.h"
#include "tools/chunked/entry_name.h"
#include "tools/chunked/stargz_end.h"
#include "tools/chunked/stargz_tell.h"
#include "tools/chunked/tar_cut.h"
#include "tools/chunked/toc_write.h"

#define UNIT       (2 * TAR_CUT_MAX)
#define TOLD_MAX   (4u << 20) /* headers of an entry */
#define FLIGHT_MAX 256u       /* pieces that are being compressed, or more */

enum step {
	STEP_TAR,
	STEP_LANDMARK, /* its header is next; then ... */
	STEP_MARK,     /* ... its content */
	STEP_ZEROS,    /* what fills the last block, or ends a tar without a table */
	STEP_END,
};

struct stargz_write {
	struct stream base;
	struct tar_cut *cut;
	struct stream *members;
	struct toc_write toc;
	struct digest_set names;
	struct descriptor_stargz place;
	struct digest diffid;
	const char *why;       /* there is no table */
	struct hasher *diff;   /* of the tar as it is written */
	struct hasher *hasher; /* of the file that is being told, ... */
	uint64_t size;         /* ... which has so many bytes */
	uint64_t content_left; /* of it */
	uint64_t entry_end;    /* of the last entry, in the tar */
	bool landmark;         /* the tar has one */

	/* Headers that a reader would tell from the table. */
	struct stargz_tell tell;
	struct buf told;
	bool gnu;    /* as those of the first entry are */
	bool untold; /* one since the last content is another */

	bool ended; /* at `entry_end`, by the table that it had */

	/* The tar's zeros are held back until more follows: those at its end are left out. */
	enum step step;
	uint64_t zeros;
	uint64_t tar_at; /* bytes of the tar that went on */
	uint8_t piece[TAR_CUT_MAX];
	size_t piece_len,
		piece_zeros; /* it ends in so many; they are not in its length */
	bool piece_content;

	/* Pieces that went in and have not come out; of chunks. */
	bool content[FLIGHT_MAX];
	bool after_content; /* the last one that came out */
	uint64_t in, out;
	uint64_t at; /* bytes of the blob that came out */

	struct stargz_end *end;
};

/* Zeros that it ends in. */
static size_t count_zeros(const uint8_t *data, size_t len)
{
	size_t n = 0;

	while (n < len && !data[len - n - 1])
		n++;
	return n;
}

/* ---- what the cutter tells ---- */

/* Whether an entry of that name was there. */
static int add_name(struct stargz_write *w, const char *path, size_t len, bool *ret_fresh,
		    struct err *err)
{
	struct digest name;
	int rc = entry_name_digest(path, len, &name, err);

	return rc ? rc : digest_set_add(&w->names, &name, ret_fresh, err);
}

static int check_names(struct stargz_write *w, const struct tar_raw_entry *e,
		       struct err *err)
{
	bool fresh = true, far = false;
	int rc = 0;

	if (e->type == TAR_HARDLINK)
		rc = add_name(w, e->link, e->link_len, &far, err);
	if (!rc)
		rc = add_name(w, e->path, e->path_len, &fresh, err);
	if (!rc && far)
		w->why = "a hardlink to a file that it does not have";
	else if (!rc && !fresh)
		w->why = "two entries of one name";
	return rc;
}

static bool is_named(const struct tar_raw_entry *e, const char *name)
{
	const char *path = e->path;

	while (path[0] == '/' || (path[0] == '.' && path[1] == '/'))
		path++;
	return strcmp(path, name) == 0;
}

static bool is_told(struct stargz_write *w, const json_t *entry, const uint8_t *framing,
		    size_t len, size_t header_len)
{
	static const char gnu[] = "ustar  ";
	const uint8_t *header = framing + (len - header_len);
	struct go_header h;
	bool timed = false;

	if (w->names.count == 1)
		w->gnu = memcmp(header + 257, gnu, sizeof(gnu)) == 0;
	buf_clear(&w->told);
	return !stargz_tell_row(&w->tell, entry, w->gnu, &h, &timed, NULL) && timed &&
	       !go_header_append(&w->told, &h, NULL) && w->told.len == header_len &&
	       memcmp(w->told.data, header, header_len) == 0 &&
	       count_zeros(framing, len - header_len) == len - header_len;
}

/* Its row, and a mark if a reader could not tell the headers since the last content. */
static int put_row(struct stargz_write *w, json_t *entry, uint64_t size, struct err *err)
{
	int rc = toc_write_entry(&w->toc, entry, size, err);

	if (rc || !size)
		return rc;
	if (w->untold)
		toc_write_front(&w->toc);
	w->untold = false;
	return 0;
}

static int add_entry(struct stargz_write *w, const struct tar_raw_entry *e,
		     const uint8_t *framing, size_t len, size_t header_len,
		     struct err *err)
{
	json_t *entry;
	int rc = check_names(w, e, err);

	if (!rc && !w->why)
		rc = toc_entry_make(e, framing + (len - header_len), header_len,
				    TOC_STARGZ, &entry, &w->why, err);
	if (rc || w->why)
		return rc;
	w->untold = !is_told(w, entry, framing, len, header_len) || w->untold;
	return put_row(w, entry, w->size, err);
}

static int on_entry(void *arg, const struct tar_raw_entry *e, const uint8_t *framing,
		    size_t len, size_t header_len, bool *ret_refused, struct err *err)
{
	struct stargz_write *w = arg;
	int rc = 0;

	if (w->ended)
		return err_set(err, ERR_INVALID,
			       "no eStargz can be made of it: an entry follows its '%s'",
			       STARGZ_END_NAME);
	w->size = w->content_left = e->type == TAR_FILE ? e->payload_size : 0;
	w->ended = is_named(e, STARGZ_END_NAME);
	if (w->ended)
		w->entry_end = e->start;
	if (w->ended && e->start < w->tar_at + w->zeros)
		return err_set(err, ERR_INVALID, "the headers of '%s' are too long",
			       STARGZ_END_NAME);
	if (!w->ended) {
		w->entry_end = e->payload + w->size + tar_write_padding(w->size);
		w->landmark = w->landmark || is_named(e, STARGZ_END_LANDMARK) ||
			      is_named(e, STARGZ_END_PREFETCH);
		rc = add_entry(w, e, framing, len, header_len, err);
	}
	*ret_refused = w->why != NULL;
	return rc;
}

static int on_content(void *arg, const void *data, size_t len, bool last, struct err *err)
{
	struct stargz_write *w = arg;
	struct digest digest;
	int rc;

	w->content_left -= len;
	if (w->ended)
		return 0;
	digest_of(data, len, &digest);
	if (len != w->size)
		hasher_update(w->hasher, data, len);
	rc = toc_write_chunk(&w->toc, &digest, len, err);
	if (rc || !last)
		return rc;
	if (len != w->size)
		hasher_final(w->hasher, &digest);
	toc_write_content(&w->toc, &digest);
	return 0;
}

static int on_rest(void *arg, const void *data, size_t len, struct err *err)
{
	(void)arg;
	(void)data;
	(void)len;
	(void)err;
	return 0;
}

/* ---- the tar ---- */

/* Reads the next piece. *ret_end: there is none. */
static int read_piece(struct stargz_write *w, bool *ret_end, struct err *err)
{
	uint64_t from = w->tar_at + w->zeros;
	bool followed;
	size_t len;
	int rc = tar_cut_next(w->cut, w->piece, &len, &w->piece_content, err);

	*ret_end = !rc && !len;
	w->piece_len = w->piece_zeros = 0;
	if (rc || !len)
		return rc;
	if (w->ended) {
		/* What it had for a table, and all behind it, is left out. */
		len = from < w->entry_end ? (size_t)(w->entry_end - from) : 0;
		w->piece_content = false;
	}
	followed = w->piece_content || (w->content_left && !w->why && !w->ended);
	w->piece_zeros = followed ? 0 : count_zeros(w->piece, len);
	w->piece_len = len - w->piece_zeros;
	return 0;
}

/* The piece as it is given on; *ret_len 0: the tar is at its end. */
static int next_of_tar(struct stargz_write *w, uint8_t *data, size_t cap, size_t *ret_len,
		       bool *ret_content, struct err *err)
{
	bool end = false;
	int rc = 0;

	*ret_len = 0;
	while (!rc && !end && !w->piece_len) {
		rc = read_piece(w, &end, err);
		if (!w->piece_len)
			w->zeros += w->piece_zeros;
	}
	if (rc || end)
		return rc;
	if (w->zeros) {
		*ret_len = w->zeros < cap ? (size_t)w->zeros : cap;
		memset(data, 0, *ret_len);
		w->zeros -= *ret_len;
		w->tar_at += *ret_len;
		return 0;
	}
	*ret_len = w->piece_len;
	*ret_content = w->piece_content && !w->why;
	memcpy(data, w->piece, w->piece_len);
	w->tar_at += w->piece_len;
	w->zeros = w->piece_zeros;
	w->piece_len = 0;
	return 0;
}

/* All entries went on. */
static void end_tar(struct stargz_write *w)
{
	if (!w->why && w->tar_at > w->entry_end)
		w->why = "bytes behind its end";
	if (w->why) {
		w->step = STEP_ZEROS;
		return;
	}
	w->zeros = w->entry_end - w->tar_at;
	w->step = w->landmark ? STEP_ZEROS : STEP_LANDMARK;
}

/* ---- pieces ---- */

static int next_landmark(struct stargz_write *w, uint8_t *data, size_t *ret_len,
			 struct err *err)
{
	auto_buf struct buf header;
	json_t *entry;
	int rc;

	buf_init(&header, UNIT);
	rc = buf_append_zeros(&header, (size_t)w->zeros, err);
	if (!rc)
		rc = stargz_end_landmark(&header, &entry, err);
	if (rc)
		return rc;
	memcpy(data, header.data, header.len);
	*ret_len = header.len;
	w->step = STEP_MARK;
	return put_row(w, entry, 1, err);
}

static int next_mark(struct stargz_write *w, uint8_t *data, size_t *ret_len,
		     struct err *err)
{
	struct digest digest;
	int rc;

	data[0] = STARGZ_END_MARK;
	*ret_len = 1;
	digest_of(data, 1, &digest);
	rc = toc_write_chunk(&w->toc, &digest, 1, err);
	toc_write_content(&w->toc, &digest);
	w->zeros = tar_write_padding(1);
	w->step = STEP_ZEROS;
	return rc;
}

static void next_zeros(struct stargz_write *w, uint8_t *data, size_t cap, size_t *ret_len)
{
	*ret_len = w->zeros < cap ? (size_t)w->zeros : cap;
	memset(data, 0, *ret_len);
	w->zeros -= *ret_len;
	if (!w->zeros)
		w->step = STEP_END;
}

static int next_step(struct stargz_write *w, uint8_t *data, size_t cap, size_t *ret_len,
		     bool *ret_content, struct err *err)
{
	int rc = 0;

	if (w->step == STEP_TAR) {
		rc = next_of_tar(w, data, cap, ret_len, ret_content, err);
		if (rc || *ret_len)
			return rc;
		end_tar(w);
	}
	switch (w->step) {
	case STEP_LANDMARK:
		return next_landmark(w, data, ret_len, err);
	case STEP_MARK:
		*ret_content = true;
		return next_mark(w, data, ret_len, err);
	case STEP_ZEROS:
		next_zeros(w, data, cap, ret_len);
		return 0;
	default:
		return 0;
	}
}

static int next_piece(void *arg, void *data, size_t cap, size_t *ret_len, struct err *err)
{
	struct stargz_write *w = arg;
	bool content = false;
	int rc;

	if (w->in - w->out == FLIGHT_MAX)
		return err_set(err, ERR_FAILED, "too many pieces at once");
	*ret_len = 0;
	rc = next_step(w, data, cap, ret_len, &content, err);
	if (rc)
		return rc;
	hasher_update(w->diff, data, *ret_len);
	w->place.size += *ret_len;
	w->content[w->in++ % FLIGHT_MAX] = content;
	return 0;
}

static int packed_piece(void *arg, size_t len, struct err *err)
{
	struct stargz_write *w = arg;
	bool content = w->content[w->out++ % FLIGHT_MAX];
	uint64_t at = w->at;

	w->at += len;
	if (!content && w->after_content)
		w->toc.front = at;
	w->after_content = content;
	return content && !w->why ? toc_write_place(&w->toc, at, len, err) : 0;
}

/* ---- the stream ---- */

static int begin_end(struct stargz_write *w, struct err *err)
{
	int rc = toc_write_finish(&w->toc, NULL, err);

	return rc ? rc : stargz_end_open(&w->toc.text, w->at, w->diff, &w->end, err);
}

static void finish(struct stargz_write *w)
{
	hasher_final(w->diff, &w->diffid);
	if (w->why)
		return;
	w->place.given = true;
	w->place.size += stargz_end_size(w->end, &w->place.digest);
}

static int read_blob(struct stream *s, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	struct stargz_write *w = (struct stargz_write *)s;
	int rc = 0;

	*ret_len = 0;
	if (w->members) {
		rc = w->members->read(w->members, data, cap, ret_len, err);
		if (rc || *ret_len)
			return rc;
		stream_close(w->members);
		w->members = NULL;
		if (!w->why)
			rc = begin_end(w, err);
	}
	if (!rc && w->end)
		rc = stargz_end_read(w->end, data, cap, ret_len, err);
	if (!rc && !*ret_len)
		finish(w);
	return rc;
}

static void close_nothing(struct stream *s)
{
	(void)s; /* stargz_write_close */
}

struct stream *stargz_write_stream(struct stargz_write *w)
{
	return &w->base;
}

const struct descriptor_stargz *stargz_write_toc(const struct stargz_write *w,
						 struct digest *ret_diffid,
						 const char **ret_why)
{
	*ret_diffid = w->diffid;
	*ret_why = w->why;
	return &w->place;
}

void stargz_write_close(struct stargz_write *w)
{
	if (!w)
		return;
	stream_close(w->members);
	stargz_end_close(w->end);
	tar_cut_free(w->cut);
	toc_write_release(&w->toc);
	digest_set_release(&w->names);
	hasher_free(w->hasher);
	hasher_free(w->diff);
	buf_release(&w->told);
	free(w);
}

int stargz_write_open(struct stream *tar, int level, unsigned threads,
		      struct stargz_write **ret, struct err *err)
{
	auto_stargz_write struct stargz_write *w = calloc(1, sizeof(*w));
	const struct tar_cut_sink sink = {on_entry, on_content, on_rest, w};
	const struct deflate_pieces pieces = {UNIT, next_piece, packed_piece, w};
	int rc;

	if (!w)
		return err_nomem(err);
	w->base = (struct stream){read_blob, close_nothing};
	buf_init(&w->told, TOLD_MAX);
	rc = toc_write_init(&w->toc, TOC_STARGZ, err);
	if (!rc)
		rc = hasher_new(&w->hasher, err);
	if (!rc)
		rc = hasher_new(&w->diff, err);
	if (!rc)
		rc = tar_cut_new(tar, &sink, &w->cut, err);
	if (!rc)
		rc = deflate_open_pieces(&pieces, INFLATE_GZIP, level, threads,
					 &w->members, err);
	if (!rc)
		*ret = steal_ptr(&w);
	return rc;
}

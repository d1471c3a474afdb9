/* SPDX-License-Identifier: Apache-2.0
 * Tree images in packs: written last piece first, so that each can name the next. */
#include "store/tree_frames.h"

#include <string.h>

/* ---- writing ---- */

static int piece_put(struct session *s, struct buf *body, const uint8_t *bytes,
		     size_t len, uint64_t left, struct pack_place *place, struct err *err)
{
	int r;

	buf_clear(body);
	r = buf_append(body, TREE_FRAME_MAGIC, 8, err);
	if (r == 0)
		r = buf_append_le64(body, left, err);
	if (r == 0)
		r = buf_append_le32(body, place->pack, err);
	if (r == 0)
		r = buf_append_le32(body, place->len, err);
	if (r == 0)
		r = buf_append_le64(body, place->off, err);
	if (r == 0)
		r = buf_append(body, bytes, len, err);
	if (r == 0)
		r = session_put_frame(s, PACK_TREE, body->data, body->len, place, err);
	return r;
}

int tree_frames_put(struct session *s, const void *image, size_t len,
		    struct pack_place *ret, struct err *err)
{
	size_t at = len ? (len - 1) / TREE_FRAME_PIECE * TREE_FRAME_PIECE : 0;
	struct pack_place place = {0};
	auto_buf struct buf body;
	size_t end = len;
	int r;

	buf_init(&body, TREE_FRAME_HEADER + TREE_FRAME_PIECE);
	for (;;) {
		r = piece_put(s, &body, (const uint8_t *)image + at, end - at, len - at,
			      &place, err);
		if (r < 0 || at == 0)
			break;
		end = at;
		at -= TREE_FRAME_PIECE;
	}
	if (r == 0)
		*ret = place;
	return r;
}

/* ---- reading ---- */

struct reader {
	struct packs *packs;
	struct codec *codec;
	struct buf scratch, body;
	uint64_t left; /* of the image, once the first piece is known */
};

static int damaged(const struct pack_place *at, const char *what, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "pack %08x: tree frame at %llu: %s", at->pack,
		       (unsigned long long)at->off, what);
}

/* Reads one piece and puts the place of the next into *AT; *RET_MORE false: was the last.
 * Every piece says how much is left, so a loop cannot go on. */
static int piece_get(struct reader *p, struct pack_place *at, bool first, struct buf *out,
		     bool *ret_more, struct err *err)
{
	const struct pack_place here = *at;
	enum pack_frame_type type;
	uint64_t left, len;
	const uint8_t *b;
	int r = pack_read_body(p->packs, at, p->codec, &p->scratch, &p->body, &type, err);

	if (r < 0)
		return r;
	b = p->body.data;
	if (type != PACK_TREE || p->body.len < TREE_FRAME_HEADER ||
	    memcmp(b, TREE_FRAME_MAGIC, 8) != 0)
		return damaged(&here, "no part of a tree", err);
	left = get_le64(b + 8);
	*at = (struct pack_place){get_le32(b + 16), get_le32(b + 20), get_le64(b + 24)};
	len = p->body.len - TREE_FRAME_HEADER;
	if (!first && left != p->left)
		return damaged(&here, "another one was expected", err);
	if (len > left || (len == 0 && left > 0))
		return damaged(&here, "wrong length", err);
	p->left = left - len;
	if ((p->left > 0) != (at->pack != 0))
		return damaged(&here, "too many pieces or too few", err);
	if (p->left > 0)
		pack_place_beside(at, &here);
	*ret_more = p->left > 0;
	return buf_append(out, b + TREE_FRAME_HEADER, (size_t)len, err);
}

static int read_all(struct packs *packs, const struct pack_place *at, struct buf *out,
		    tree_frames_fn *each, void *arg, struct err *err)
{
	struct reader p = {.packs = packs};
	struct pack_place place = *at;
	bool more = true;
	int r;

	if (at->pack == 0)
		return err_set(err, ERR_NOTFOUND, "no tree is kept");
	buf_init(&p.scratch, 2 * (size_t)PACK_BODY_MAX);
	buf_init(&p.body, PACK_BODY_MAX);
	r = codec_new(&p.codec, err);
	for (bool first = true; r == 0 && more; first = false) {
		if (each)
			r = each(arg, &place, err);
		if (r == 0)
			r = piece_get(&p, &place, first, out, &more, err);
		if (each)
			buf_clear(out);
	}
	codec_free(p.codec);
	buf_release(&p.scratch);
	buf_release(&p.body);
	return r;
}

int tree_frames_get(struct packs *packs, const struct pack_place *at, struct buf *out,
		    struct err *err)
{
	size_t before = out->len;
	int r = read_all(packs, at, out, NULL, NULL, err);

	if (r < 0)
		out->len = before;
	return r;
}

int tree_frames_each(struct packs *packs, const struct pack_place *at,
		     tree_frames_fn *each, void *arg, struct err *err)
{
	auto_buf struct buf piece;

	buf_init(&piece, PACK_BODY_MAX);
	return read_all(packs, at, &piece, each, arg, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * Content that comes in pieces: hashed, collected, cut. */
#include "store/session_private.h"

#define WINDOW   (2 * CHUNK_MAX)
#define HOLE_MIN (64u << 10) /* a shorter run of zeros is content like any other */

_Static_assert(WINDOW > CHUNK_THRESHOLD, "what is cut must be above the threshold");

static const uint8_t zeros[64 << 10];

struct session_writer {
	struct session_chunks chunks; /* session NULL: finished */
	struct hasher *hasher;
	uint64_t size;
	bool cut;     /* chunks or holes were made: the content is large */
	unsigned bin; /* for content that stays small */
	size_t held;  /* bytes waiting in the window */
	uint8_t window[WINDOW];
};

int session_writer_new(struct session *s, const char *name, struct session_writer **ret,
		       struct err *err)
{
	auto_session_writer struct session_writer *w = malloc(sizeof(*w));
	int r;

	if (!w)
		return err_nomem(err);
	w->hasher = NULL;
	w->size = w->held = 0;
	w->cut = false;
	w->bin = groups_small_bin(name);
	session_chunks_begin(&w->chunks, s);
	r = hasher_new(&w->hasher, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&w);
	return 0;
}

void session_writer_free(struct session_writer *w)
{
	if (!w)
		return;
	if (w->chunks.session)
		session_chunks_end(&w->chunks);
	hasher_free(w->hasher);
	free(w);
}

/* Cuts the window; what is too short for that moves to its front. */
static int cut_window(struct session_writer *w, bool last, struct err *err)
{
	size_t used;
	int r = session_chunks_feed(&w->chunks, w->window, w->held, last, &used, err);

	if (r < 0)
		return r;
	w->cut = true;
	w->held -= used;
	memmove(w->window, w->window + used, w->held);
	return 0;
}

static int collect(struct session_writer *w, const uint8_t *data, size_t len,
		   struct err *err)
{
	size_t n;
	int r = 0;

	while (len && r == 0) {
		if (!w->held && len > CHUNK_THRESHOLD) { /* no need to copy */
			r = session_chunks_feed(&w->chunks, data, len, false, &n, err);
			w->cut = true;
		} else {
			n = WINDOW - w->held < len ? WINDOW - w->held : len;
			memcpy(w->window + w->held, data, n);
			w->held += n;
			if (w->held == WINDOW)
				r = cut_window(w, false, err);
		}
		data += n;
		len -= n;
	}
	return r;
}

int session_write(struct session_writer *w, const void *data, size_t len, struct err *err)
{
	int r = session_check(w->chunks.session, err);

	if (r < 0)
		return r;
	hasher_update(w->hasher, data, len);
	w->size += len;
	return collect(w, data, len, err);
}

int session_write_zeros(struct session_writer *w, uint64_t len, struct err *err)
{
	bool hole = len >= HOLE_MIN && w->size + len > CHUNK_THRESHOLD;
	int r = 0;

	if (len > UINT64_MAX - w->size)
		return err_set(err, ERR_LIMIT, "content of more than 2^64 bytes");
	if (hole)
		r = cut_window(w, true, err);
	if (r == 0 && hole)
		r = session_chunks_hole(&w->chunks, len, err);
	while (len && r == 0) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		hasher_update(w->hasher, zeros, n);
		w->size += n;
		len -= n;
		if (!hole)
			r = collect(w, zeros, n, err);
		if (r == 0)
			r = session_check(w->chunks.session, err);
	}
	return r;
}

static int finish_large(struct session_writer *w, const struct digest *d,
			uint64_t *ret_new, struct err *err)
{
	struct session *s = w->chunks.session;
	struct err local;
	bool known = false;
	uint32_t id;
	int r = cut_window(w, true, err);

	if (r == 0)
		r = session_claim_chunked(s, d, &known, &id, err);
	if (r < 0)
		return r;
	if (!known) {
		r = session_chunks_finish(&w->chunks, d, id, &local);
		if (r < 0) {
			session_poison(s, &local);
			return err_copy(err, &local);
		}
	}
	*ret_new = known ? 0 : w->chunks.fresh;
	return 0;
}

int session_writer_finish(struct session_writer *w, struct digest *ret,
			  uint64_t *ret_size, uint64_t *ret_new, struct err *err)
{
	struct digest d;
	uint64_t fresh;
	int r;

	hasher_final(w->hasher, &d);
	if (w->cut || w->size > CHUNK_THRESHOLD)
		r = finish_large(w, &d, &fresh, err);
	else
		r = session_put_piece(w->chunks.session, w->bin, &d, w->window, w->held,
				      &fresh, err);
	/* The session may end before the writer is freed. */
	session_chunks_end(&w->chunks);
	w->chunks.session = NULL;
	if (r < 0)
		return r;
	*ret = d;
	if (ret_size)
		*ret_size = w->size;
	if (ret_new)
		*ret_new = fresh;
	return 0;
}

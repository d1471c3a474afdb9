/* SPDX-License-Identifier: Apache-2.0
 * A session's packs: taking one, appending frames, going on to the next, giving them back. */
#include "store/session_private.h"

/* A compressor and its output. As many exist as threads append at the same time. */
struct session_encoder {
	struct session_encoder *next;
	struct codec *codec;
	struct buf out;
};

static void free_encoder(struct session_encoder *e)
{
	codec_free(e->codec);
	buf_release(&e->out);
	free(e);
}

static int take_encoder(struct session *s, struct session_encoder **ret, struct err *err)
{
	struct session_encoder *e;
	int r;

	pthread_mutex_lock(&s->lock);
	e = s->encoders;
	if (e)
		s->encoders = e->next;
	pthread_mutex_unlock(&s->lock);
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return err_nomem(err);
		/* Room for what compression may add before it is found useless. */
		buf_init(&e->out, 2 * (size_t)PACK_BODY_MAX);
		r = codec_new(&e->codec, err);
		if (r < 0) {
			free_encoder(e);
			return r;
		}
	}
	*ret = e;
	return 0;
}

static void give_encoder(struct session *s, struct session_encoder *e)
{
	/* The rare huge body (a document, a list) does not stay in memory. */
	if (e->out.cap > 4 * GROUP_SIZE)
		buf_release(&e->out);
	pthread_mutex_lock(&s->lock);
	e->next = s->encoders;
	s->encoders = e;
	pthread_mutex_unlock(&s->lock);
}

void session_pack_free_encoders(struct session *s)
{
	while (s->encoders) {
		struct session_encoder *e = s->encoders;

		s->encoders = e->next;
		free_encoder(e);
	}
}

/* Looks for a pack under the store lock: nobody else can commit to one between the look
 * at its committed length and the taking of its own lock. */
struct search {
	struct session *session;
	struct pack_writer *writer;
};

/* A pack that is taken, gone or too short is somebody else's business. */
static bool try_next(int r)
{
	return r == -ERR_BUSY || r == -ERR_NOTFOUND || r == -ERR_CORRUPT;
}

static int try_pack(void *arg, uint32_t number, uint64_t length, struct err *err)
{
	struct search *search = arg;
	int dirfd = store_packs_dirfd(search->session->store);
	int r;

	if (search->writer || length >= PACK_SIZE_TARGET)
		return 0;
	r = pack_writer_open(dirfd, number, length, false, &search->writer, err);
	return try_next(r) ? 0 : r;
}

static int find_pack(struct commit *c, void *arg, struct err *err)
{
	struct search *search = arg;
	int dirfd = store_packs_dirfd(search->session->store);
	uint32_t last = 0;
	int r = catalog_pack_each(store_commit_txn(c), try_pack, search, err);

	if (r == 0)
		r = catalog_pack_last(store_commit_txn(c), &last, err);
	for (uint32_t n = last; r == 0 && !search->writer;) {
		if (n++ == UINT32_MAX)
			return err_set(err, ERR_FAILED, "no pack number is left");
		r = pack_writer_open(dirfd, n, 0, true, &search->writer, err);
		if (r == -ERR_BUSY)
			r = 0;
	}
	return r;
}

/* Called with pack_lock. */
static int take_pack(struct session *s, struct err *err)
{
	struct search search = {.session = s};
	struct session_pack *packs =
		reallocarray(s->packs, s->pack_count + 1, sizeof(*packs));
	int r;

	if (!packs)
		return err_nomem(err);
	s->packs = packs;
	r = store_commit(s->store, find_pack, &search, NULL, 0, err);
	if (r < 0) {
		pack_writer_abort(search.writer);
		return r;
	}
	packs[s->pack_count++] = (struct session_pack){
		.writer = search.writer,
		.from = pack_writer_length(search.writer),
	};
	return 0;
}

static int current_pack(struct session *s, struct pack_writer **ret, struct err *err)
{
	struct session_pack *last;
	int r = 0;

	pthread_mutex_lock(&s->pack_lock);
	last = s->pack_count ? &s->packs[s->pack_count - 1] : NULL;
	if (!last ||
	    (!s->pack_settled && pack_writer_length(last->writer) >= PACK_SIZE_TARGET))
		r = take_pack(s, err);
	if (r == 0)
		*ret = s->packs[s->pack_count - 1].writer;
	pthread_mutex_unlock(&s->pack_lock);
	return r;
}

int session_pack_settle_on(struct session *s, struct err *err)
{
	struct pack_writer *writer;
	int r = current_pack(s, &writer, err);

	s->pack_settled = r == 0;
	return r;
}

int session_pack_append(struct session *s, enum pack_frame_type type,
			const struct pack_entry *table, uint32_t count, const void *data,
			size_t len, struct pack_place *ret, struct err *err)
{
	struct session_encoder *e = NULL;
	struct pack_writer *writer;
	enum codec_method method;
	int r;

	if (len > PACK_BODY_MAX)
		return err_set(err, ERR_LIMIT, "a frame of %zu bytes is too large", len);
	r = take_encoder(s, &e, err);
	if (r < 0)
		return r;
	buf_clear(&e->out);
	r = codec_compress(e->codec, data, len, s->level, &e->out, &method, err);
	if (r == 0)
		r = current_pack(s, &writer, err);
	if (r == 0)
		r = pack_append(writer, type, method, table, count, e->out.data,
				(uint32_t)e->out.len, (uint32_t)len, ret, err);
	give_encoder(s, e);
	return r;
}

int session_pack_copy(struct session *s, const struct pack_frame *f,
		      struct pack_place *ret, struct err *err)
{
	auto_free struct pack_entry *table = calloc(f->count + 1, sizeof(*table));
	struct pack_writer *writer;
	int r;

	if (!table)
		return err_nomem(err);
	for (uint32_t i = 0; i < f->count; i++)
		pack_frame_entry(f, i, &table[i]);
	r = current_pack(s, &writer, err);
	return r < 0 ? r
		     : pack_append(writer, f->type, f->method, table, f->count, f->body,
				   f->stored_len, f->raw_len, ret, err);
}

int session_pack_sync(struct session *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->pack_count && r == 0; i++)
		r = pack_writer_sync(s->packs[i].writer, err);
	return r;
}

/* One that nothing was appended to is as it was in either case. */
static void drop_packs(struct session *s, void (*drop)(struct pack_writer *w))
{
	for (size_t i = 0; i < s->pack_count; i++) {
		struct session_pack *p = &s->packs[i];

		if (pack_writer_length(p->writer) == p->from)
			pack_writer_abort(p->writer);
		else
			drop(p->writer);
	}
	free(s->packs);
	s->packs = NULL;
	s->pack_count = 0;
}

void session_pack_close(struct session *s)
{
	drop_packs(s, pack_writer_close);
}

void session_pack_abort(struct session *s)
{
	drop_packs(s, pack_writer_abort);
}

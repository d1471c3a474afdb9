/* SPDX-License-Identifier: Apache-2.0
 * Import sessions: begin, content in, flush, end. */
#include "store/session_private.h"

#define THREADS_MAX 16

struct store *session_store(struct session *s)
{
	return s->store;
}

int session_check(struct session *s, struct err *err)
{
	if (!atomic_load_explicit(&s->failed, memory_order_acquire))
		return 0;
	return err_copy(err, &s->failure);
}

void session_poison(struct session *s, const struct err *err)
{
	pthread_mutex_lock(&s->lock);
	if (!atomic_load_explicit(&s->failed, memory_order_relaxed)) {
		s->failure = *err;
		atomic_store_explicit(&s->failed, true, memory_order_release);
	}
	pthread_mutex_unlock(&s->lock);
}

/* A full group becomes a frame. Runs in the pool. */
static void write_group(struct workers_job *job, unsigned thread)
{
	struct group *g = (struct group *)job;
	struct session *s = g->owner;
	struct pack_place place;
	struct err err;

	(void)thread;
	if (!atomic_load_explicit(&s->failed, memory_order_relaxed)) {
		if (session_pack_append(s, g->type, g->table, g->count, g->data, g->len,
					&place, &err) < 0)
			session_poison(s, &err);
		else
			pending_place(s->pending, g->ids, g->table, g->count, &place);
	}
	groups_recycle(s->groups, g);
}

static void queue_group(void *owner, struct group *g)
{
	struct session *s = owner;

	g->job.run = write_group;
	workers_submit(s->workers, &g->job);
}

static int start_pool(struct session *s, unsigned threads, struct err *err)
{
	size_t groups = (SESSION_MEMORY - GROUPS_OPEN_MEMORY) / GROUP_SIZE;

	if (!threads)
		threads = workers_cpus();
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	/* Those being compressed and those that wait; a few of these keep all busy. */
	groups = groups > threads ? groups - threads : 1;
	return workers_new(threads, groups, &s->workers, err);
}

int session_begin(struct store *store, const struct session_options *options,
		  struct session **ret, struct err *err)
{
	auto_session struct session *s = calloc(1, sizeof(*s));
	static const struct digest nothing;
	int r;

	if (!s)
		return err_nomem(err);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->pack_lock, NULL);
	s->store = store;
	s->level = options && options->level ? options->level : CODEC_LEVEL_DEFAULT;
	if (!store_writable(store))
		return err_set(err, ERR_FAILED, "the store '%s' is open for reading only",
			       store_path(store));
	r = pins_new(store, &s->pins, err);
	if (r == 0)
		r = pins_note(s->pins, &nothing, &s->pins_state, err);
	if (r == 0)
		r = pending_new(store_catalog(store), store_alternates(store), s->pins,
				&s->pending, err);
	if (r == 0)
		r = groups_new(queue_group, s, &s->groups, err);
	if (r == 0)
		r = start_pool(s, options ? options->threads : 0, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&s);
	return 0;
}

void session_free(struct session *s)
{
	workers_free(s->workers); /* first: its jobs use all the rest */
	groups_free(s->groups);
	pending_free(s->pending);
	pins_free(s->pins);
	session_pack_free_encoders(s);
	session_commit_free_items(s);
	pthread_mutex_destroy(&s->pack_lock);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void session_abort(struct session *s)
{
	struct err canceled;

	if (!s)
		return;
	err_set(&canceled, ERR_CANCELED, "the import was given up");
	session_poison(s, &canceled);
	if (s->workers)
		workers_wait(s->workers);
	session_pack_abort(s);
	session_free(s);
}

bool session_has_object(struct session *s, const struct digest *d)
{
	bool known = false;

	return pending_has(s->pending, d, &known, NULL) == 0 && known;
}

int session_put_piece(struct session *s, unsigned bin, const struct digest *d,
		      const void *data, size_t len, uint64_t *ret_new, struct err *err)
{
	enum pending_claim claim;
	enum object_kind kind;
	struct err local;
	uint32_t id;
	int r = session_check(s, err);

	if (r == 0)
		r = pending_claim(s->pending, d, OBJECT_WHOLE, &claim, &id, &kind, err);
	if (r < 0)
		return r;
	if (claim == PENDING_KNOWN) {
		*ret_new = 0;
		return 0;
	}
	r = groups_put(s->groups, bin, d, id, data, len, &local);
	if (r < 0) {
		/* Claimed and lost: whoever relies on it must fail too. */
		session_poison(s, &local);
		return err_copy(err, &local);
	}
	*ret_new = len;
	return 0;
}

int session_claim_chunked(struct session *s, const struct digest *d, bool *ret_known,
			  uint32_t *ret_id, struct err *err)
{
	enum pending_claim claim;
	enum object_kind kind;
	int r = session_check(s, err);

	if (r == 0)
		r = pending_claim(s->pending, d, OBJECT_CHUNKED, &claim, ret_id, &kind,
				  err);
	if (r == 0)
		*ret_known = claim == PENDING_KNOWN;
	return r;
}

static int put_large(struct session *s, const struct digest *d, const void *data,
		     size_t len, uint64_t *ret_new, struct err *err)
{
	struct session_chunks chunks;
	struct err local;
	bool known = false;
	uint32_t id;
	size_t used;
	int r = session_claim_chunked(s, d, &known, &id, err);

	if (r < 0)
		return r;
	*ret_new = 0;
	if (known)
		return 0;
	session_chunks_begin(&chunks, s);
	r = session_chunks_feed(&chunks, data, len, true, &used, &local);
	if (r == 0)
		r = session_chunks_finish(&chunks, d, id, &local);
	*ret_new = chunks.fresh;
	session_chunks_end(&chunks);
	if (r < 0) {
		session_poison(s, &local);
		return err_copy(err, &local);
	}
	return 0;
}

int session_put_object(struct session *s, const struct digest *d, const void *data,
		       size_t len, const char *name, uint64_t *ret_new, struct err *err)
{
	uint64_t fresh;
	int r;

	if (len > CHUNK_THRESHOLD)
		r = put_large(s, d, data, len, &fresh, err);
	else
		r = session_put_piece(s, groups_small_bin(name), d, data, len, &fresh,
				      err);
	if (r == 0 && ret_new)
		*ret_new = fresh;
	return r;
}

/* Appends in the calling thread; a failure is everybody's. */
static int append_now(struct session *s, enum pack_frame_type type,
		      const struct pack_entry *table, uint32_t count, const void *data,
		      size_t len, struct pack_place *ret, struct err *err)
{
	struct err local;
	int r = session_pack_append(s, type, table, count, data, len, ret, &local);

	if (r < 0) {
		session_poison(s, &local);
		return err_copy(err, &local);
	}
	return 0;
}

int session_put_frame(struct session *s, enum pack_frame_type type, const void *data,
		      size_t len, struct pack_place *ret, struct err *err)
{
	int r = session_check(s, err);

	return r < 0 ? r : append_now(s, type, NULL, 0, data, len, ret, err);
}

static int keep_document(struct session *s, const struct digest *d, struct err *err)
{
	struct digest *documents;

	pthread_mutex_lock(&s->lock);
	documents = reallocarray(s->documents, s->document_count + 1, sizeof(*documents));
	if (documents) {
		s->documents = documents;
		documents[s->document_count++] = *d;
	}
	pthread_mutex_unlock(&s->lock);
	return documents ? 0 : err_nomem(err);
}

int session_keep(struct session *s, const struct digest *d, struct err *err)
{
	return keep_document(s, d, err);
}

int session_put_document(struct session *s, const void *data, size_t len,
			 struct digest *ret, struct err *err)
{
	struct pack_entry entry = {.len = (uint32_t)len};
	struct pack_place place;
	enum pending_claim claim;
	enum object_kind kind;
	uint32_t id;
	int r = session_check(s, err);

	if (r < 0)
		return r;
	if (len > PACK_BODY_MAX)
		return err_set(err, ERR_LIMIT, "a document of %zu bytes is too large",
			       len);
	digest_of(data, len, &entry.digest);
	r = pending_claim(s->pending, &entry.digest, OBJECT_DOCUMENT, &claim, &id, &kind,
			  err);
	if (r < 0)
		return r;
	/* Bytes that are known as a file's content are stored again: only a frame of their
	 * own says that they are a document. */
	if (claim == PENDING_NEW || kind != OBJECT_DOCUMENT) {
		r = append_now(s, PACK_DOCUMENT, &entry, 1, data, len, &place, err);
		if (r < 0)
			return r;
		if (claim == PENDING_NEW) {
			pending_place(s->pending, &id, &entry, 1, &place);
			r = keep_document(s, &entry.digest, err);
			if (r < 0)
				return r;
		}
	}
	*ret = entry.digest;
	return 0;
}

int session_flush(struct session *s, struct err *err)
{
	groups_flush(s->groups);
	workers_wait(s->workers);
	pending_rest(s->pending);
	return session_check(s, err);
}

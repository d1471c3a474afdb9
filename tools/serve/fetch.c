/* SPDX-License-Identifier: Apache-2.0
 * Blobs that come from another registry. */
#include "tools/serve/fetch.h"

#include <pthread.h>
#include <string.h>

#include "store/base/io.h"

#define PIECE (256u << 10)
#define EARLY (64u << 10) /* so much of a blob is waited for before it is given out */

struct fetch {
	struct fetch *next;
	struct fetches *all;
	struct digest digest;
	uint64_t size, come;
	struct stream *in;
	struct upload *upload; /* the thread's */
	int fd;                /* of the same file, for readers */
	unsigned users;        /* the thread is one */
	bool done;
	int rc; /* of it, once done */
	struct err err;
	struct remote_refusal refusal;
};

struct fetches {
	const struct blobs *blobs;
	int interrupt;
	pthread_mutex_t lock; /* all below, and what changes of each fetch */
	pthread_cond_t moved;
	struct fetch *running;
	unsigned threads;
};

int fetches_new(const struct blobs *blobs, int interrupt, struct fetches **ret,
		struct err *err)
{
	struct fetches *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(err);
	f->blobs = blobs;
	f->interrupt = interrupt;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->moved, NULL);
	*ret = f;
	return 0;
}

void fetches_free(struct fetches *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	while (f->threads)
		pthread_cond_wait(&f->moved, &f->lock);
	pthread_mutex_unlock(&f->lock);
	pthread_cond_destroy(&f->moved);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void fetch_free(struct fetch *it)
{
	if (it->fd >= 0)
		close(it->fd);
	stream_close(it->in);
	free(it);
}

/* Under the lock. */
static void unlink_fetch(struct fetches *f, struct fetch *it)
{
	struct fetch **at = &f->running;

	while (*at != it)
		at = &(*at)->next;
	*at = it->next;
}

/* ---- the download ---- */

static int copy_all(struct fetch *it, struct err *err)
{
	auto_free char *piece = malloc(PIECE);
	struct fetches *f = it->all;
	uint64_t at = 0;
	size_t len = 1;
	int rc = piece ? 0 : err_nomem(err);

	while (!rc && len) {
		rc = it->in->read(it->in, piece, PIECE, &len, err);
		if (!rc && len > it->size - at)
			rc = err_set(err, ERR_INVALID, "the blob is longer than it said");
		if (!rc && len)
			rc = upload_write(it->upload, piece, len, err);
		if (rc)
			return rc;
		at += len;
		pthread_mutex_lock(&f->lock);
		it->come = at;
		pthread_cond_broadcast(&f->moved);
		pthread_mutex_unlock(&f->lock);
	}
	if (!rc && at != it->size)
		rc = err_set(err, ERR_INVALID, "the blob has %ju bytes, not %ju",
			     (uintmax_t)at, (uintmax_t)it->size);
	return rc;
}

static int download(struct fetch *it, struct err *err)
{
	struct uploads *uploads = it->all->blobs->uploads;
	char text[DIGEST_TEXT_SIZE];
	int rc = copy_all(it, err);

	if (rc)
		uploads_drop(uploads, steal_ptr(&it->upload));
	else
		rc = uploads_finish(uploads, steal_ptr(&it->upload), &it->digest, err);
	return rc ? err_wrap(err, "blob %s", digest_format(&it->digest, text)) : 0;
}

/* It is among the uploads before it is no longer among what runs. */
static void *run(void *arg)
{
	struct fetch *it = arg;
	struct fetches *f = it->all;
	struct err err = {0};
	bool unused;
	int rc;

	stream_set_interrupt(f->interrupt);
	rc = download(it, &err);
	stream_close(steal_ptr(&it->in));
	if (rc && rc != -ERR_CANCELED)
		fprintf(stderr, "layercache: serve: %s\n", err.msg);
	pthread_mutex_lock(&f->lock);
	it->done = true;
	it->rc = rc;
	it->err = err;
	if (rc)
		remote_last_refusal(&it->refusal);
	unlink_fetch(f, it);
	unused = --it->users == 0;
	f->threads--;
	pthread_cond_broadcast(&f->moved);
	pthread_mutex_unlock(&f->lock);
	if (unused)
		fetch_free(it);
	return NULL;
}

/* ---- who wants it ---- */

static int fetch_new(struct fetches *f, const struct digest *digest, uint64_t size,
		     struct stream *in, struct fetch **ret, struct err *err)
{
	struct fetch *it = calloc(1, sizeof(*it));
	int rc;

	if (!it) {
		stream_close(in);
		return err_nomem(err);
	}
	it->all = f;
	it->digest = *digest;
	it->size = size;
	it->in = in;
	it->users = 2;
	it->fd = -1;
	rc = uploads_start(f->blobs->uploads, &it->upload, err);
	if (!rc) {
		it->fd = dup(upload_fd(it->upload));
		if (it->fd < 0)
			rc = err_sys(err, errno, "cannot duplicate a file");
	}
	if (rc) {
		if (it->upload)
			uploads_drop(f->blobs->uploads, it->upload);
		fetch_free(it);
		return rc;
	}
	*ret = it;
	return 0;
}

/* Under the lock. */
static int begin(struct fetches *f, const struct digest *digest, uint64_t size,
		 struct stream *in, struct fetch **ret, struct err *err)
{
	struct fetch *it = NULL;
	pthread_attr_t detached;
	pthread_t thread;
	int rc = fetch_new(f, digest, size, in, &it, err);

	if (rc)
		return rc;
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &detached, run, it);
	pthread_attr_destroy(&detached);
	if (rc) {
		uploads_drop(f->blobs->uploads, it->upload);
		fetch_free(it);
		return err_sys(err, rc, "cannot start a thread");
	}
	f->threads++;
	it->next = f->running;
	f->running = it;
	*ret = it;
	return 0;
}

/* Under the lock: so what has just come is either still running or here. */
static int join_or_begin(struct fetches *f, const struct digest *digest, uint64_t size,
			 struct stream **in, struct fetch **ret, struct err *err)
{
	struct blobs_found found;
	int rc;

	for (struct fetch *it = f->running; it; it = it->next)
		if (digest_equal(&it->digest, digest)) {
			it->users++;
			*ret = it;
			return 0;
		}
	rc = blobs_find(f->blobs, digest, &found, err);
	if (rc == -ERR_NOTFOUND)
		return begin(f, digest, size, steal_ptr(in), ret, err);
	if (rc)
		return rc;
	blobs_release(f->blobs, &found);
	*ret = NULL;
	return 0;
}

int fetches_get(struct fetches *f, const struct digest *digest, uint64_t size,
		struct stream *in, struct fetch **ret, struct err *err)
{
	int rc;

	pthread_mutex_lock(&f->lock);
	rc = join_or_begin(f, digest, size, &in, ret, err);
	pthread_mutex_unlock(&f->lock);
	stream_close(in);
	return rc;
}

void fetches_put(struct fetches *f, struct fetch *it)
{
	bool unused;

	pthread_mutex_lock(&f->lock);
	unused = --it->users == 0;
	pthread_mutex_unlock(&f->lock);
	if (unused)
		fetch_free(it);
}

int fetch_wait(struct fetch *it, bool all, struct remote_refusal *ret_refusal,
	       struct err *err)
{
	struct fetches *f = it->all;
	int rc;

	pthread_mutex_lock(&f->lock);
	while (!it->done && (all || it->come < EARLY))
		pthread_cond_wait(&f->moved, &f->lock);
	rc = it->rc ? err_copy(err, &it->err) : 0;
	if (rc)
		*ret_refusal = it->refusal;
	pthread_mutex_unlock(&f->lock);
	return rc;
}

uint64_t fetch_size(const struct fetch *it)
{
	return it->size;
}

/* ---- reading along ---- */

struct fetch_stream {
	struct stream base;
	struct fetch *it;
	uint64_t at;
};

/* How far it may be read: never to the end before the end is known to be good. */
static int wait_for_more(struct fetch *it, uint64_t at, uint64_t *ret_to, struct err *err)
{
	struct fetches *f = it->all;
	int rc;

	pthread_mutex_lock(&f->lock);
	while (!it->done && (it->come <= at || at + 1 == it->size))
		pthread_cond_wait(&f->moved, &f->lock);
	rc = it->rc ? err_copy(err, &it->err) : 0;
	*ret_to = it->done || it->come < it->size ? it->come : it->size - 1;
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static int fetch_read(struct stream *base, void *data, size_t cap, size_t *ret_len,
		      struct err *err)
{
	struct fetch_stream *s = (struct fetch_stream *)base;
	uint64_t to = s->at;
	ssize_t n;
	int rc = s->at < s->it->size ? wait_for_more(s->it, s->at, &to, err) : 0;

	if (rc)
		return rc;
	if (cap > to - s->at)
		cap = (size_t)(to - s->at);
	do
		n = cap ? pread(s->it->fd, data, cap, (off_t)s->at) : 0;
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, errno, "cannot read what was fetched");
	s->at += (uint64_t)n;
	*ret_len = (size_t)n;
	return 0;
}

static void fetch_close(struct stream *base)
{
	free(base);
}

int fetch_open(struct fetch *it, uint64_t at, struct stream **ret, struct err *err)
{
	struct fetch_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	*s = (struct fetch_stream){{fetch_read, fetch_close}, it, at};
	*ret = &s->base;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Reads parts of a blob ahead: a window of pieces over the ranges, each got by one request. */
#include "tools/chunked/range_fetch.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/base/io.h"

#define PIECE_SIZE  (1u << 20)
#define CONNECTIONS 4u
#define WINDOW      8u /* pieces that are there or under way */

struct piece {
	uint64_t from, until;
	uint8_t *data; /* of PIECE_SIZE bytes */
	bool done;
	int rc;
	struct err err;
};

struct range_fetch {
	struct source *source;
	const struct descriptor *desc;
	const struct range_plan *plan;
	int stop_fd;
	pthread_t threads[CONNECTIONS];
	size_t started;

	pthread_mutex_t lock;
	pthread_cond_t change;
	size_t range;       /* the next piece is cut from here ... */
	uint64_t from;      /* ... and there */
	uint64_t cut, used; /* pieces so far */
	bool stop;
	struct piece pieces[WINDOW];
};

/* ---- the threads ---- */

/* The next piece to get. With the lock held. */
static struct piece *cut_piece(struct range_fetch *f)
{
	const struct range *r = &f->plan->items[f->range];
	struct piece *p = &f->pieces[f->cut % WINDOW];

	p->from = f->from > r->from ? f->from : r->from;
	p->until = r->until - p->from > PIECE_SIZE ? p->from + PIECE_SIZE : r->until;
	p->done = false;
	f->from = p->until;
	if (p->until == r->until)
		f->range++;
	f->cut++;
	return p;
}

static struct piece *take(struct range_fetch *f)
{
	struct piece *p = NULL;

	pthread_mutex_lock(&f->lock);
	while (!f->stop && f->range < f->plan->count && f->cut - f->used == WINDOW)
		pthread_cond_wait(&f->change, &f->lock);
	if (!f->stop && f->range < f->plan->count)
		p = cut_piece(f);
	pthread_mutex_unlock(&f->lock);
	return p;
}

static int get(struct range_fetch *f, struct piece *p, struct err *err)
{
	auto_stream struct stream *in = NULL;
	size_t len = 0, want = (size_t)(p->until - p->from);
	int rc = f->source->open_range(f->source, f->desc, p->from, p->until, &in, err);

	if (!rc)
		rc = stream_read_full(in, p->data, want, &len, err);
	if (!rc && len < want)
		rc = err_set(err, ERR_FAILED, "a part of the blob ends early");
	return rc;
}

static void *work(void *arg)
{
	struct range_fetch *f = arg;
	struct piece *p;

	stream_set_interrupt(f->stop_fd);
	while ((p = take(f))) {
		struct err err = {0};
		int rc = get(f, p, &err);

		pthread_mutex_lock(&f->lock);
		p->rc = rc;
		p->err = err;
		p->done = true;
		f->stop = f->stop || rc;
		pthread_cond_broadcast(&f->change);
		pthread_mutex_unlock(&f->lock);
	}
	return NULL;
}

/* ---- the reader ---- */

/* The oldest piece, once it is there. */
static int wait_for(struct range_fetch *f, struct piece **ret, struct err *err)
{
	struct piece *p = &f->pieces[f->used % WINDOW];
	int rc = 0;

	pthread_mutex_lock(&f->lock);
	while ((f->used == f->cut || !p->done) &&
	       !(f->used == f->cut && (f->stop || f->range == f->plan->count)))
		pthread_cond_wait(&f->change, &f->lock);
	if (f->used == f->cut)
		rc = err_set(err, ERR_FAILED, "a part of the blob was not asked for");
	else if (p->rc)
		rc = err_copy(err, &p->err);
	pthread_mutex_unlock(&f->lock);
	*ret = p;
	return rc;
}

static void drop(struct range_fetch *f)
{
	pthread_mutex_lock(&f->lock);
	f->used++;
	pthread_cond_broadcast(&f->change);
	pthread_mutex_unlock(&f->lock);
}

int range_fetch_read(struct range_fetch *f, uint64_t at, void *data, size_t len,
		     struct err *err)
{
	uint8_t *to = data;

	while (len) {
		struct piece *p;
		size_t n;
		int rc = wait_for(f, &p, err);

		if (rc)
			return rc;
		if (p->until <= at) {
			drop(f);
			continue;
		}
		if (at < p->from)
			return err_set(err, ERR_FAILED,
				       "a part of the blob was not asked for");
		n = (size_t)(p->until - at);
		if (n > len)
			n = len;
		memcpy(to, p->data + (at - p->from), n);
		to += n;
		at += n;
		len -= n;
	}
	return 0;
}

/* ---- its life ---- */

void range_fetch_free(struct range_fetch *f)
{
	uint64_t one = 1;

	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_broadcast(&f->change);
	pthread_mutex_unlock(&f->lock);
	if (f->stop_fd >= 0 && io_write(f->stop_fd, &one, sizeof(one), "eventfd", NULL))
		f->stop = true; /* then the threads end what they are at */
	for (size_t i = 0; i < f->started; i++)
		pthread_join(f->threads[i], NULL);
	for (size_t i = 0; i < WINDOW; i++)
		free(f->pieces[i].data);
	if (f->stop_fd >= 0)
		close(f->stop_fd);
	pthread_cond_destroy(&f->change);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static int start(struct range_fetch *f, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < WINDOW; i++) {
		f->pieces[i].data = malloc(PIECE_SIZE);
		if (!f->pieces[i].data)
			return err_nomem(err);
	}
	f->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->stop_fd < 0)
		return err_sys(err, errno, "eventfd");
	while (f->started < CONNECTIONS && f->plan->count && !rc) {
		rc = pthread_create(&f->threads[f->started], NULL, work, f);
		f->started += !rc;
	}
	return rc && !f->started ? err_sys(err, rc, "cannot start a thread") : 0;
}

int range_fetch_new(struct source *source, const struct descriptor *d,
		    const struct range_plan *plan, struct range_fetch **ret,
		    struct err *err)
{
	auto_range_fetch struct range_fetch *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return err_nomem(err);
	f->source = source;
	f->desc = d;
	f->plan = plan;
	f->stop_fd = -1;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->change, NULL);
	rc = start(f, err);
	if (!rc)
		*ret = steal_ptr(&f);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0
 * A thread that reads ahead: it fills a ring of buffers, which the reader copies from. Both
 * sides take the lock once per buffer or less, and wake the other only when it waits. */
#include "store/inflate.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

struct ahead {
	struct stream base;
	struct stream *source; /* the thread's own while that runs */
	pthread_t thread;
	int interrupt; /* an eventfd: the thread shall not wait for a pipe */
	size_t size;
	unsigned count;
	uint8_t *memory; /* COUNT buffers of SIZE bytes ... */
	size_t *lens;    /* ... and what is in each */

	pthread_mutex_t lock;
	pthread_cond_t filled, room;
	unsigned used; /* buffers filled and not given back */
	bool ended;    /* behind these comes the end, or the error */
	int result;
	struct err failed;
	bool full;            /* the thread waits for room */
	_Atomic bool hungry;  /* the reader waits */
	_Atomic bool closing; /* nobody will read any more */

	/* The reader's own: its place, and what it knows of the ring without the lock. */
	unsigned head;
	size_t pos;     /* in the buffer HEAD */
	unsigned ready; /* filled buffers from HEAD on */
	unsigned back;  /* buffers before HEAD to be given back */
};

/* ---- the thread ---- */

/* Fills a buffer, or less of it if the reader has nothing else to do. */
static int fill(struct ahead *a, uint8_t *data, size_t *ret_len, bool *ret_end,
		struct err *err)
{
	size_t len = 0, n = 1;
	int r = 0;

	while (len < a->size && !(len && a->hungry) && !a->closing) {
		r = a->source->read(a->source, data + len, a->size - len, &n, err);
		if (r < 0 || n == 0)
			break;
		len += n;
	}
	*ret_len = len;
	*ret_end = r < 0 || n == 0;
	return r;
}

/* Whether another buffer may be filled. */
static bool wait_for_room(struct ahead *a)
{
	pthread_mutex_lock(&a->lock);
	while (a->used == a->count && !a->closing) {
		a->full = true;
		pthread_cond_wait(&a->room, &a->lock);
	}
	a->full = false;
	pthread_mutex_unlock(&a->lock);
	return !a->closing;
}

static void publish(struct ahead *a, size_t len, bool end, int result,
		    const struct err *err)
{
	bool wake;

	pthread_mutex_lock(&a->lock);
	if (len)
		a->used++;
	a->ended = end;
	a->result = result;
	if (result < 0)
		a->failed = *err;
	wake = a->hungry;
	pthread_mutex_unlock(&a->lock);
	if (wake)
		pthread_cond_signal(&a->filled);
}

static void *read_ahead(void *arg)
{
	struct ahead *a = arg;
	unsigned tail = 0;
	bool end = false;

	stream_set_interrupt(a->interrupt);
	while (!end && wait_for_room(a)) {
		struct err err = {0};
		int r = fill(a, a->memory + tail * a->size, &a->lens[tail], &end, &err);

		publish(a, a->lens[tail], end, r, &err);
		tail = (tail + 1) % a->count;
	}
	return NULL;
}

/* Signals belong to the threads of the caller. */
static int start_thread(struct ahead *a, struct err *err)
{
	sigset_t all, saved;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	r = pthread_create(&a->thread, NULL, read_ahead, a);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return r ? err_sys(err, r, "cannot start a thread") : 0;
}

/* ---- the reader ---- */

/* Gives back what was read and learns what is there, waiting for something. */
static void exchange(struct ahead *a)
{
	pthread_mutex_lock(&a->lock);
	a->used -= a->back;
	a->back = 0;
	if (a->full)
		pthread_cond_signal(&a->room);
	while (!a->used && !a->ended) {
		a->hungry = true;
		pthread_cond_wait(&a->filled, &a->lock);
	}
	a->hungry = false;
	a->ready = a->used;
	pthread_mutex_unlock(&a->lock);
}

static void next_buffer(struct ahead *a)
{
	a->head = (a->head + 1) % a->count;
	a->pos = 0;
	a->ready--;
	a->back++;
}

static int ahead_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
		      struct err *err)
{
	struct ahead *a = (struct ahead *)s;
	size_t n;

	if (a->ready && a->pos == a->lens[a->head])
		next_buffer(a);
	/* Half a ring at a time: the thread has the other half to fill. */
	if (!a->ready || a->back >= (a->count + 1) / 2)
		exchange(a);
	if (!a->ready) {
		/* The thread is done: nothing changes any more. */
		if (a->result < 0)
			return err_copy(err, &a->failed);
		*ret_len = 0;
		return 0;
	}
	n = a->lens[a->head] - a->pos;
	if (n > cap)
		n = cap;
	memcpy(data, a->memory + a->head * a->size + a->pos, n);
	a->pos += n;
	*ret_len = n;
	return 0;
}

static void ahead_free(struct ahead *a)
{
	stream_close(a->source);
	pthread_cond_destroy(&a->room);
	pthread_cond_destroy(&a->filled);
	pthread_mutex_destroy(&a->lock);
	if (a->interrupt >= 0)
		close(a->interrupt);
	free(a->memory);
	free(a->lens);
	free(a);
}

static void ahead_close(struct stream *s)
{
	struct ahead *a = (struct ahead *)s;

	pthread_mutex_lock(&a->lock);
	a->closing = true;
	pthread_cond_signal(&a->room);
	pthread_mutex_unlock(&a->lock);
	eventfd_write(a->interrupt, 1);
	pthread_join(a->thread, NULL);
	ahead_free(a);
}

int stream_ahead(struct stream *source, size_t size, unsigned count, struct stream **ret,
		 struct err *err)
{
	struct ahead *a = calloc(1, sizeof(*a));
	int r;

	assert(size > 0 && count > 1);
	if (!a) {
		stream_close(source);
		return err_nomem(err);
	}
	a->base = (struct stream){ahead_read, ahead_close};
	a->source = source;
	a->size = size;
	a->count = count;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->filled, NULL);
	pthread_cond_init(&a->room, NULL);
	a->memory = reallocarray(NULL, count, size);
	a->lens = calloc(count, sizeof(*a->lens));
	a->interrupt = eventfd(0, EFD_CLOEXEC);
	if (a->interrupt < 0)
		r = err_sys(err, errno, "cannot make an eventfd");
	else if (!a->memory || !a->lens)
		r = err_nomem(err);
	else
		r = start_thread(a, err);
	if (r < 0) {
		ahead_free(a);
		return r;
	}
	*ret = &a->base;
	return 0;
}

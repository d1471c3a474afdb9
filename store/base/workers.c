/* SPDX-License-Identifier: Apache-2.0
 * Threads around one queue, one mutex and three conditions. */
#include "store/base/workers.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

struct workers_thread {
	struct workers *pool;
	pthread_t id;
	unsigned index;
};

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t work; /* a job was queued, or the end */
	pthread_cond_t room; /* a job was taken */
	pthread_cond_t idle; /* nothing queued, nothing running */
	struct workers_job *head, **tail;
	size_t queued, queue_max;
	unsigned running;
	bool ending;
	unsigned count;
	struct workers_thread threads[];
};

static struct workers_job *take_job(struct workers *w)
{
	struct workers_job *job = w->head;

	w->head = job->next;
	if (!w->head)
		w->tail = &w->head;
	w->queued--;
	w->running++;
	pthread_cond_signal(&w->room);
	return job;
}

static void *work(void *arg)
{
	struct workers_thread *t = arg;
	struct workers *w = t->pool;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct workers_job *job;

		while (!w->head && !w->ending)
			pthread_cond_wait(&w->work, &w->lock);
		if (!w->head)
			break;
		job = take_job(w);
		pthread_mutex_unlock(&w->lock);
		job->run(job, t->index);
		pthread_mutex_lock(&w->lock);
		w->running--;
		if (!w->running && !w->head)
			pthread_cond_broadcast(&w->idle);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals belong to the threads of the caller. */
static int start_thread(struct workers_thread *t)
{
	sigset_t all, saved;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	r = pthread_create(&t->id, NULL, work, t);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return r;
}

int workers_new(unsigned threads, size_t queue_max, struct workers **ret, struct err *err)
{
	auto_workers struct workers *w =
		calloc(1, sizeof(*w) + threads * sizeof(w->threads[0]));

	if (!w)
		return err_nomem(err);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->room, NULL);
	pthread_cond_init(&w->idle, NULL);
	w->tail = &w->head;
	w->queue_max = queue_max;
	for (unsigned i = 0; i < threads; i++) {
		struct workers_thread *t = &w->threads[i];
		int r;

		*t = (struct workers_thread){.pool = w, .index = i};
		r = start_thread(t);
		if (r)
			return err_sys(err, r, "cannot start a thread");
		w->count++;
	}
	*ret = steal_ptr(&w);
	return 0;
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->count; i++)
		pthread_join(w->threads[i].id, NULL);
	pthread_cond_destroy(&w->idle);
	pthread_cond_destroy(&w->room);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void workers_submit(struct workers *w, struct workers_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&w->lock);
	while (w->queued >= w->queue_max)
		pthread_cond_wait(&w->room, &w->lock);
	*w->tail = job;
	w->tail = &job->next;
	w->queued++;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

void workers_wait(struct workers *w)
{
	pthread_mutex_lock(&w->lock);
	while (w->head || w->running)
		pthread_cond_wait(&w->idle, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

unsigned workers_cpus(void)
{
	cpu_set_t set;
	int count = 0;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		count = CPU_COUNT(&set);
	return count > 0 ? (unsigned)count : 1;
}

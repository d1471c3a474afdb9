/* SPDX-License-Identifier: Apache-2.0
 * Looks at the open packs now and then. */
#include "fs/tidy.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#define PERIOD_SECONDS 2

struct tidy {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t lock; /* stopping */
	pthread_cond_t stop;
	bool stopping;
};

static void *work(void *arg)
{
	struct tidy *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->stopping) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += PERIOD_SECONDS;
		pthread_cond_timedwait(&t->stop, &t->lock, &until);
		if (!t->stopping)
			packs_drop_removed(store_packs(t->store));
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int tidy_start(struct store *s, struct tidy **ret, struct err *err)
{
	struct tidy *t = calloc(1, sizeof(*t));
	sigset_t all, old;
	int rc;

	if (!t)
		return err_nomem(err);
	t->store = s;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->stop, NULL);
	/* Signals are for the thread that serves. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t->thread, NULL, work, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		free(t);
		return err_sys(err, rc, "cannot start a thread");
	}
	*ret = t;
	return 0;
}

void tidy_stop(struct tidy *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_cond_signal(&t->stop);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->stop);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

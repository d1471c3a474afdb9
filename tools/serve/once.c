/* SPDX-License-Identifier: Apache-2.0
 * Work that is done once for all who ask at the same time. */
#include "tools/serve/once.h"

#include <pthread.h>
#include <string.h>

struct work {
	struct work *next;
	const char *key; /* of the one who does it, while it runs */
	unsigned users;
	bool done;
	int rc;
	struct err err;
	struct remote_refusal refusal;
};

struct once {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct work *running;
};

int once_new(struct once **ret, struct err *err)
{
	struct once *o = calloc(1, sizeof(*o));

	if (!o)
		return err_nomem(err);
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->ended, NULL);
	*ret = o;
	return 0;
}

void once_free(struct once *o)
{
	if (!o)
		return;
	pthread_cond_destroy(&o->ended);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* Under the lock. *ret_mine: the caller has to do it. */
static struct work *join(struct once *o, const char *key, bool *ret_mine)
{
	struct work *w;

	for (w = o->running; w; w = w->next)
		if (strcmp(w->key, key) == 0)
			break;
	*ret_mine = !w;
	if (!w) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return NULL;
		w->key = key;
		w->next = o->running;
		o->running = w;
	}
	w->users++;
	return w;
}

/* Under the lock. */
static void end(struct once *o, struct work *w, int rc, const struct err *err)
{
	struct work **at = &o->running;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	w->rc = rc;
	w->err = *err;
	if (rc)
		remote_last_refusal(&w->refusal);
	w->done = true;
	pthread_cond_broadcast(&o->ended);
}

int once_do(struct once *o, const char *key, once_fn *work, void *arg,
	    struct remote_refusal *ret_refusal, struct err *err)
{
	struct err why = {0};
	struct work *w;
	bool mine;
	int rc;

	pthread_mutex_lock(&o->lock);
	w = join(o, key, &mine);
	if (w && mine) {
		pthread_mutex_unlock(&o->lock);
		rc = work(arg, &why);
		pthread_mutex_lock(&o->lock);
		end(o, w, rc, &why);
	}
	while (w && !w->done)
		pthread_cond_wait(&o->ended, &o->lock);
	if (!w)
		rc = err_nomem(err);
	else
		rc = w->rc ? err_copy(err, &w->err) : 0;
	if (w && rc)
		*ret_refusal = w->refusal;
	if (w && --w->users == 0)
		free(w);
	pthread_mutex_unlock(&o->lock);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0
 * From generation to mtime.
 */
#include "fs/generations.h"

#include <pthread.h>
#include <stdbool.h>

#include "store/store.h"

struct generations {
	struct store *store;
	pthread_mutex_t lock;
	bool seen;
	uint64_t generation;
	struct timespec mtime;
};

int generations_new(struct store *s, struct generations **ret, struct err *err)
{
	struct generations *g = calloc(1, sizeof(*g));

	if (!g)
		return err_nomem(err);
	g->store = s;
	pthread_mutex_init(&g->lock, NULL);
	*ret = g;
	return 0;
}

void generations_free(struct generations *g)
{
	if (!g)
		return;
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

int generations_mtime(struct generations *g, struct timespec *ret, struct err *err)
{
	struct timespec now;
	uint64_t generation;
	int rc;

	pthread_mutex_lock(&g->lock);
	rc = store_generation(g->store, &generation, err);
	if (!rc && (!g->seen || generation != g->generation)) {
		clock_gettime(CLOCK_REALTIME, &now);
		if (!is_later(&now, &g->mtime)) {
			now = g->mtime;
			if (++now.tv_nsec == 1000000000) {
				now.tv_sec++;
				now.tv_nsec = 0;
			}
		}
		g->seen = true;
		g->generation = generation;
		g->mtime = now;
	}
	if (!rc)
		*ret = g->mtime;
	pthread_mutex_unlock(&g->lock);
	return rc;
}

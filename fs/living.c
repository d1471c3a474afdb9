/* SPDX-License-Identifier: Apache-2.0
 * The versions of a living file, newest first.
 */
#include "fs/living.h"

#include <pthread.h>

#include "fs/nodeid.h"

#define FRESH_NS UINT64_C(1000000000)

struct version {
	struct version *older;
	struct living_info info;
	uint64_t held;
	struct timespec made; /* CLOCK_BOOTTIME */
	struct buf content;
};

struct living {
	pthread_mutex_t lock;
	living_render_fn *render;
	void *arg;
	struct version *newest;
};

int living_new(living_render_fn *render, void *arg, struct living **ret, struct err *err)
{
	struct living *l = calloc(1, sizeof(*l));

	if (!l)
		return err_nomem(err);
	pthread_mutex_init(&l->lock, NULL);
	l->render = render;
	l->arg = arg;
	*ret = l;
	return 0;
}

static void version_free(struct version *v)
{
	if (!v)
		return;
	buf_release(&v->content);
	free(v);
}
AUTO_DEFINE(version, struct version, version_free)

void living_free(struct living *l)
{
	if (!l)
		return;
	while (l->newest) {
		struct version *v = l->newest;

		l->newest = v->older;
		version_free(v);
	}
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static uint64_t elapsed_ns(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)(now.tv_sec - since->tv_sec) * 1000000000u +
	       (uint64_t)now.tv_nsec - (uint64_t)since->tv_nsec;
}

/* Versions behind the newest go when nobody holds them, or when there are too many. */
static void prune(struct living *l)
{
	unsigned kept = 0;

	for (struct version **p = &l->newest; *p;) {
		struct version *v = *p;

		if (kept == 0 || (v->held > 0 && kept < LIVING_MAX)) {
			kept++;
			p = &v->older;
			continue;
		}
		*p = v->older;
		version_free(v);
	}
}

static int make_version(struct living *l, struct err *err)
{
	AUTO(version) struct version *v = calloc(1, sizeof(*v));
	uint64_t number;
	int rc;

	if (!v)
		return err_nomem(err);
	buf_init(&v->content, LIVING_FILE_MAX);
	rc = l->render(l->arg, &v->content, err);
	if (rc)
		return rc;
	clock_gettime(CLOCK_BOOTTIME, &v->made);
	clock_gettime(CLOCK_REALTIME, &v->info.mtime);
	number = (uint64_t)v->info.mtime.tv_sec * 1000000u +
		 (uint64_t)v->info.mtime.tv_nsec / 1000;
	if (l->newest && number <= nodeid_rest(l->newest->info.id))
		number = nodeid_rest(l->newest->info.id) + 1;
	v->info.id = nodeid_make(NODEID_LIVING, number);
	v->info.size = v->content.len;
	v->older = l->newest;
	l->newest = steal_ptr(&v);
	prune(l);
	return 0;
}

int living_newest(struct living *l, bool hold, struct living_info *ret, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&l->lock);
	if (!l->newest || elapsed_ns(&l->newest->made) > FRESH_NS)
		rc = make_version(l, err);
	if (!rc) {
		l->newest->held += hold;
		*ret = l->newest->info;
	}
	pthread_mutex_unlock(&l->lock);
	return rc;
}

static struct version *find(struct living *l, uint64_t id)
{
	struct version *v = l->newest;

	while (v && v->info.id != id)
		v = v->older;
	return v;
}

static int stale(struct err *err)
{
	return err_set(err, ERR_STALE, "this version of the file is gone");
}

int living_get(struct living *l, uint64_t id, bool hold, struct living_info *ret,
	       struct err *err)
{
	struct version *v;

	pthread_mutex_lock(&l->lock);
	v = find(l, id);
	if (v) {
		v->held += hold;
		*ret = v->info;
	}
	pthread_mutex_unlock(&l->lock);
	return v ? 0 : stale(err);
}

int living_read(struct living *l, uint64_t id, uint64_t off, void *data, size_t len,
		size_t *ret_len, struct err *err)
{
	struct version *v;

	pthread_mutex_lock(&l->lock);
	v = find(l, id);
	if (v) {
		size_t left = off < v->content.len ? v->content.len - off : 0;

		*ret_len = len < left ? len : left;
		memcpy(data, v->content.data + (left ? off : 0), *ret_len);
	}
	pthread_mutex_unlock(&l->lock);
	return v ? 0 : stale(err);
}

void living_forget(struct living *l, uint64_t id, uint64_t count)
{
	struct version *v;

	pthread_mutex_lock(&l->lock);
	v = find(l, id);
	if (v) {
		v->held -= count < v->held ? count : v->held;
		if (!v->held && v != l->newest)
			prune(l);
	}
	pthread_mutex_unlock(&l->lock);
}

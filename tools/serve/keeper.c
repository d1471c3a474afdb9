/* SPDX-License-Identifier: Apache-2.0
 * Puts what came from an upstream into the store. */
#include "tools/serve/keeper.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "tools/serve/index_name.h"
#include "tools/serve/push.h"

#define FAILED_SECONDS 10
#define JOBS_MAX       256
#define TRIES_MAX      3 /* a gc may take away what was just there */
#define FULL_NAME_MAX  (RECORD_REF_NAME_MAX + 1)

/* One manifest; also one whose keeping failed, for a while. */
struct job {
	struct job *next;
	struct keeper *keeper;
	struct upstream_place place;
	struct digest digest;
	time_t failed; /* 0: it runs */
};

struct keeper {
	const struct blobs *blobs;
	struct upstreams *upstreams;
	bool log;
	pthread_mutex_t importing; /* one at a time: each takes memory, and all CPUs */
	pthread_mutex_t lock;      /* all below */
	pthread_cond_t ended;
	struct job *jobs;
	size_t count; /* of them */
	size_t threads;
};

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

int keeper_new(const struct blobs *blobs, struct upstreams *u, bool log,
	       struct keeper **ret, struct err *err)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (!k)
		return err_nomem(err);
	k->blobs = blobs;
	k->upstreams = u;
	k->log = log;
	pthread_mutex_init(&k->importing, NULL);
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->ended, NULL);
	*ret = k;
	return 0;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	while (k->threads)
		pthread_cond_wait(&k->ended, &k->lock);
	pthread_mutex_unlock(&k->lock);
	for (struct job *j = k->jobs, *next; j; j = next) {
		next = j->next;
		free(j);
	}
	pthread_cond_destroy(&k->ended);
	pthread_mutex_destroy(&k->lock);
	pthread_mutex_destroy(&k->importing);
	free(k);
}

/* ---- blobs ---- */

/* False: it is not here. */
static bool is_here(struct keeper *k, const struct digest *d)
{
	struct blobs_found found;

	if (blobs_find(k->blobs, d, &found, NULL))
		return false;
	blobs_release(k->blobs, &found);
	return true;
}

static int fetch_part(struct job *j, const struct told_part *part, struct err *err)
{
	struct upstreams *u = j->keeper->upstreams;
	struct remote_refusal refusal;
	struct fetch *it;
	int rc;

	if (is_here(j->keeper, &part->digest))
		return 0;
	rc = upstream_blob(u, &j->place, &part->digest, part->size, &it, err);
	if (rc || !it)
		return rc;
	rc = fetch_wait(it, true, &refusal, err);
	upstream_blob_put(u, it);
	return rc;
}

static int fetch_parts(struct job *j, const struct told_manifest *m, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < m->count && !rc; i++)
		rc = fetch_part(j, &m->parts[i], err);
	return rc;
}

/* ---- names ---- */

/* What is being named, and how often it was. */
struct naming {
	struct job *job;
	const struct told_manifest *manifest;
	bool done;
};

static int push(struct job *j, const struct told_manifest *m, const char *name,
		struct err *err)
{
	const struct push push = {name, m->bytes.data, m->bytes.len, m->media_type};
	struct keeper *k = j->keeper;
	struct pushed pushed;
	int rc;

	pthread_mutex_lock(&k->importing);
	rc = push_manifest(k->blobs, &push, &pushed, err);
	pthread_mutex_unlock(&k->importing);
	return rc;
}

static int push_as(void *arg, const char *name, struct err *err)
{
	struct naming *n = arg;

	n->done = true;
	return push(n->job, n->manifest, name, err);
}

static int name_index(void *arg, const char *name, struct err *err)
{
	struct naming *n = arg;
	const struct told_manifest *m = n->manifest;

	n->done = true;
	return index_name_set(n->job->keeper->blobs->store, name, m->bytes.data,
			      m->bytes.len, err);
}

/* The names of all indexes that it is in. */
static int name_indexes(struct naming *n, struct err *err)
{
	struct told *told = upstreams_told(n->job->keeper->upstreams);
	const char *repository = n->job->place.name;
	struct naming outer = {.job = n->job};
	auto_buf struct buf users;
	int rc;

	buf_init(&users, SIZE_MAX);
	rc = told_users(told, repository, &n->job->digest, &users, err);
	for (size_t i = 0; i < users.len / sizeof(struct told_user) && !rc; i++) {
		const struct told_user *user = (void *)users.data;
		auto_told_manifest struct told_manifest m = {0};

		if (told_get(told, repository, &user[i].manifest, &m, NULL))
			continue;
		outer.manifest = &m;
		rc = told_names(told, repository, &m.digest, name_index, &outer, err);
	}
	n->done = n->done || outer.done;
	return rc;
}

/* An image that has no other name has its digest as one, so that gc leaves it. */
static int keep_manifest(struct job *j, const struct told_manifest *m, struct err *err)
{
	struct told *told = upstreams_told(j->keeper->upstreams);
	struct naming n = {j, m, false};
	char name[FULL_NAME_MAX], text[DIGEST_TEXT_SIZE];
	int rc = fetch_parts(j, m, err);

	if (!rc)
		rc = told_names(told, j->place.name, &m->digest, push_as, &n, err);
	if (!rc && !n.done) {
		rc = push(j, m, NULL, err);
		if (!rc && m->kind == MANIFEST_IMAGE)
			rc = name_indexes(&n, err);
		if (!rc && !n.done && m->kind == MANIFEST_IMAGE) {
			snprintf(name, sizeof(name), "%.900s@%s", j->place.name,
				 digest_format(&m->digest, text));
			rc = push(j, m, name, err);
		}
	} else if (!rc && m->kind == MANIFEST_IMAGE) {
		rc = name_indexes(&n, err);
	}
	return rc;
}

static int keep(struct job *j, struct err *err)
{
	struct told *told = upstreams_told(j->keeper->upstreams);
	auto_told_manifest struct told_manifest m = {0};
	struct naming n = {j, &m, false};
	int rc = told_get(told, j->place.name, &j->digest, &m, err);

	if (rc)
		return rc;
	if (m.kind == MANIFEST_INDEX)
		return told_names(told, j->place.name, &m.digest, name_index, &n, err);
	rc = keep_manifest(j, &m, err);
	for (unsigned i = 1; i < TRIES_MAX && (rc == -ERR_BUSY || rc == -ERR_NOTFOUND);
	     i++)
		rc = keep_manifest(j, &m, err);
	return rc;
}

/* ---- jobs ---- */

static void tell(const struct job *j, int rc, const struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	digest_format(&j->digest, text);
	if (rc && rc != -ERR_CANCELED)
		fprintf(stderr, "layercache: serve: %s@%s is not kept: %s\n",
			j->place.name, text, err->msg);
	else if (!rc && j->keeper->log)
		fprintf(stderr, "layercache: serve: %s@%s is in the store\n",
			j->place.name, text);
}

/* Under the lock. */
static void unlink_job(struct keeper *k, struct job *j)
{
	struct job **at = &k->jobs;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	k->count--;
	free(j);
}

static void *run(void *arg)
{
	struct job *j = arg;
	struct keeper *k = j->keeper;
	struct err err = {0};
	int rc;

	upstreams_enter(k->upstreams);
	rc = keep(j, &err);
	tell(j, rc, &err);
	pthread_mutex_lock(&k->lock);
	if (rc)
		j->failed = now();
	else
		unlink_job(k, j);
	k->threads--;
	pthread_cond_broadcast(&k->ended);
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

/* Under the lock: whether there is one already. Forgets old failures. */
static bool has_job(struct keeper *k, const struct upstream_place *p,
		    const struct digest *d)
{
	time_t oldest = now() - FAILED_SECONDS;
	bool has = false;

	for (struct job *j = k->jobs, *next; j; j = next) {
		next = j->next;
		if (j->failed && j->failed < oldest)
			unlink_job(k, j);
		else if (digest_equal(&j->digest, d) &&
			 strcmp(j->place.name, p->name) == 0)
			has = true;
	}
	return has;
}

/* Under the lock. */
static void start(struct keeper *k, const struct upstream_place *p,
		  const struct digest *d)
{
	struct job *j = calloc(1, sizeof(*j));
	pthread_attr_t detached;
	pthread_t thread;

	if (!j)
		return;
	*j = (struct job){k->jobs, k, *p, *d, 0};
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &detached, run, j)) {
		free(j);
	} else {
		k->jobs = j;
		k->count++;
		k->threads++;
	}
	pthread_attr_destroy(&detached);
}

void keeper_start(struct keeper *k, const struct upstream_place *p,
		  const struct digest *manifest)
{
	pthread_mutex_lock(&k->lock);
	if (!has_job(k, p, manifest) && k->count < JOBS_MAX)
		start(k, p, manifest);
	pthread_mutex_unlock(&k->lock);
}

void keeper_start_if_whole(struct keeper *k, const struct upstream_place *p,
			   const struct told_manifest *m)
{
	bool index = m->kind == MANIFEST_INDEX, whole = !index;

	for (size_t i = 0; i < m->count; i++) {
		if (m->parts[i].config)
			continue;
		if (index)
			whole = whole || is_here(k, &m->parts[i].digest);
		else
			whole = whole && is_here(k, &m->parts[i].digest);
	}
	if (whole)
		keeper_start(k, p, &m->digest);
}

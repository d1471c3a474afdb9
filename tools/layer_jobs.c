/* SPDX-License-Identifier: Apache-2.0
 * The layers that an import has to read, ingested by several threads. */
#include "tools/layer_jobs.h"

#include <pthread.h>
#include <string.h>

#include "store/base/workers.h"
#include "store/layer.h"
#include "store/layer_adopt.h"
#include "tools/blob_keeper.h"
#include "tools/progress.h"

#define ALONE_FROM (1u << 20) /* bytes */

struct run {
	struct layer_jobs *jobs;
	struct session *session;
	struct source *source;
	struct progress *progress;

	pthread_mutex_t lock;
	size_t next;    /* job that nobody has taken */
	bool failed;    /* no new jobs, running ones stop */
	struct err err; /* of the first failure */
};

/* One layer being read. */
struct reading {
	struct run *run;
	uint64_t told; /* bytes that the progress bar knows of */
};

int layer_jobs_add(struct layer_jobs *jobs, const struct layer_job *job, struct err *err)
{
	struct layer_job *items;

	for (size_t i = 0; i < jobs->count; i++)
		if (digest_equal(&jobs->items[i].diffid, &job->diffid))
			return 0;
	items = reallocarray(jobs->items, jobs->count + 1, sizeof(*items));
	if (!items)
		return err_nomem(err);
	jobs->items = items;
	items[jobs->count++] = *job;
	return 0;
}

void layer_jobs_release(struct layer_jobs *jobs)
{
	free(jobs->items);
	*jobs = (struct layer_jobs){0};
}

/* ---- one layer ---- */

static bool has_failed(struct run *run)
{
	bool failed;

	pthread_mutex_lock(&run->lock);
	failed = run->failed;
	pthread_mutex_unlock(&run->lock);
	return failed;
}

static int on_progress(void *arg, uint64_t compressed, struct err *err)
{
	struct reading *reading = arg;

	progress_add(reading->run->progress, compressed - reading->told);
	reading->told = compressed;
	if (has_failed(reading->run))
		return err_set(err, ERR_CANCELED, "another layer failed");
	return 0;
}

/* A plain tar is its own blob. */
static bool keeps_blob(const struct run *run, const struct layer_job *job)
{
	return run->jobs->keep_blobs && !digest_equal(&job->desc.digest, &job->diffid);
}

/* Its content is in an alternate, also the blob, if that was kept there. */
static int adopt(struct run *run, const struct layer_job *job, uint32_t *ret_flags,
		 struct err *err)
{
	struct alternates *alternates = store_alternates(session_store(run->session));
	struct record_item item = {.type = RECORD_BLOB};
	struct record_layer layer;
	int rc = layer_adopt(run->session, &job->diffid, &layer, err);

	if (rc)
		return rc;
	*ret_flags = layer.flags;
	progress_add(run->progress, job->desc.size);
	rc = alternates_blob_get(alternates, &job->desc.digest, &item.blob, err);
	if (rc)
		return rc == -ERR_NOTFOUND ? 0 : rc;
	return session_add(run->session, &item, err);
}

static int ingest(struct run *run, struct session *session, const struct layer_job *job,
		  uint32_t *ret_flags, struct err *err)
{
	struct blob_keeper keeper = {0};
	struct layer_expect expect = {.blob = job->desc.digest,
				      .blob_size = job->desc.size,
				      .diffid = job->diffid};
	struct reading reading = {.run = run};
	char text[DIGEST_TEXT_SIZE], name[DIGEST_TEXT_SIZE + 64];
	struct layer layer;
	struct stream *in;
	int rc;

	snprintf(name, sizeof(name), "layer %zu of %zu %s", job->number, job->total,
		 digest_format(&job->desc.digest, text));
	if (job->adopt) {
		rc = adopt(run, job, ret_flags, err);
		if (rc || !keeps_blob(run, job) ||
		    session_has_object(run->session, &job->desc.digest))
			return rc;
	}
	rc = source_open_blob(run->source, &job->desc, &in, err);
	if (rc == -ERR_NOTFOUND)
		rc = source_lacks_part(err);
	if (rc)
		return err_wrap(err, "layer %zu of %zu", job->number, job->total);
	if (job->known) {
		rc = blob_keeper_known(session, in, &job->desc.digest, job->desc.size,
				       &job->diffid, err);
		return rc ? err_wrap(err, "%s", name) : 0;
	}
	if (keeps_blob(run, job))
		rc = blob_keeper_open(&keeper, session, in, &in, err);
	if (rc)
		return rc;
	rc = layer_ingest(session, in, name, &expect, NULL, on_progress, &reading, &layer,
			  err);
	if (!rc) {
		*ret_flags = layer.record.flags;
		layer_release(&layer);
	}
	if (!rc && keeps_blob(run, job))
		rc = blob_keeper_finish(&keeper, session, &job->desc.digest, err);
	blob_keeper_release(&keeper);
	return rc == -ERR_NOTFOUND ? source_lacks_part(err) : rc;
}

/* What came a long way is committed at once, so that a pull that is cut off need not get it
 * again. Of a small one that is not worth the wait for the disk. */
static int ingest_alone(struct run *run, const struct layer_job *job, uint32_t *ret_flags,
			struct err *err)
{
	auto_session struct session *own = NULL;
	int rc;

	if (!run->source->far || job->adopt || job->desc.size < ALONE_FROM)
		return ingest(run, run->session, job, ret_flags, err);
	rc = session_begin(session_store(run->session), NULL, &own, err);
	if (!rc)
		rc = ingest(run, own, job, ret_flags, err);
	return rc ? rc : session_commit(steal_ptr(&own), err);
}

/* ---- all of them ---- */

static const struct layer_job *take(struct run *run)
{
	const struct layer_job *job = NULL;

	pthread_mutex_lock(&run->lock);
	if (!run->failed && run->next < run->jobs->count)
		job = &run->jobs->items[run->next++];
	pthread_mutex_unlock(&run->lock);
	return job;
}

static void done(struct run *run, int rc, uint32_t flags, const struct err *err)
{
	pthread_mutex_lock(&run->lock);
	if (rc && !run->failed) {
		run->failed = true;
		run->err = *err;
	}
	if (flags & LAYER_UNRESOLVED_LINKS)
		run->jobs->unresolved = true;
	pthread_mutex_unlock(&run->lock);
}

static void *work(void *arg)
{
	const struct layer_job *job;
	struct run *run = arg;

	while ((job = take(run))) {
		struct err err = {0};
		uint32_t flags = 0;
		int rc = ingest_alone(run, job, &flags, &err);

		done(run, rc, flags, &err);
	}
	return NULL;
}

/* The largest first, so that the last to end is a small one. */
static int compare(const void *x, const void *y)
{
	const struct layer_job *a = x, *b = y;

	if (a->desc.size != b->desc.size)
		return a->desc.size < b->desc.size ? 1 : -1;
	return digest_cmp(&a->diffid, &b->diffid);
}

static uint64_t total_size(const struct layer_jobs *jobs)
{
	uint64_t total = 0;

	for (size_t i = 0; i < jobs->count; i++)
		if (__builtin_add_overflow(total, jobs->items[i].desc.size, &total))
			return UINT64_MAX;
	return total;
}

int layer_jobs_run(struct layer_jobs *jobs, struct session *session,
		   struct source *source, const char *label, bool quiet, struct err *err)
{
	auto_progress struct progress *progress = NULL;
	struct run run = {.jobs = jobs, .session = session, .source = source};
	pthread_t threads[LAYER_JOBS_THREADS_MAX];
	size_t want = workers_cpus(), started = 0;

	if (jobs->count == 0)
		return 0;
	if (want > jobs->count)
		want = jobs->count;
	if (want > LAYER_JOBS_THREADS_MAX)
		want = LAYER_JOBS_THREADS_MAX;
	qsort(jobs->items, jobs->count, sizeof(jobs->items[0]), compare);
	progress = progress_begin(total_size(jobs), label, quiet);
	run.progress = progress;
	pthread_mutex_init(&run.lock, NULL);
	/* This thread works too, so threads that cannot be had cost only time. */
	while (started + 1 < want &&
	       pthread_create(&threads[started], NULL, work, &run) == 0)
		started++;
	work(&run);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&run.lock);
	return run.failed ? err_copy(err, &run.err) : 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * The layers that an import has to read, ingested by several threads. */
#include "tools/layer_jobs.h"

#include <pthread.h>
#include <string.h>

#include "store/base/workers.h"
#include "store/layer.h"
#include "store/layer_adopt.h"
#include "tools/blob_keeper.h"
#include "tools/blob_sample.h"
#include "tools/layer_partial.h"
#include "tools/output.h"
#include "tools/progress.h"

#define ALONE_FROM (1u << 20) /* bytes */

struct run {
	struct layer_jobs *jobs;
	struct session *session;
	struct source *source;
	struct progress *progress;
	bool quiet;

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
		if (digest_equal(&jobs->items[i].diffid, &job->diffid) &&
		    (!job->known ||
		     digest_equal(&jobs->items[i].desc.digest, &job->desc.digest)))
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

	/* A second attempt begins anew. */
	if (compressed > reading->told) {
		progress_add(reading->run->progress, compressed - reading->told);
		reading->told = compressed;
	}
	if (has_failed(reading->run))
		return err_set(err, ERR_CANCELED, "another layer failed");
	return 0;
}

/* The blob is kept, or at least enough of it to guess how it was made. */
struct keeping {
	struct blob_keeper keeper;
	struct blob_sample sample;
};

static int keep_open(const struct run *run, struct session *session,
		     const struct layer_job *job, struct keeping *k, struct stream **in,
		     struct err *err)
{
	if (digest_equal(&job->desc.digest, &job->diffid))
		return 0;
	if (run->jobs->keep_blobs)
		return blob_keeper_open(&k->keeper, session, *in, in, err);
	return blob_sample_open(&k->sample, *in, in, err);
}

static int keep_finish(const struct run *run, struct session *session,
		       const struct layer_job *job, struct keeping *k, struct err *err)
{
	if (digest_equal(&job->desc.digest, &job->diffid))
		return 0;
	if (run->jobs->keep_blobs)
		return blob_keeper_finish(&k->keeper, session, &job->desc.digest, err);
	return blob_sample_finish(&k->sample, session, &job->desc.digest, err);
}

/* Only the blob of a layer that is there. */
static int read_known(const struct run *run, struct session *session,
		      const struct layer_job *job, struct stream *in, struct err *err)
{
	return run->jobs->keep_blobs
		       ? blob_keeper_known(session, in, &job->desc.digest, job->desc.size,
					   &job->diffid, err)
		       : blob_sample_known(session, in, &job->desc.digest, job->desc.size,
					   &job->diffid, err);
}

/* Its content is in an alternate, also the blob, if that was kept there, or how it is made. */
static int adopt_blob(struct run *run, const struct layer_job *job, struct err *err)
{
	struct alternates *alternates = store_alternates(session_store(run->session));
	struct record_item blob = {.type = RECORD_BLOB}, how = {.type = RECORD_ENCODING};
	int rc = alternates_blob_get(alternates, &job->desc.digest, &blob.blob, err);

	if (!rc)
		rc = session_add(run->session, &blob, err);
	if (!rc)
		rc = alternates_encoding_get(alternates, &job->desc.digest, &how.encoding,
					     err);
	if (!rc)
		rc = session_add(run->session, &how, err);
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

static int adopt(struct run *run, const struct layer_job *job, uint32_t *ret_flags,
		 struct err *err)
{
	struct record_layer layer;
	int rc = layer_adopt(run->session, &job->diffid, &layer, err);

	if (rc)
		return rc;
	*ret_flags = layer.flags;
	progress_add(run->progress, job->desc.size);
	return adopt_blob(run, job, err);
}

/* What failed for want of good parts may succeed with the whole. */
static bool has_other_way(int rc)
{
	switch (-rc) {
	case ERR_INVALID:
	case ERR_LIMIT:
	case ERR_FAILED:
	case ERR_NOTFOUND:
	case ERR_CORRUPT:
		return true;
	default:
		return false;
	}
}

/* *ret_done false: it is to be read as a whole. */
static int ingest_partly(struct reading *reading, struct session *session,
			 const struct layer_job *job, const char *name,
			 uint32_t *ret_flags, bool *ret_done, struct err *err)
{
	struct layer_partial partial = {reading->run->source, &job->desc, job->diffid,
					on_progress,          reading,    0};
	char read[OUTPUT_SIZE_TEXT], size[OUTPUT_SIZE_TEXT];
	bool quiet = reading->run->quiet;
	struct err why = {0};
	struct layer layer;
	int rc;

	*ret_done = false;
	if (job->known || job->lacks_blob ||
	    !layer_partial_possible(partial.source, partial.desc))
		return 0;
	rc = layer_partial_ingest(session, &partial, name, &layer, &why);
	if (rc && has_other_way(rc)) {
		output_notice(quiet, "layer %zu of %zu is read as a whole: %s",
			      job->number, job->total, why.msg);
		return 0;
	}
	if (rc)
		return err_copy(err, &why);
	output_notice(quiet, "layer %zu of %zu: %s of %s read, the rest is known",
		      job->number, job->total, output_size(partial.read, read),
		      output_size(job->desc.size, size));
	*ret_flags = layer.record.flags;
	*ret_done = true;
	layer_release(&layer);
	return 0;
}

static int ingest(struct run *run, struct session *session, const struct layer_job *job,
		  uint32_t *ret_flags, struct err *err)
{
	struct layer_expect expect = {.blob = job->desc.digest,
				      .blob_size = job->desc.size,
				      .diffid = job->diffid};
	struct reading reading = {.run = run};
	struct keeping keeping = {0};
	char text[DIGEST_TEXT_SIZE], name[DIGEST_TEXT_SIZE + 64];
	struct layer layer;
	struct stream *in;
	bool done;
	int rc = 0;

	snprintf(name, sizeof(name), "layer %zu of %zu %s", job->number, job->total,
		 digest_format(&job->desc.digest, text));
	if (job->adopt) {
		rc = adopt(run, job, ret_flags, err);
		if (rc || !job->lacks_blob)
			return rc;
	}
	rc = ingest_partly(&reading, session, job, name, ret_flags, &done, err);
	if (rc || done)
		return rc;
	rc = source_open_blob(run->source, &job->desc, &in, err);
	if (rc == -ERR_NOTFOUND)
		rc = source_lacks_part(err);
	if (rc)
		return err_wrap(err, "layer %zu of %zu", job->number, job->total);
	if (job->known) {
		rc = read_known(run, session, job, in, err);
		return rc ? err_wrap(err, "%s", name) : 0;
	}
	rc = keep_open(run, session, job, &keeping, &in, err);
	if (!rc)
		rc = layer_ingest(session, in, name, &expect, NULL, on_progress, &reading,
				  &layer, err);
	if (!rc) {
		*ret_flags = layer.record.flags;
		layer_release(&layer);
		rc = keep_finish(run, session, job, &keeping, err);
	}
	blob_keeper_release(&keeping.keeper);
	blob_sample_release(&keeping.sample);
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
	struct run run = {
		.jobs = jobs, .session = session, .source = source, .quiet = quiet};
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

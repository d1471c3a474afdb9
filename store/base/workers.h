/* SPDX-License-Identifier: Apache-2.0
 * A small pool of threads that run jobs from one bounded queue: compression of an import,
 * readahead of the mount.
 *
 * Jobs are embedded in the caller's own structures, so submitting allocates nothing and
 * cannot fail. A job reports errors by means of its own; the pool knows none. The threads
 * take no signals.
 */
#ifndef STORE_BASE_WORKERS_H
#define STORE_BASE_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/err.h"

struct workers;

/* THREAD is 0 .. threads - 1: an index for state that each thread has to itself. The pool
 * does not touch the job any more once RUN is called: RUN may free or resubmit it. */
struct workers_job {
	void (*run)(struct workers_job *job, unsigned thread);
	struct workers_job *next; /* the pool's own */
};

/* Starts THREADS (> 0) threads; at most QUEUE_MAX (> 0) jobs wait at a time. */
int workers_new(unsigned threads, size_t queue_max, struct workers **ret,
		struct err *err) MUST_CHECK;

/* Runs what is queued, ends the threads, frees the pool. NULL is ignored. */
void workers_free(struct workers *w);

AUTO_DEFINE(workers, struct workers, workers_free)
#define auto_workers AUTO(workers)

/* Queues a job; waits while the queue is full. Not from inside a job. Thread-safe. */
void workers_submit(struct workers *w, struct workers_job *job);

/* Waits until no job is queued or running. Thread-safe; not from inside a job. */
void workers_wait(struct workers *w);

/* CPUs this process may use, at least 1. */
unsigned workers_cpus(void);

#endif

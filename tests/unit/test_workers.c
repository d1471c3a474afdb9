/* SPDX-License-Identifier: Apache-2.0
 * store/base/workers: every job once, bounded queue, waiting, ending. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "store/base/workers.h"

struct counted {
	struct workers_job job;
	_Atomic unsigned *runs;
	_Atomic unsigned *gate; /* the job ends when this is not 0; NULL: at once */
	unsigned thread;
};

static void count(struct workers_job *job, unsigned thread)
{
	struct counted *c = (struct counted *)job;

	while (c->gate && !atomic_load(c->gate))
		sched_yield();
	c->thread = thread;
	atomic_fetch_add(c->runs, 1);
}

static void every_job_runs_once(void **state)
{
	static struct counted jobs[1000];
	_Atomic unsigned runs = 0;
	struct workers *w;
	struct err err;

	(void)state;
	assert_int_equal(workers_new(3, 7, &w, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i] = (struct counted){.job.run = count, .runs = &runs};
		workers_submit(w, &jobs[i].job);
	}
	workers_wait(w);
	assert_int_equal(runs, ARRAY_LEN(jobs));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		assert_in_range(jobs[i].thread, 0, 2);
	workers_free(w);
	assert_int_equal(runs, ARRAY_LEN(jobs));
}

struct submitter {
	struct workers *w;
	struct counted *jobs;
	size_t count;
	_Atomic unsigned submitted;
};

static void *submit_all(void *arg)
{
	struct submitter *s = arg;

	for (size_t i = 0; i < s->count; i++) {
		workers_submit(s->w, &s->jobs[i].job);
		atomic_fetch_add(&s->submitted, 1);
	}
	return NULL;
}

static void submitting_waits_while_the_queue_is_full(void **state)
{
	static struct counted jobs[10];
	_Atomic unsigned runs = 0, gate = 0;
	struct submitter s = {.jobs = jobs, .count = ARRAY_LEN(jobs)};
	struct err err;
	pthread_t thread;

	(void)state;
	assert_int_equal(workers_new(1, 2, &s.w, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		jobs[i] =
			(struct counted){.job.run = count, .runs = &runs, .gate = &gate};
	assert_int_equal(pthread_create(&thread, NULL, submit_all, &s), 0);
	while (atomic_load(&s.submitted) < 3) /* one runs, two wait */
		sched_yield();
	usleep(20000);
	assert_int_equal(atomic_load(&s.submitted), 3);
	atomic_store(&gate, 1);
	pthread_join(thread, NULL);
	workers_wait(s.w);
	assert_int_equal(runs, ARRAY_LEN(jobs));
	workers_free(s.w);
}

static void freeing_the_pool_runs_what_is_queued(void **state)
{
	static struct counted jobs[50];
	_Atomic unsigned runs = 0;
	struct workers *w;
	struct err err;

	(void)state;
	assert_int_equal(workers_new(2, 100, &w, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i] = (struct counted){.job.run = count, .runs = &runs};
		workers_submit(w, &jobs[i].job);
	}
	workers_free(w);
	assert_int_equal(runs, ARRAY_LEN(jobs));
}

static void an_idle_pool_can_be_waited_for_and_freed(void **state)
{
	struct workers *w;
	struct err err;

	(void)state;
	assert_int_equal(workers_new(4, 1, &w, &err), 0);
	workers_wait(w);
	workers_free(w);
	workers_free(NULL);
	assert_true(workers_cpus() >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_job_runs_once),
		cmocka_unit_test(submitting_waits_while_the_queue_is_full),
		cmocka_unit_test(freeing_the_pool_runs_what_is_queued),
		cmocka_unit_test(an_idle_pool_can_be_waited_for_and_freed),
	};

	return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Problems of the store and failures of the work, from many threads to one place. */
#include "store/check_private.h"

#include <stdarg.h>
#include <stdatomic.h>

/* Told one by one; more than these only shows that there is more. */
#define TOLD_MAX 1000u

#define TEXT_SIZE 768

void check_report_init(struct check_report *r, check_problem_fn *tell, void *arg)
{
	*r = (struct check_report){.tell = tell, .arg = arg};
	pthread_mutex_init(&r->lock, NULL);
}

void check_report_release(struct check_report *r)
{
	char text[64];

	if (r->problems > TOLD_MAX && r->tell) {
		snprintf(text, sizeof(text), "and %llu more",
			 (unsigned long long)(r->problems - TOLD_MAX));
		r->tell(r->arg, text);
	}
	pthread_mutex_destroy(&r->lock);
}

static void tell(struct check_report *r, const char *text)
{
	pthread_mutex_lock(&r->lock);
	if (r->problems++ < TOLD_MAX && r->tell)
		r->tell(r->arg, text);
	pthread_mutex_unlock(&r->lock);
}

void check_problem(struct check_report *r, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	tell(r, text);
}

bool check_is_damage(int code, const struct err *err)
{
	switch (-code) {
	case ERR_CORRUPT:
	case ERR_NOTFOUND:
	case ERR_INVALID:
	case ERR_LIMIT:
		return true;
	case ERR_SYSTEM:
		return err->sys == EIO;
	default:
		return false;
	}
}

int check_judge(struct check_report *r, int code, const struct err *err, const char *fmt,
		...)
{
	char context[TEXT_SIZE - sizeof(err->msg) - 2];
	va_list args;

	if (!check_is_damage(code, err))
		return code;
	va_start(args, fmt);
	vsnprintf(context, sizeof(context), fmt, args);
	va_end(args);
	check_problem(r, "%s%s%s", context, *context ? ": " : "", err->msg);
	return 0;
}

/* ---- failures ---- */

void check_fail(struct check_report *r, const struct err *err)
{
	pthread_mutex_lock(&r->lock);
	if (!r->failed)
		r->failure = *err;
	r->failed = true;
	pthread_mutex_unlock(&r->lock);
}

bool check_failed(struct check_report *r)
{
	bool failed;

	pthread_mutex_lock(&r->lock);
	failed = r->failed;
	pthread_mutex_unlock(&r->lock);
	return failed;
}

int check_outcome(struct check_report *r, struct err *err)
{
	return check_failed(r) ? err_copy(err, &r->failure) : 0;
}

/* ---- many of the same ---- */

struct run {
	struct check_report *report;
	check_work_fn *work;
	void *arg;
	size_t count;
	_Atomic size_t next;
};

struct run_thread {
	struct workers_job job; /* first */
	struct run *run;
};

static void run_some(struct workers_job *job, unsigned thread)
{
	struct run *run = ((struct run_thread *)job)->run;
	size_t number;

	(void)thread;
	while ((number = atomic_fetch_add(&run->next, 1)) < run->count) {
		struct err err = {0};

		if (check_failed(run->report))
			return;
		if (run->work(run->arg, number, &err) < 0)
			check_fail(run->report, &err);
	}
}

int check_run(struct check_report *r, size_t count, check_work_fn *work, void *arg,
	      struct err *err)
{
	struct run run = {.report = r, .work = work, .arg = arg, .count = count};
	auto_free struct run_thread *threads = NULL;
	auto_workers struct workers *pool = NULL;
	unsigned cpus = workers_cpus();
	int rc;

	if (cpus > count)
		cpus = (unsigned)count;
	if (cpus == 0)
		return 0;
	threads = calloc(cpus, sizeof(*threads));
	if (!threads)
		return err_nomem(err);
	rc = workers_new(cpus, cpus, &pool, err);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < cpus; i++) {
		threads[i] = (struct run_thread){.job.run = run_some, .run = &run};
		workers_submit(pool, &threads[i].job);
	}
	workers_free(steal_ptr(&pool));
	return check_outcome(r, err);
}

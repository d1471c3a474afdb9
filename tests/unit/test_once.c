/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of work that is done once for all who ask at the same time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "tools/serve/once.h"

#define THREADS 8

static struct once *once;
static atomic_uint done;
static pthread_barrier_t start;

static int slow(void *arg, struct err *err)
{
	(void)arg;
	usleep(200000);
	done++;
	return err_set(err, ERR_LIMIT, "too much");
}

static void *ask(void *arg)
{
	struct remote_refusal refusal = {1, 1};
	struct err err = {0};
	int rc;

	pthread_barrier_wait(&start);
	rc = once_do(once, arg, slow, NULL, &refusal, &err);
	return (void *)(intptr_t)(rc == -ERR_LIMIT && err.code == ERR_LIMIT &&
				  refusal.status == 0);
}

static unsigned run_all(const char *even, const char *odd)
{
	pthread_t threads[THREADS];
	unsigned good = 0;
	void *ret;

	done = 0;
	pthread_barrier_init(&start, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask,
						(void *)(uintptr_t)(i % 2 ? odd : even)),
				 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &ret);
		good += ret != NULL;
	}
	pthread_barrier_destroy(&start);
	return good;
}

static void all_share_one_result(void **state)
{
	(void)state;
	assert_int_equal(once_new(&once, NULL), 0);
	assert_int_equal(run_all("a", "a"), THREADS);
	assert_int_equal(done, 1);
	assert_int_equal(run_all("a", "b"), THREADS);
	assert_int_equal(done, 2);
	once_free(once);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_share_one_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

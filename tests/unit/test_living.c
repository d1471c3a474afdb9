/* SPDX-License-Identifier: Apache-2.0
 * fs/living: versions of a file that changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/living.h"
#include "fs/nodeid.h"

static int render_number(void *arg, struct buf *out, struct err *err)
{
	unsigned *n = arg;

	return buf_printf(out, err, "version %u\n", ++*n);
}

static int render_nothing(void *arg, struct buf *out, struct err *err)
{
	(void)arg;
	(void)out;
	return err_set(err, ERR_FAILED, "no");
}

static void a_second(void)
{
	struct timespec t = {.tv_sec = 1, .tv_nsec = 1000000};

	nanosleep(&t, NULL);
}

static void two_looks_in_a_row_see_one_version(void **state)
{
	struct living_info a, b;
	struct living *l;
	struct err err;
	unsigned n = 0;

	(void)state;
	assert_int_equal(living_new(render_number, &n, &l, &err), 0);
	assert_int_equal(living_newest(l, true, &a, &err), 0);
	assert_int_equal(living_newest(l, true, &b, &err), 0);
	assert_true(a.id == b.id);
	assert_int_equal(a.size, 10);
	assert_int_equal(nodeid_class(a.id), NODEID_LIVING);
	living_free(l);
}

static void a_version_stays_while_it_is_held(void **state)
{
	struct living_info a, b, c;
	char text[32] = "";
	struct living *l;
	struct err err;
	unsigned n = 0;
	size_t len;

	(void)state;
	assert_int_equal(living_new(render_number, &n, &l, &err), 0);
	assert_int_equal(living_newest(l, true, &a, &err), 0);
	a_second();
	assert_int_equal(living_newest(l, true, &b, &err), 0);
	assert_true(b.id > a.id);
	assert_int_equal(living_read(l, a.id, 0, text, sizeof(text), &len, &err), 0);
	assert_int_equal(len, 10);
	assert_memory_equal(text, "version 1\n", len);
	living_forget(l, a.id, 1);
	assert_int_equal(living_get(l, a.id, false, &c, &err), -ERR_STALE);
	assert_int_equal(living_get(l, b.id, false, &c, &err), 0);
	living_free(l);
}

static void reads_end_at_the_end(void **state)
{
	struct living_info a;
	char text[32];
	struct living *l;
	struct err err;
	unsigned n = 0;
	size_t len;

	(void)state;
	assert_int_equal(living_new(render_number, &n, &l, &err), 0);
	assert_int_equal(living_newest(l, true, &a, &err), 0);
	assert_int_equal(living_read(l, a.id, 8, text, sizeof(text), &len, &err), 0);
	assert_int_equal(len, 2);
	assert_int_equal(living_read(l, a.id, 10, text, sizeof(text), &len, &err), 0);
	assert_int_equal(len, 0);
	assert_int_equal(living_read(l, a.id, UINT64_MAX, text, sizeof(text), &len, &err),
			 0);
	assert_int_equal(len, 0);
	living_free(l);
}

static void a_failure_makes_no_version(void **state)
{
	struct living_info a;
	struct living *l;
	struct err err;

	(void)state;
	assert_int_equal(living_new(render_nothing, NULL, &l, &err), 0);
	assert_int_equal(living_newest(l, true, &a, &err), -ERR_FAILED);
	living_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_looks_in_a_row_see_one_version),
		cmocka_unit_test(a_version_stays_while_it_is_held),
		cmocka_unit_test(reads_end_at_the_end),
		cmocka_unit_test(a_failure_makes_no_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

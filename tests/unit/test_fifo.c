/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the bounded queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store/base/fifo.h"

static void items_come_out_in_the_order_they_went_in(void **state)
{
	struct fifo f;
	uint32_t in = 0, out = 0;

	(void)state;
	fifo_init(&f, sizeof(in), 1000);
	assert_null(fifo_front(&f));
	assert_null(fifo_back(&f));
	/* Three in, two out: the queue grows while its head moves. */
	for (int round = 0; round < 500; round++) {
		for (int i = 0; i < 3; i++, in++)
			assert_int_equal(fifo_push(&f, &in, NULL), 0);
		assert_int_equal(*(uint32_t *)fifo_back(&f), in - 1);
		for (int i = 0; i < 2; i++, out++) {
			assert_int_equal(*(uint32_t *)fifo_front(&f), out);
			fifo_pop(&f);
		}
	}
	for (; out < in; out++) {
		assert_int_equal(*(uint32_t *)fifo_front(&f), out);
		fifo_pop(&f);
	}
	assert_null(fifo_front(&f));
	fifo_release(&f);
}

static void a_full_queue_refuses_another_item(void **state)
{
	struct err err = {0};
	struct fifo f;
	uint64_t v = 7;

	(void)state;
	fifo_init(&f, sizeof(v), 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(fifo_push(&f, &v, &err), 0);
	assert_int_equal(fifo_push(&f, &v, &err), -ERR_LIMIT);
	fifo_pop(&f);
	fifo_pop(&f);
	assert_int_equal(fifo_push(&f, &v, &err), 0);
	fifo_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_out_in_the_order_they_went_in),
		cmocka_unit_test(a_full_queue_refuses_another_item),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the meters on a layer's way in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "store/layer_meter.h"

static const char text[] = "twenty bytes of text";
#define TEXT_LEN (sizeof(text) - 1)

/* Reads everything in steps of three bytes. */
static int drain(struct stream *s, size_t *ret_total, struct err *err)
{
	char data[3];
	size_t n;
	int r;

	*ret_total = 0;
	do {
		r = s->read(s, data, sizeof(data), &n, err);
		if (r == 0)
			*ret_total += n;
	} while (r == 0 && n);
	return r;
}

static int metered(struct layer_meter *m, uint64_t expect, size_t *ret_total,
		   struct err *err)
{
	auto_stream struct stream *s = NULL;
	struct stream *in = NULL;

	assert_int_equal(stream_from_bytes(text, TEXT_LEN, &in, NULL), 0);
	assert_int_equal(layer_meter_open(m, in, expect, &s, NULL), 0);
	return drain(s, ret_total, err);
}

static void the_announced_size_must_be_met(void **state)
{
	struct layer_meter m;
	struct err err = {0};
	size_t total;

	(void)state;
	assert_int_equal(metered(&m, TEXT_LEN, &total, &err), 0);
	assert_int_equal(total, TEXT_LEN);
	assert_true(m.at_end);
	layer_meter_release(&m);

	assert_int_equal(metered(&m, TEXT_LEN + 1, &total, &err), -ERR_INVALID);
	assert_string_equal(err.msg, "it ends after 20 of the 21 bytes announced");
	layer_meter_release(&m);

	assert_int_equal(metered(&m, TEXT_LEN - 1, &total, &err), -ERR_INVALID);
	assert_string_equal(err.msg, "it is longer than the 19 bytes announced");
	layer_meter_release(&m);
}

static void one_byte_too_many_is_all_that_is_taken(void **state)
{
	struct stream *in = NULL, *s = NULL;
	struct layer_meter m;
	char data[100];
	size_t n;

	(void)state;
	assert_int_equal(stream_from_bytes(text, TEXT_LEN, &in, NULL), 0);
	assert_int_equal(layer_meter_open(&m, in, 5, &s, NULL), 0);
	assert_int_equal(s->read(s, data, sizeof(data), &n, NULL), -ERR_INVALID);
	assert_int_equal(in->read(in, data, sizeof(data), &n, NULL), 0);
	assert_int_equal(n, TEXT_LEN - 6);
	stream_close(s);
	layer_meter_release(&m);
}

static void the_digest_covers_every_byte(void **state)
{
	struct digest d, expected;
	struct layer_meter m;
	size_t total;

	(void)state;
	assert_int_equal(metered(&m, UINT64_MAX, &total, NULL), 0);
	assert_int_equal(m.count, TEXT_LEN);
	layer_meter_digest(&m, &d);
	digest_of(text, TEXT_LEN, &expected);
	assert_true(digest_equal(&d, &expected));
	layer_meter_release(&m);
}

static int count_calls(void *arg, uint64_t compressed, struct err *err)
{
	(void)err;
	assert_int_equal(compressed, 2 << 20);
	++*(int *)arg;
	return 0;
}

static void progress_is_told_a_mebibyte_at_a_time_and_at_the_end(void **state)
{
	struct layer_meter m = {.count = 2 << 20};
	struct layer_gauge g;
	struct layer_limits limits = {.ratio = 10, .ratio_from = UINT64_MAX};
	auto_stream struct stream *in = NULL;
	size_t total;
	int calls = 0;

	(void)state;
	assert_int_equal(stream_from_bytes(text, TEXT_LEN, &in, NULL), 0);
	layer_gauge_init(&g, in, &m, &limits, count_calls, &calls);
	assert_int_equal(drain(&g.base, &total, NULL), 0);
	assert_int_equal(total, TEXT_LEN);
	assert_int_equal(calls, 2);
}

static void expansion_is_bounded_only_above_the_threshold(void **state)
{
	struct layer_meter m = {.count = 1};
	struct layer_limits limits = {.ratio = 10, .ratio_from = TEXT_LEN};
	auto_stream struct stream *in = NULL, *again = NULL;
	struct err err = {0};
	struct layer_gauge g;
	size_t total;

	(void)state;
	assert_int_equal(stream_from_bytes(text, TEXT_LEN, &in, NULL), 0);
	layer_gauge_init(&g, in, &m, &limits, NULL, NULL);
	assert_int_equal(drain(&g.base, &total, &err), 0);
	limits.ratio_from = 5;
	assert_int_equal(stream_from_bytes(text, TEXT_LEN, &again, NULL), 0);
	layer_gauge_init(&g, again, &m, &limits, NULL, NULL);
	assert_int_equal(drain(&g.base, &total, &err), -ERR_LIMIT);
	assert_string_equal(err.msg, "it expands more than 10 times");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_announced_size_must_be_met),
		cmocka_unit_test(one_byte_too_many_is_all_that_is_taken),
		cmocka_unit_test(the_digest_covers_every_byte),
		cmocka_unit_test(progress_is_told_a_mebibyte_at_a_time_and_at_the_end),
		cmocka_unit_test(expansion_is_bounded_only_above_the_threshold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * store/deflate: round trips, the same bytes whatever the threads, errors of the input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/deflate.h"
#include "tests/unit/inflate_fixture.h"

static const enum inflate_kind kinds[] = {INFLATE_NONE, INFLATE_GZIP, INFLATE_ZSTD};

static void compress(const struct buf *content, enum inflate_kind kind, int level,
		     unsigned threads, size_t cap, struct buf *out)
{
	struct drip d = drip_of(content, 100000);
	struct stream *s;

	buf_init(out, FIXTURE_MAX);
	assert_int_equal(deflate_open(&d.base, kind, level, threads, &s, NULL), 0);
	assert_int_equal(fixture_read_all(s, cap, out, NULL), 0);
	stream_close(s);
	assert_int_equal(d.closed, 1);
}

static void expect_back(const struct buf *packed, enum inflate_kind kind,
			const struct buf *content)
{
	struct drip d = drip_of(packed, 4096);
	enum inflate_kind found;
	auto_buf struct buf out;
	struct stream *s;

	buf_init(&out, FIXTURE_MAX);
	assert_int_equal(inflate_open(&d.base, false, &found, &s, NULL), 0);
	assert_int_equal(found, kind);
	assert_int_equal(fixture_read_all(s, 1 << 20, &out, NULL), 0);
	stream_close(s);
	assert_int_equal(out.len, content->len);
	if (out.len)
		assert_memory_equal(out.data, content->data, out.len);
}

static void what_goes_in_comes_back(void **state)
{
	static const size_t sizes[] = {0,
				       1,
				       1000,
				       DEFLATE_UNIT_GZIP - 1,
				       DEFLATE_UNIT_GZIP,
				       DEFLATE_UNIT_GZIP + 1,
				       DEFLATE_UNIT_ZSTD,
				       2 * DEFLATE_UNIT_ZSTD + 777};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			auto_buf struct buf content, packed;

			fixture_content(&content, sizes[i]);
			compress(&content, kinds[k], 0, 2, 70000, &packed);
			expect_back(&packed, kinds[k], &content);
			if (kinds[k] != INFLATE_NONE && sizes[i] >= 1000)
				assert_true(packed.len < content.len);
		}
	}
}

static void threads_and_reads_do_not_show_in_the_bytes(void **state)
{
	auto_buf struct buf content;

	(void)state;
	fixture_content(&content, 9 * DEFLATE_UNIT_GZIP + 5);
	for (size_t k = 1; k < ARRAY_LEN(kinds); k++) {
		auto_buf struct buf one;

		compress(&content, kinds[k], 0, 1, 1 << 20, &one);
		for (unsigned threads = 2; threads <= 5; threads++) {
			auto_buf struct buf many;

			compress(&content, kinds[k], 0, threads, 1000 * threads + 1,
				 &many);
			assert_int_equal(many.len, one.len);
			assert_memory_equal(many.data, one.data, one.len);
		}
	}
}

static void levels_are_checked(void **state)
{
	auto_buf struct buf content, fast, small;
	struct stream *s;

	(void)state;
	fixture_content(&content, 300000);
	for (size_t k = 1; k < ARRAY_LEN(kinds); k++) {
		struct drip low = drip_of(&content, 1000), high = low;
		int max = deflate_level_max(kinds[k]);

		assert_int_equal(deflate_open(&low.base, kinds[k], -1, 1, &s, NULL),
				 -ERR_INVALID);
		assert_int_equal(deflate_open(&high.base, kinds[k], max + 1, 1, &s, NULL),
				 -ERR_INVALID);
		assert_int_equal(low.closed + high.closed, 2);
	}
	compress(&content, INFLATE_GZIP, 1, 1, 1 << 20, &fast);
	compress(&content, INFLATE_GZIP, 9, 1, 1 << 20, &small);
	assert_true(small.len < fast.len);
}

static void a_failing_input_is_told(void **state)
{
	auto_buf struct buf content;

	(void)state;
	fixture_content(&content, 3 * DEFLATE_UNIT_GZIP);
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct drip d = drip_of(&content, 100000);
		auto_buf struct buf out;
		struct err err = {0};
		struct stream *s;

		d.fails = true;
		buf_init(&out, FIXTURE_MAX);
		assert_int_equal(deflate_open(&d.base, kinds[k], 0, 2, &s, &err), 0);
		assert_int_equal(fixture_read_all(s, 1 << 20, &out, &err), -ERR_BUSY);
		stream_close(s);
		assert_int_equal(d.closed, 1);
	}
}

static void it_may_be_closed_before_its_end(void **state)
{
	auto_buf struct buf content;
	struct stream *s;
	char byte;
	size_t len;

	(void)state;
	fixture_content(&content, 12 * DEFLATE_UNIT_GZIP);
	for (size_t k = 1; k < ARRAY_LEN(kinds); k++) {
		struct drip d = drip_of(&content, 1 << 20);

		assert_int_equal(deflate_open(&d.base, kinds[k], 0, 3, &s, NULL), 0);
		assert_int_equal(s->read(s, &byte, 1, &len, NULL), 0);
		stream_close(s);
		assert_int_equal(d.closed, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_back),
		cmocka_unit_test(threads_and_reads_do_not_show_in_the_bytes),
		cmocka_unit_test(levels_are_checked),
		cmocka_unit_test(a_failing_input_is_told),
		cmocka_unit_test(it_may_be_closed_before_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

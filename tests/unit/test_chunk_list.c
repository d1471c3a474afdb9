/* SPDX-License-Identifier: Apache-2.0
 * store/chunk_list: what was appended is found, hostile lists are refused or harmless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/chunk_list.h"

static const struct digest hole;

static void put(struct buf *buf, unsigned digest, uint64_t end)
{
	struct digest d = {.bytes = {(uint8_t)digest}};
	struct err err;

	assert_int_equal(chunk_list_append(buf, &d, end, &err), 0);
}

static void offsets_lead_to_their_chunks(void **state)
{
	auto_buf struct buf buf;
	struct chunk_list list;
	struct chunk_range range;
	struct err err;

	(void)state;
	buf_init(&buf, 1 << 20);
	for (unsigned i = 0; i < 100; i++)
		put(&buf, i + 1, (i + 1) * 1000);
	assert_int_equal(chunk_list_open(buf.data, buf.len, &list, &err), 0);
	assert_int_equal(list.count, 100);
	assert_int_equal(chunk_list_size(&list), 100000);
	for (uint64_t off = 0; off < 100000; off += 250) {
		size_t i = chunk_list_find(&list, off);

		assert_int_equal(i, off / 1000);
		assert_int_equal(chunk_list_get(&list, i, &range, &err), 0);
		assert_int_equal(range.off, i * 1000);
		assert_int_equal(range.len, 1000);
		assert_int_equal(range.digest.bytes[0], i + 1);
		assert_false(range.hole);
	}
}

static void holes_side_by_side_are_one(void **state)
{
	auto_buf struct buf buf;
	struct chunk_list list;
	struct chunk_range range;
	struct err err;

	(void)state;
	buf_init(&buf, 1 << 20);
	put(&buf, 1, 10);
	for (unsigned i = 1; i <= 5; i++)
		assert_int_equal(
			chunk_list_append(&buf, &hole, 10 + ((uint64_t)i << 40), &err),
			0);
	put(&buf, 2, 20 + (5ull << 40));
	assert_int_equal(chunk_list_open(buf.data, buf.len, &list, &err), 0);
	assert_int_equal(list.count, 3);
	assert_int_equal(chunk_list_find(&list, 3ull << 40), 1);
	assert_int_equal(chunk_list_get(&list, 1, &range, &err), 0);
	assert_true(range.hole);
	assert_int_equal(range.len, 5ull << 40);
}

static void a_list_of_a_strange_length_is_refused(void **state)
{
	static const size_t lengths[] = {0, 1, 39, 41, 79};
	uint8_t bytes[80] = {0};
	struct chunk_list list;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		assert_int_equal(chunk_list_open(bytes, lengths[i], &list, &err),
				 -ERR_CORRUPT);
}

static void ends_that_do_not_grow_are_refused(void **state)
{
	static const uint64_t ends[][2] = {
		{0, 5}, {5, 5}, {6, 5}, {UINT64_MAX, 0}, {UINT64_MAX, UINT64_MAX}};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		auto_buf struct buf buf;
		struct chunk_list list;
		struct chunk_range range;
		int first, second;

		buf_init(&buf, 1 << 20);
		put(&buf, 1, ends[i][0]);
		put(&buf, 2, ends[i][1]);
		assert_int_equal(chunk_list_open(buf.data, buf.len, &list, &err), 0);
		first = chunk_list_get(&list, 0, &range, &err);
		second = chunk_list_get(&list, 1, &range, &err);
		assert_true(first == -ERR_CORRUPT || second == -ERR_CORRUPT);
	}
}

static void a_chunk_longer_than_any_frame_is_refused_but_a_hole_is_not(void **state)
{
	auto_buf struct buf buf;
	struct chunk_list list;
	struct chunk_range range;
	struct err err;

	(void)state;
	buf_init(&buf, 1 << 20);
	put(&buf, 1, PACK_BODY_MAX + 1);
	put(&buf, 0, UINT64_MAX);
	assert_int_equal(chunk_list_open(buf.data, buf.len, &list, &err), 0);
	assert_int_equal(chunk_list_get(&list, 0, &range, &err), -ERR_CORRUPT);
	assert_int_equal(chunk_list_get(&list, 1, &range, &err), 0);
	assert_true(range.hole);
}

static void any_bytes_are_searched_within_bounds(void **state)
{
	uint8_t bytes[16 * CHUNK_LIST_ENTRY_SIZE];
	uint64_t seed = 9;
	struct err err;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t count = 1 + round % 16;
		struct chunk_list list;
		struct chunk_range range;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			bytes[i] =
				(uint8_t)(seed >> 60); /* many small and equal values */
		}
		assert_int_equal(chunk_list_open(bytes, count * CHUNK_LIST_ENTRY_SIZE,
						 &list, &err),
				 0);
		for (unsigned k = 0; k < 64; k++) {
			uint64_t off = (seed * (k + 1)) >> (k % 64);
			size_t i = chunk_list_find(&list, off);
			int r;

			assert_true(i < count);
			r = chunk_list_get(&list, i, &range, &err);
			assert_true(r == 0 || r == -ERR_CORRUPT);
			if (r == 0)
				assert_true(range.len > 0 &&
					    range.off + range.len > range.off);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets_lead_to_their_chunks),
		cmocka_unit_test(holes_side_by_side_are_one),
		cmocka_unit_test(a_list_of_a_strange_length_is_refused),
		cmocka_unit_test(ends_that_do_not_grow_are_refused),
		cmocka_unit_test(
			a_chunk_longer_than_any_frame_is_refused_but_a_hole_is_not),
		cmocka_unit_test(any_bytes_are_searched_within_bounds),
	};

	return cmocka_run_group_tests_name("chunk_list", tests, NULL, NULL);
}

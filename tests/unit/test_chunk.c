/* SPDX-License-Identifier: Apache-2.0
 * store/chunk: bounds, purity, the same cuts after a shift, runs of one byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "store/chunk.h"

#define SIZE (16u << 20)

static uint8_t *noise(size_t len, uint64_t seed)
{
	uint8_t *data = malloc(len);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		data[i] = (uint8_t)(seed >> 56);
	}
	return data;
}

static void every_chunk_but_the_last_keeps_the_bounds(void **state)
{
	uint8_t *data = noise(SIZE, 1);
	size_t off = 0, count = 0;

	(void)state;
	while (off < SIZE) {
		size_t n = chunk_cut(data + off, SIZE - off);

		assert_true(n > 0 && n <= CHUNK_MAX && n <= SIZE - off);
		assert_true(n >= CHUNK_MIN || off + n == SIZE);
		off += n;
		count++;
	}
	/* On average about 64 KiB. */
	assert_in_range(SIZE / count, 48u << 10, 88u << 10);
	free(data);
}

static void short_content_is_one_chunk(void **state)
{
	uint8_t *data = noise(CHUNK_MIN, 2);

	(void)state;
	assert_int_equal(chunk_cut(data, 0), 0);
	assert_int_equal(chunk_cut(data, 1), 1);
	assert_int_equal(chunk_cut(data, CHUNK_MIN), CHUNK_MIN);
	free(data);
}

static void bytes_beyond_the_maximum_do_not_matter(void **state)
{
	uint8_t *data = noise(2 * CHUNK_MAX, 3);

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		size_t off = i * 1000;

		assert_int_equal(chunk_cut(data + off, CHUNK_MAX),
				 chunk_cut(data + off, 2 * CHUNK_MAX - off));
	}
	free(data);
}

static void equal_runs_are_cut_alike_after_an_insertion(void **state)
{
	static size_t cuts[2][4096];
	size_t counts[2] = {0, 0}, same = 0, a = 0, b = 0;
	uint8_t *data = noise(SIZE, 4);
	const size_t shift = 12345;

	(void)state;
	for (unsigned k = 0; k < 2; k++)
		for (size_t off = k ? shift : 0; off < SIZE;) {
			off += chunk_cut(data + off, SIZE - off);
			cuts[k][counts[k]++] = off;
		}
	while (a < counts[0] && b < counts[1]) {
		same += cuts[0][a] == cuts[1][b];
		if (cuts[0][a] <= cuts[1][b])
			a++;
		else
			b++;
	}
	assert_true(same >= counts[0] - 5);
	free(data);
}

static void a_run_of_one_byte_gives_chunks_of_the_maximum(void **state)
{
	static const uint8_t values[] = {0x00, 0xff};
	uint8_t *data = malloc(CHUNK_MAX + 1);

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < sizeof(values); i++) {
		memset(data, values[i], CHUNK_MAX + 1);
		assert_int_equal(chunk_cut(data, CHUNK_MAX + 1), CHUNK_MAX);
	}
	free(data);
}

static void cuts_are_those_of_every_other_build(void **state)
{
	static const size_t expected[] = {16684, 78745,  42276, 97328,
					  40740, 116156, 66113, 68877};
	uint8_t *data = noise(SIZE, 5);
	size_t off = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		size_t n = chunk_cut(data + off, SIZE - off);

		assert_int_equal(n, expected[i]);
		off += n;
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_chunk_but_the_last_keeps_the_bounds),
		cmocka_unit_test(short_content_is_one_chunk),
		cmocka_unit_test(bytes_beyond_the_maximum_do_not_matter),
		cmocka_unit_test(equal_runs_are_cut_alike_after_an_insertion),
		cmocka_unit_test(a_run_of_one_byte_gives_chunks_of_the_maximum),
		cmocka_unit_test(cuts_are_those_of_every_other_build),
	};

	return cmocka_run_group_tests_name("chunk", tests, NULL, NULL);
}

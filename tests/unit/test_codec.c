/* SPDX-License-Identifier: Apache-2.0
 * store/codec: what goes in comes out, what gains nothing stays raw, damage is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "store/codec.h"

#define SIZE (256u << 10)

static struct codec *codec;

static int setup(void **state)
{
	(void)state;
	return codec_new(&codec, NULL);
}

static int teardown(void **state)
{
	(void)state;
	codec_free(codec);
	return 0;
}

static void fill_text(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)("the quick brown fox "[i % 20] + (i / 977) % 3);
}

static void fill_noise(uint8_t *p, size_t len)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = (uint8_t)(x >> 32);
	}
}

static enum codec_method round_trip(const uint8_t *data, size_t len, size_t *ret_stored)
{
	auto_free uint8_t *back = malloc(len + 1);
	auto_buf struct buf out;
	enum codec_method method;
	struct err err;

	buf_init(&out, len);
	assert_int_equal(codec_compress(codec, data, len, 3, &out, &method, &err), 0);
	assert_int_equal(
		codec_decompress(codec, method, out.data, out.len, back, len, &err), 0);
	if (len)
		assert_memory_equal(back, data, len);
	*ret_stored = out.len;
	return method;
}

static void text_shrinks_and_comes_back(void **state)
{
	static uint8_t data[SIZE];
	size_t stored;

	(void)state;
	fill_text(data, SIZE);
	assert_int_equal(round_trip(data, SIZE, &stored), CODEC_ZSTD);
	assert_true(stored < SIZE / 10);
	assert_int_equal(round_trip(data, 1000, &stored), CODEC_ZSTD);
}

static void noise_and_tiny_bodies_stay_raw(void **state)
{
	static uint8_t data[SIZE];
	size_t stored;

	(void)state;
	fill_noise(data, SIZE);
	assert_int_equal(round_trip(data, SIZE, &stored), CODEC_RAW);
	assert_int_equal(stored, SIZE);
	assert_int_equal(round_trip(data, 7, &stored), CODEC_RAW);
	assert_int_equal(round_trip(data, 0, &stored), CODEC_RAW);
	assert_int_equal(stored, 0);
}

static void a_body_that_begins_with_noise_is_compressed(void **state)
{
	static uint8_t data[SIZE];
	size_t stored;

	(void)state;
	fill_noise(data, SIZE / 4);
	fill_text(data + SIZE / 4, SIZE - SIZE / 4);
	assert_int_equal(round_trip(data, SIZE, &stored), CODEC_ZSTD);
	assert_true(stored < SIZE / 2);
}

static void damage_never_gives_other_content(void **state)
{
	static uint8_t data[4096], back[4096];
	auto_buf struct buf out;
	enum codec_method method;
	struct err err;
	unsigned unnoticed = 0;

	(void)state;
	fill_text(data, sizeof(data));
	buf_init(&out, sizeof(data));
	assert_int_equal(
		codec_compress(codec, data, sizeof(data), 3, &out, &method, &err), 0);
	assert_int_equal(method, CODEC_ZSTD);
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		int r;

		out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		r = codec_decompress(codec, method, out.data, out.len, back, sizeof(back),
				     &err);
		out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(r == 0 || r == -ERR_CORRUPT);
		if (r == 0)
			assert_memory_equal(back, data, sizeof(data));
		unnoticed += r == 0;
	}
	assert_true(unnoticed < 8); /* bits that mean nothing */
}

static void another_length_or_method_is_damage(void **state)
{
	static uint8_t data[4096], back[8192];
	auto_buf struct buf out;
	enum codec_method method;

	(void)state;
	fill_text(data, sizeof(data));
	buf_init(&out, sizeof(data));
	assert_int_equal(
		codec_compress(codec, data, sizeof(data), 3, &out, &method, NULL), 0);
	assert_int_equal(
		codec_decompress(codec, method, out.data, out.len, back, 4095, NULL),
		-ERR_CORRUPT);
	assert_int_equal(
		codec_decompress(codec, method, out.data, out.len, back, 4097, NULL),
		-ERR_CORRUPT);
	assert_int_equal(
		codec_decompress(codec, method, out.data, out.len - 1, back, 4096, NULL),
		-ERR_CORRUPT);
	assert_int_equal(codec_decompress(codec, CODEC_RAW, data, 10, back, 11, NULL),
			 -ERR_CORRUPT);
	assert_int_equal(
		codec_decompress(codec, (enum codec_method)7, data, 10, back, 10, NULL),
		-ERR_CORRUPT);
}

static void a_used_context_gives_the_same_bytes_as_a_new_one(void **state)
{
	static uint8_t data[SIZE];
	auto_codec struct codec *fresh = NULL;
	auto_buf struct buf a, b;
	enum codec_method method;

	(void)state;
	buf_init(&a, 2 * SIZE);
	buf_init(&b, 2 * SIZE);
	fill_noise(data, SIZE);
	assert_int_equal(codec_compress(codec, data, SIZE, 9, &a, &method, NULL), 0);
	buf_clear(&a);
	fill_text(data, SIZE);
	assert_int_equal(codec_compress(codec, data, SIZE, 3, &a, &method, NULL), 0);
	assert_int_equal(codec_new(&fresh, NULL), 0);
	assert_int_equal(codec_compress(fresh, data, SIZE, 3, &b, &method, NULL), 0);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_shrinks_and_comes_back),
		cmocka_unit_test(noise_and_tiny_bodies_stay_raw),
		cmocka_unit_test(a_body_that_begins_with_noise_is_compressed),
		cmocka_unit_test(damage_never_gives_other_content),
		cmocka_unit_test(another_length_or_method_is_damage),
		cmocka_unit_test(a_used_context_gives_the_same_bytes_as_a_new_one),
	};

	return cmocka_run_group_tests_name("codec", tests, setup, teardown);
}

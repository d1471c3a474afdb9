/* SPDX-License-Identifier: Apache-2.0
 * store/inflate: detection, plain input, what all decoders have in common. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/inflate_input.h"
#include "tests/unit/inflate_fixture.h"

static const size_t steps[] = {1, 7, 4096, 1 << 20};
static const size_t caps[] = {1, 1000, 64 << 10, 1 << 20};

static void check_same(const struct buf *bytes, const struct buf *content,
		       enum inflate_kind kind)
{
	auto_buf struct buf out;

	buf_init(&out, FIXTURE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		for (size_t k = 0; k < ARRAY_LEN(caps); k++) {
			enum inflate_kind found;
			struct err err;

			assert_int_equal(fixture_inflate(bytes, steps[i], caps[k], &out,
							 &found, &err),
					 0);
			assert_int_equal(found, kind);
			assert_int_equal(out.len, content->len);
			assert_memory_equal(out.data, content->data, out.len);
		}
}

static void plain_bytes_come_as_they_are(void **state)
{
	static const size_t sizes[] = {1, 2, 15, 16, 17, 300000};
	auto_buf struct buf content;

	(void)state;
	fixture_content(&content, 300000);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		content.len = sizes[i];
		check_same(&content, &content, INFLATE_NONE);
	}
}

static void no_bytes_are_plain(void **state)
{
	struct buf none = {0};
	auto_buf struct buf out;
	enum inflate_kind kind;

	(void)state;
	buf_init(&out, 1);
	assert_int_equal(fixture_inflate(&none, 1, 1, &out, &kind, NULL), 0);
	assert_int_equal(kind, INFLATE_NONE);
	assert_int_equal(out.len, 0);
}

static void pieces_of_any_size_give_the_same_bytes(void **state)
{
	auto_buf struct buf content, bytes;

	(void)state;
	fixture_content(&content, 400000);
	buf_init(&bytes, FIXTURE_MAX);
	fixture_gzip(&bytes, content.data, content.len);
	check_same(&bytes, &content, INFLATE_GZIP);
	buf_clear(&bytes);
	fixture_zstd(&bytes, content.data, content.len);
	check_same(&bytes, &content, INFLATE_ZSTD);
}

/* Small and large reads of one stream take turns. */
static void reads_may_change_their_size(void **state)
{
	auto_buf struct buf content, bytes, out;
	enum inflate_kind kind;
	auto_free uint8_t *data = malloc(1 << 20);
	struct stream *s;
	struct drip d;
	size_t n;

	(void)state;
	fixture_content(&content, 3 << 20);
	buf_init(&bytes, FIXTURE_MAX);
	buf_init(&out, FIXTURE_MAX);
	fixture_gzip(&bytes, content.data, content.len);
	d = drip_of(&bytes, 100000);
	assert_int_equal(inflate_open(&d.base, false, &kind, &s, NULL), 0);
	for (size_t turn = 0;; turn++) {
		size_t cap = turn % 2 ? 70000 + turn : 500 + turn;

		assert_int_equal(s->read(s, data, cap, &n, NULL), 0);
		if (!n)
			break;
		fixture_append(&out, data, n);
	}
	stream_close(s);
	assert_int_equal(out.len, content.len);
	assert_memory_equal(out.data, content.data, out.len);
}

static void an_error_of_the_source_comes_behind_the_bytes(void **state)
{
	void (*const makers[])(struct buf * b, const void *data,
			       size_t len) = {fixture_append, fixture_gzip, fixture_zstd};
	auto_buf struct buf content, out;

	(void)state;
	fixture_content(&content, 1 << 20);
	buf_init(&out, FIXTURE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
		auto_buf struct buf bytes;
		enum inflate_kind kind;
		struct err err = {0};
		struct stream *s;
		struct drip d;

		buf_init(&bytes, FIXTURE_MAX);
		makers[i](&bytes, content.data, content.len);
		bytes.len = bytes.len * 9 / 10;
		d = drip_of(&bytes, 4000);
		d.fails = true;
		buf_clear(&out);
		assert_int_equal(inflate_open(&d.base, false, &kind, &s, NULL), 0);
		assert_int_equal(fixture_read_all(s, 100000, &out, &err), -ERR_BUSY);
		assert_string_equal(err.msg, "the source fails");
		stream_close(s);
		assert_in_range(out.len, content.len / 2, content.len - 1);
		assert_memory_equal(out.data, content.data, out.len);
	}
}

static void a_source_that_fails_at_once_is_closed(void **state)
{
	struct buf none = {0};
	struct drip d = drip_of(&none, 1);
	struct stream *s = NULL;
	enum inflate_kind kind;
	struct err err = {0};

	(void)state;
	d.fails = true;
	assert_int_equal(inflate_open(&d.base, true, &kind, &s, &err), -ERR_BUSY);
	assert_null(s);
	assert_int_equal(d.closed, 1);
}

static void a_bomb_is_not_taken_in_before_it_is_read(void **state)
{
	auto_buf struct buf content, bytes;
	enum inflate_kind kind;
	uint8_t data[1000];
	struct stream *s;
	struct drip d;
	size_t n;

	(void)state;
	fixture_content(&content, 4 << 20);
	buf_init(&bytes, FIXTURE_MAX);
	fixture_gzip(&bytes, content.data, content.len);
	assert_true(bytes.len > 4 * INFLATE_INPUT_SIZE);
	d = drip_of(&bytes, SIZE_MAX);
	assert_int_equal(inflate_open(&d.base, false, &kind, &s, NULL), 0);
	assert_int_equal(s->read(s, data, sizeof(data), &n, NULL), 0);
	assert_int_equal(n, sizeof(data));
	assert_true(d.taken <= INFLATE_INPUT_SIZE);
	stream_close(s);
	assert_int_equal(d.closed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_bytes_come_as_they_are),
		cmocka_unit_test(no_bytes_are_plain),
		cmocka_unit_test(pieces_of_any_size_give_the_same_bytes),
		cmocka_unit_test(reads_may_change_their_size),
		cmocka_unit_test(an_error_of_the_source_comes_behind_the_bytes),
		cmocka_unit_test(a_source_that_fails_at_once_is_closed),
		cmocka_unit_test(a_bomb_is_not_taken_in_before_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * store/inflate_zstd: frames, skippable frames, windows, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/inflate_decoder.h"
#include "tests/unit/inflate_fixture.h"

static int inflate_all(const struct buf *bytes, size_t step, struct buf *out,
		       struct err *err)
{
	enum inflate_kind kind = INFLATE_NONE;
	int r = fixture_inflate(bytes, step, 100000, out, &kind, err);

	assert_int_equal(kind, INFLATE_ZSTD);
	return r;
}

static void check_gives(const struct buf *bytes, const void *content, size_t len)
{
	fixture_gives(INFLATE_ZSTD, bytes, content, len);
}

static void check_fails(const struct buf *bytes, int code, const char *text)
{
	fixture_fails(INFLATE_ZSTD, bytes, code, text);
}

static void skippable(struct buf *b, unsigned kind, size_t len)
{
	if (buf_append_le32(b, 0x184d2a50 + kind, NULL) < 0 ||
	    buf_append_le32(b, (uint32_t)len, NULL) < 0 ||
	    buf_append_zeros(b, len, NULL) < 0)
		abort();
}

static void frames_follow_each_other(void **state)
{
	auto_buf struct buf content, bytes;

	(void)state;
	fixture_content(&content, 500000);
	buf_init(&bytes, FIXTURE_MAX);
	skippable(&bytes, 15, 0);
	fixture_zstd(&bytes, content.data, 300000);
	fixture_zstd(&bytes, NULL, 0);
	skippable(&bytes, 0, 200000);
	fixture_zstd(&bytes, content.data + 300000, 200000);
	skippable(&bytes, 7, 13);
	check_gives(&bytes, content.data, content.len);
}

static void a_wrong_checksum_is_refused(void **state)
{
	auto_buf struct buf content, bytes, out;

	(void)state;
	fixture_content(&content, 300000);
	buf_init(&bytes, FIXTURE_MAX);
	buf_init(&out, FIXTURE_MAX);
	fixture_zstd(&bytes, content.data, content.len);
	fixture_zstd(&bytes, content.data, content.len);
	bytes.data[bytes.len - 1] ^= 1;
	check_fails(&bytes, ERR_INVALID, "checksum of the zstd data");
	assert_int_equal(inflate_all(&bytes, SIZE_MAX, &out, NULL), -ERR_INVALID);
	assert_true(out.len > content.len);
}

static void every_truncation_says_that_it_ends_early(void **state)
{
	auto_buf struct buf content, bytes;

	(void)state;
	fixture_content(&content, 1000);
	buf_init(&bytes, FIXTURE_MAX);
	fixture_zstd(&bytes, content.data, content.len);
	for (bytes.len--; bytes.len >= 4; bytes.len--)
		check_fails(&bytes, ERR_INVALID, "ends early");
	buf_clear(&bytes);
	skippable(&bytes, 0, 30);
	for (bytes.len--; bytes.len >= 4; bytes.len--)
		check_fails(&bytes, ERR_INVALID, "ends early");
}

static void zero_bytes_may_follow_and_nothing_else(void **state)
{
	auto_buf struct buf bytes;
	size_t end;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	fixture_zstd(&bytes, "hello", 5);
	end = bytes.len;
	assert_int_equal(buf_append_zeros(&bytes, 1, NULL), 0);
	check_gives(&bytes, "hello", 5);
	assert_int_equal(buf_append_zeros(&bytes, 300000, NULL), 0);
	check_gives(&bytes, "hello", 5);
	fixture_append(&bytes, "x", 1);
	check_fails(&bytes, ERR_INVALID, "bytes follow the end");
	bytes.len = end;
	fixture_append(&bytes, "garbage", 7);
	check_fails(&bytes, ERR_INVALID, "bytes follow the end");
	bytes.len = end + 2;
	check_fails(&bytes, ERR_INVALID, "ends early");
}

/* The library would read these; nobody makes layers of them. */
static void frames_of_early_versions_are_refused(void **state)
{
	auto_buf struct buf bytes;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	fixture_zstd(&bytes, "hello", 5);
	fixture_append(&bytes, "\x27\xb5\x2f\xfd\0\0\0\0", 8);
	check_fails(&bytes, ERR_INVALID, "bytes follow the end");
}

/* A frame of unknown size with a window of 2^LOG bytes that holds one raw block. */
static void large_window(struct buf *b, unsigned log)
{
	uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0,   (uint8_t)((log - 10) << 3),
			   0x29, 0,    0,    'h',  'e', 'l',
			   'l',  'o'};

	fixture_append(b, frame, sizeof(frame));
}

static void windows_are_bounded(void **state)
{
	auto_buf struct buf bytes;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	large_window(&bytes, 27);
	check_gives(&bytes, "hello", 5);
	buf_clear(&bytes);
	large_window(&bytes, 28);
	check_fails(&bytes, ERR_LIMIT, "window of more than 128 MiB");
	buf_clear(&bytes);
	large_window(&bytes, 41);
	check_fails(&bytes, ERR_LIMIT, "window of more than 128 MiB");
}

static void a_dictionary_is_not_there(void **state)
{
	static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x21, 42,
					1,    9,    0,    0,    'x'};
	auto_buf struct buf bytes;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	fixture_append(&bytes, frame, sizeof(frame));
	check_fails(&bytes, ERR_INVALID, "needs a dictionary");
}

static void empty_frames_in_a_row_are_bounded(void **state)
{
	auto_buf struct buf bytes;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	for (unsigned i = 0; i < INFLATE_EMPTY_MAX / 2; i++) {
		fixture_zstd(&bytes, NULL, 0);
		skippable(&bytes, i % 16, 3);
	}
	check_gives(&bytes, NULL, 0);
	skippable(&bytes, 0, 0);
	check_fails(&bytes, ERR_INVALID, "frames without content");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_follow_each_other),
		cmocka_unit_test(a_wrong_checksum_is_refused),
		cmocka_unit_test(every_truncation_says_that_it_ends_early),
		cmocka_unit_test(zero_bytes_may_follow_and_nothing_else),
		cmocka_unit_test(frames_of_early_versions_are_refused),
		cmocka_unit_test(windows_are_bounded),
		cmocka_unit_test(a_dictionary_is_not_there),
		cmocka_unit_test(empty_frames_in_a_row_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

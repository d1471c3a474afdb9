/* SPDX-License-Identifier: Apache-2.0
 * store/tar_filter: detection, round trips, damage and ends of libarchive's filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/tar_filter.h"
#include "tests/unit/inflate_fixture.h"

static const struct {
	enum tar_filter filter;
	int code;
	bool has_end; /* its data says where it ends */
} filters[] = {
	{TAR_FILTER_BZIP2, ARCHIVE_FILTER_BZIP2, true},
	{TAR_FILTER_COMPRESS, ARCHIVE_FILTER_COMPRESS, false},
	{TAR_FILTER_LZ4, ARCHIVE_FILTER_LZ4, true},
	{TAR_FILTER_LZMA, ARCHIVE_FILTER_LZMA, true},
	{TAR_FILTER_XZ, ARCHIVE_FILTER_XZ, true},
};

static int inflate_all(const struct buf *bytes, size_t step, struct buf *out,
		       struct err *err)
{
	enum inflate_kind kind = INFLATE_NONE;
	int r = fixture_inflate(bytes, step, 100000, out, &kind, err);

	assert_int_equal(kind, INFLATE_OTHER);
	return r;
}

static void check_fails(const struct buf *bytes, int code, const char *text)
{
	fixture_fails(INFLATE_OTHER, bytes, code, text);
}

static void every_filter_gives_the_content_back(void **state)
{
	static const size_t sizes[] = {0, 1, 700, 1000000};
	static const size_t steps[] = {1, 5000, 1 << 20};
	auto_buf struct buf content, out;

	(void)state;
	fixture_content(&content, 1000000);
	buf_init(&out, FIXTURE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
			auto_buf struct buf bytes;

			/* libarchive writes a byte with compress, and crashes with lz4. */
			if (sizes[k] == 0 && (filters[i].filter == TAR_FILTER_COMPRESS ||
					      filters[i].filter == TAR_FILTER_LZ4))
				continue;
			buf_init(&bytes, FIXTURE_MAX);
			fixture_filter(&bytes, filters[i].code, content.data, sizes[k]);
			assert_int_equal(tar_filter_detect(bytes.data, bytes.len),
					 filters[i].filter);
			for (size_t j = 0; j < ARRAY_LEN(steps); j++) {
				struct err err = {0};

				if (inflate_all(&bytes, steps[j], &out, &err) < 0)
					fail_msg("%zu bytes: %s", sizes[k], err.msg);
				assert_int_equal(out.len, sizes[k]);
				assert_memory_equal(out.data, content.data, out.len);
			}
		}
}

static void layers_may_not_be_compressed_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		auto_buf struct buf bytes;
		struct stream *s = NULL;
		enum inflate_kind kind;
		struct err err = {0};
		struct drip d;

		buf_init(&bytes, FIXTURE_MAX);
		fixture_filter(&bytes, filters[i].code, "hello", 5);
		d = drip_of(&bytes, 100);
		assert_int_equal(inflate_open(&d.base, false, &kind, &s, &err),
				 -ERR_INVALID);
		assert_non_null(strstr(err.msg, tar_filter_name(filters[i].filter)));
		assert_int_equal(d.closed, 1);
	}
}

static void truncation_says_that_it_ends_early(void **state)
{
	auto_buf struct buf content;

	(void)state;
	fixture_content(&content, 300000);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		auto_buf struct buf bytes;

		if (!filters[i].has_end)
			continue;
		buf_init(&bytes, FIXTURE_MAX);
		fixture_filter(&bytes, filters[i].code, content.data, content.len);
		bytes.len--;
		check_fails(&bytes, ERR_INVALID, "ends early");
		bytes.len /= 2;
		check_fails(&bytes, ERR_INVALID, "ends early");
		bytes.len = 20;
		check_fails(&bytes, ERR_INVALID, "ends early");
	}
}

static void zero_bytes_may_follow_and_nothing_else(void **state)
{
	auto_buf struct buf content, out;

	(void)state;
	fixture_content(&content, 200000);
	buf_init(&out, FIXTURE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		auto_buf struct buf bytes;
		struct err err = {0};
		size_t end;

		if (!filters[i].has_end)
			continue;
		buf_init(&bytes, FIXTURE_MAX);
		fixture_filter(&bytes, filters[i].code, content.data, content.len);
		end = bytes.len;
		assert_int_equal(buf_append_zeros(&bytes, 300000, NULL), 0);
		for (size_t step = 1; step < 1 << 20; step *= 777) {
			if (inflate_all(&bytes, step, &out, &err) < 0)
				fail_msg("%zu: %s", i, err.msg);
			assert_int_equal(out.len, content.len);
		}
		fixture_append(&bytes, "x", 1);
		check_fails(&bytes, ERR_INVALID, "");
		bytes.len = end;
		fixture_append(&bytes, "garbage", 7);
		check_fails(&bytes, ERR_INVALID, "");
	}
}

static void what_is_compressed_twice_is_refused(void **state)
{
	auto_buf struct buf once, twice;

	(void)state;
	buf_init(&once, FIXTURE_MAX);
	buf_init(&twice, FIXTURE_MAX);
	fixture_filter(&once, ARCHIVE_FILTER_XZ, "hello", 5);
	fixture_filter(&twice, ARCHIVE_FILTER_XZ, once.data, once.len);
	check_fails(&twice, ERR_INVALID, "more than once");
}

static void damage_is_told(void **state)
{
	auto_buf struct buf content, bytes;

	(void)state;
	fixture_content(&content, 300000);
	buf_init(&bytes, FIXTURE_MAX);
	fixture_filter(&bytes, ARCHIVE_FILTER_XZ, content.data, content.len);
	bytes.data[bytes.len / 2] ^= 1;
	check_fails(&bytes, ERR_INVALID, "the xz data is damaged");
	buf_clear(&bytes);
	fixture_filter(&bytes, ARCHIVE_FILTER_BZIP2, content.data, content.len);
	bytes.data[bytes.len / 2] ^= 1;
	check_fails(&bytes, ERR_INVALID, "the bzip2 data is damaged");
}

static void an_error_of_the_source_is_not_its_end(void **state)
{
	auto_buf struct buf content, out;

	(void)state;
	fixture_content(&content, 300000);
	buf_init(&out, FIXTURE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		auto_buf struct buf bytes;
		enum inflate_kind kind;
		struct err err = {0};
		struct stream *s;
		struct drip d;

		buf_init(&bytes, FIXTURE_MAX);
		fixture_filter(&bytes, filters[i].code, content.data, content.len);
		/* Also where the data ends. */
		for (size_t cut = 0; cut < 2; cut++) {
			bytes.len -= cut * (bytes.len / 2);
			d = drip_of(&bytes, 3000);
			d.fails = true;
			assert_int_equal(inflate_open(&d.base, true, &kind, &s, NULL), 0);
			assert_int_equal(fixture_read_all(s, 1 << 20, &out, &err),
					 -ERR_BUSY);
			assert_string_equal(err.msg, "the source fails");
			stream_close(s);
			buf_clear(&out);
		}
	}
}

/* Sound headers that ask for gigabytes. */
static void dictionaries_are_bounded(void **state)
{
	static const uint8_t xz[] = {0xfd, '7',  'z',  'X', 'Z', 0,    0, 0,  0xff,
				     0x12, 0xd9, 0x41, 2,   0,   0x21, 1, 40, 0};
	static const uint8_t lzma[] = {0x5d, 0,    0,    0,    0x40, 0xff, 0xff, 0xff,
				       0xff, 0xff, 0xff, 0xff, 0xff, 0,    0};
	auto_buf struct buf bytes;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	fixture_append(&bytes, xz, sizeof(xz));
	check_fails(&bytes, ERR_LIMIT, "dictionary of more than 128 MiB");
	buf_clear(&bytes);
	fixture_append(&bytes, lzma, sizeof(lzma));
	check_fails(&bytes, ERR_LIMIT, "dictionary of more than 128 MiB");
}

/* Names that begin like a magic. */
static void tars_are_not_taken_for_something_else(void **state)
{
	static const char *const names[] = {"BZh9", "BZhello", "]", "\x1f\x9d",
					    "\xfd"
					    "7zXZ"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint8_t header[512] = {0};

		memcpy(header, names[i], strlen(names[i]));
		memcpy(header + 100, "0000644", 7);
		assert_int_equal(tar_filter_detect(header, i == 4 ? 5 : sizeof(header)),
				 TAR_FILTER_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_filter_gives_the_content_back),
		cmocka_unit_test(layers_may_not_be_compressed_so),
		cmocka_unit_test(truncation_says_that_it_ends_early),
		cmocka_unit_test(zero_bytes_may_follow_and_nothing_else),
		cmocka_unit_test(what_is_compressed_twice_is_refused),
		cmocka_unit_test(damage_is_told),
		cmocka_unit_test(an_error_of_the_source_is_not_its_end),
		cmocka_unit_test(dictionaries_are_bounded),
		cmocka_unit_test(tars_are_not_taken_for_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

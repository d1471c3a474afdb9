/* SPDX-License-Identifier: Apache-2.0
 * store/encoding and the encoders behind deflate_open_as: what others make comes out bit for
 * bit, and is recognised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/deflate.h"
#include "store/digest.h"
#include "tests/unit/encoding_fixture.h"
#include "tests/unit/inflate_fixture.h"

static const uint8_t go_header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};
static const uint8_t pgzip_header[10] = {0x1f, 0x8b, 8, 0, 0, 9, 0x6e, 0x88, 0, 0xff};
static const uint8_t unix_header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};

static struct encoding encoding_of(uint32_t maker, uint32_t level, uint32_t variant)
{
	struct encoding e = {maker, level, variant, 10, {0}};

	memcpy(e.header,
	       maker == ENCODING_GO      ? go_header
	       : maker == ENCODING_PGZIP ? pgzip_header
					 : unix_header,
	       10);
	if (level == 9)
		e.header[8] = 2;
	return e;
}

static void make(size_t size, struct buf *content)
{
	buf_init(content, FIXTURE_MAX);
	assert_int_equal(buf_reserve(content, size + 1, NULL), 0);
	content->len = size;
	content_make(content->data, size);
}

static void encode(const struct buf *content, const struct encoding *e, unsigned threads,
		   size_t step, struct buf *out)
{
	struct drip d = drip_of(content, step);
	struct stream *s;

	buf_init(out, FIXTURE_MAX);
	assert_int_equal(deflate_open_as(&d.base, e, threads, &s, NULL), 0);
	assert_int_equal(fixture_read_all(s, 70001, out, NULL), 0);
	stream_close(s);
	assert_int_equal(d.closed, 1);
}

/* SHA-256 over all that the original makes of the fixture's contents one after the other: Go
 * 1.19, written to by 32 KiB; pgzip 1.2.5 with compress 1.15.12 and 1.15.9; pigz 2.6. */
static const struct golden {
	uint32_t maker, level, variant;
	const char *sha256;
} goldens[] = {
	{ENCODING_PGZIP, 5, 0,
	 "a550f5fc79c259a79c586a6e0ef86ce4e721a0a8d296673b389810a96fa31805"},
	{ENCODING_PGZIP, 5, 1,
	 "c34c0dddf00c63ec8709046ac4e85954246074a6e8cf8baf037ceac5aaf65212"},
	{ENCODING_GO, 4, 0,
	 "4c65d577c56fa8cabdb7080efa35b914b6ba8bed7cd8409488048f20b3c7c4b6"},
	{ENCODING_GO, 5, 0,
	 "d9b85bade68abc78eb52e30bc709c436887c523bcc5c987d6113250dea3f80df"},
	{ENCODING_GO, 6, 0,
	 "fdae3366bdd0ce3bce3792aa1d55d2c85b9b4fcb3ebc8d51f3c05bfff3c4e91f"},
	{ENCODING_GO, 7, 0,
	 "d41c746ec5b3fb165811a979bcb66600a6eaf62c6a0730c7e1aee1eec6f1c57e"},
	{ENCODING_GO, 8, 0,
	 "d12ee8e4ff77da8431b11b648720eac0202c178cedb00d16a1aa90033418d801"},
	{ENCODING_GO, 9, 0,
	 "db856391b908f7e3e61f2cb82ac7f6ee1420dab9f05e94d03c9f6e06e41cb5b8"},
};

static void streams_are_those_of_the_original(void **state)
{
	(void)state;
	for (size_t g = 0; g < ARRAY_LEN(goldens); g++) {
		struct encoding e = encoding_of(goldens[g].maker, goldens[g].level,
						goldens[g].variant);
		struct digest digest, expected;
		auto_buf struct buf all;

		buf_init(&all, FIXTURE_MAX);
		for (size_t i = 0; i < ARRAY_LEN(content_sizes); i++) {
			auto_buf struct buf content, packed;

			make(content_sizes[i], &content);
			encode(&content, &e, 2, 65537, &packed);
			assert_int_equal(buf_append(&all, packed.data, packed.len, NULL),
					 0);
		}
		digest_of(all.data, all.len, &digest);
		assert_int_equal(digest_parse_hex(goldens[g].sha256, 64, &expected, NULL),
				 0);
		assert_true(digest_equal(&digest, &expected));
	}
}

static void expect_back(const struct buf *packed, const struct buf *content)
{
	struct drip d = drip_of(packed, 4096);
	enum inflate_kind kind;
	auto_buf struct buf out;
	struct stream *s;

	buf_init(&out, FIXTURE_MAX);
	assert_int_equal(inflate_open(&d.base, false, &kind, &s, NULL), 0);
	assert_int_equal(fixture_read_all(s, 1 << 20, &out, NULL), 0);
	stream_close(s);
	assert_int_equal(out.len, content->len);
	if (out.len)
		assert_memory_equal(out.data, content->data, out.len);
}

static const struct encoding_kind {
	uint32_t maker, level, variant;
} encodings[] = {
	{ENCODING_ZLIB, 1, 8}, {ENCODING_ZLIB, 6, 8},  {ENCODING_ZLIB, 9, 9},
	{ENCODING_PIGZ, 1, 0}, {ENCODING_PIGZ, 6, 0},  {ENCODING_PIGZ, 6, 1},
	{ENCODING_GO, 6, 0},   {ENCODING_PGZIP, 5, 0}, {ENCODING_PGZIP, 5, 1},
};

static void all_streams_are_gzip(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(encodings); k++) {
		struct encoding e = encoding_of(encodings[k].maker, encodings[k].level,
						encodings[k].variant);

		for (size_t i = 0; i < ARRAY_LEN(content_sizes); i++) {
			auto_buf struct buf content, packed, again;

			make(content_sizes[i], &content);
			encode(&content, &e, 1, 1 << 20, &packed);
			expect_back(&packed, &content);
			encode(&content, &e, 3, 9999, &again);
			assert_int_equal(again.len, packed.len);
			assert_memory_equal(again.data, packed.data, packed.len);
		}
	}
}

/* Whole pieces of which the encoder gives nothing out yet. */
static void zeros_are_gzip_too(void **state)
{
	auto_buf struct buf content;

	(void)state;
	buf_init(&content, FIXTURE_MAX);
	assert_int_equal(buf_append_zeros(&content, 12000000, NULL), 0);
	for (size_t k = 0; k < ARRAY_LEN(encodings); k++) {
		struct encoding e = encoding_of(encodings[k].maker, encodings[k].level,
						encodings[k].variant);
		auto_buf struct buf packed;

		encode(&content, &e, 2, 1 << 20, &packed);
		expect_back(&packed, &content);
	}
}

static void an_encoder_is_recognised(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(encodings); k++) {
		struct encoding e = encoding_of(encodings[k].maker, encodings[k].level,
						encodings[k].variant),
				found;
		auto_buf struct buf content, packed, again;
		bool sure;

		if (e.variant == 9)
			continue; /* of this content its first block is longer */
		make(2500000, &content);
		encode(&content, &e, 1, 1 << 20, &packed);
		assert_int_equal(encoding_guess(packed.data, ENCODING_SAMPLE, false,
						&found, &sure, NULL),
				 0);
		assert_int_equal(found.maker, e.maker);
		assert_false(sure);
		encode(&content, &found, 1, 1 << 20, &again);
		assert_int_equal(again.len, packed.len);
		assert_memory_equal(again.data, packed.data, packed.len);
	}
}

static void a_small_blob_is_proved_at_once(void **state)
{
	struct encoding e = encoding_of(ENCODING_GO, 6, 0), found;
	auto_buf struct buf content, packed;
	bool sure;

	(void)state;
	make(5000, &content);
	encode(&content, &e, 1, 1 << 20, &packed);
	assert_int_equal(
		encoding_guess(packed.data, packed.len, true, &found, &sure, NULL), 0);
	assert_int_equal(found.maker, ENCODING_GO);
	assert_true(sure);
	assert_int_equal(
		encoding_guess(packed.data, packed.len, false, &found, &sure, NULL), 0);
	assert_false(sure);
	packed.data[packed.len - 1] ^= 1; /* a wrong size at its end */
	assert_int_equal(
		encoding_guess(packed.data, packed.len, true, &found, &sure, NULL), 0);
	assert_false(sure);
}

static void a_header_comes_back_with_all_its_parts(void **state)
{
	static const uint8_t header[] = {0x1f, 0x8b, 8, 0x1c, 1,   2,   3,   4,
					 0,    3,    3, 0,    'x', 'y', 'z', 'a',
					 '.',  't',  0, 'h',  'i', 0};
	struct encoding e = {ENCODING_PIGZ, 6, 0, sizeof(header), {0}}, found;
	auto_buf struct buf content, packed;
	bool sure;

	(void)state;
	memcpy(e.header, header, sizeof(header));
	make(200000, &content);
	encode(&content, &e, 1, 1 << 20, &packed);
	assert_memory_equal(packed.data, header, sizeof(header));
	expect_back(&packed, &content);
	assert_int_equal(
		encoding_guess(packed.data, packed.len, false, &found, &sure, NULL), 0);
	assert_memory_equal(&found, &e, sizeof(e));
}

static void what_is_no_gzip_has_no_encoder(void **state)
{
	struct encoding e = encoding_of(ENCODING_PGZIP, 5, 0), found;
	auto_buf struct buf content, packed;
	bool sure;

	(void)state;
	make(5000, &content);
	assert_int_equal(
		encoding_guess(content.data, content.len, true, &found, &sure, NULL), 0);
	assert_int_equal(found.maker, 0);
	encode(&content, &e, 1, 1 << 20, &packed);
	/* Cut anywhere, and with any flag set. */
	for (size_t len = 0; len < 300; len++)
		assert_int_equal(
			encoding_guess(packed.data, len, true, &found, &sure, NULL), 0);
	for (unsigned flags = 2; flags < 32; flags++) {
		packed.data[3] = (uint8_t)(flags & 0x1e);
		assert_int_equal(encoding_guess(packed.data, packed.len, true, &found,
						&sure, NULL),
				 0);
		assert_false(sure && (flags & 0x1e));
	}
}

static void unknown_makers_are_refused(void **state)
{
	struct encoding e = encoding_of(77, 6, 0);
	auto_buf struct buf content;
	char name[ENCODING_NAME_SIZE];
	struct stream *s;
	struct drip d;

	(void)state;
	make(10, &content);
	d = drip_of(&content, 10);
	assert_int_equal(deflate_open_as(&d.base, &e, 1, &s, NULL), -ERR_INVALID);
	assert_int_equal(d.closed, 1);
	assert_string_equal(encoding_name(&e, name), "unknown -6");
}

/* A record of a damaged store may say anything. */
static void impossible_levels_are_refused(void **state)
{
	static const uint32_t makers[] = {ENCODING_ZLIB, ENCODING_PIGZ, ENCODING_GO};
	auto_buf struct buf content;

	(void)state;
	make(10, &content);
	for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
		static const uint32_t levels[] = {0, 10, UINT32_MAX};

		for (size_t k = 0; k < ARRAY_LEN(levels); k++) {
			struct encoding e = encoding_of(makers[i], levels[k], 8);
			struct drip d = drip_of(&content, 10);
			struct stream *s;

			assert_int_equal(deflate_open_as(&d.base, &e, 1, &s, NULL),
					 -ERR_INVALID);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_are_those_of_the_original),
		cmocka_unit_test(all_streams_are_gzip),
		cmocka_unit_test(zeros_are_gzip_too),
		cmocka_unit_test(an_encoder_is_recognised),
		cmocka_unit_test(a_small_blob_is_proved_at_once),
		cmocka_unit_test(a_header_comes_back_with_all_its_parts),
		cmocka_unit_test(what_is_no_gzip_has_no_encoder),
		cmocka_unit_test(unknown_makers_are_refused),
		cmocka_unit_test(impossible_levels_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

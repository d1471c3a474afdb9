/* SPDX-License-Identifier: Apache-2.0
 * store/inflate_gzip: members, headers, trailers, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <isa-l/crc.h>

#include "store/inflate_decoder.h"
#include "tests/unit/inflate_fixture.h"

static int inflate_all(const struct buf *bytes, size_t step, struct buf *out,
		       struct err *err)
{
	enum inflate_kind kind = INFLATE_NONE;
	int r = fixture_inflate(bytes, step, 100000, out, &kind, err);

	assert_int_equal(kind, INFLATE_GZIP);
	return r;
}

static void check_gives(const struct buf *bytes, const void *content, size_t len)
{
	fixture_gives(INFLATE_GZIP, bytes, content, len);
}

static void check_fails(const struct buf *bytes, int code, const char *text)
{
	fixture_fails(INFLATE_GZIP, bytes, code, text);
}

static void members_follow_each_other(void **state)
{
	auto_buf struct buf content, bytes;

	(void)state;
	fixture_content(&content, 200000);
	buf_init(&bytes, FIXTURE_MAX);
	fixture_gzip(&bytes, content.data, 150000);
	fixture_gzip(&bytes, NULL, 0);
	fixture_gzip(&bytes, content.data + 150000, 1);
	fixture_gzip(&bytes, content.data + 150001, 49999);
	check_gives(&bytes, content.data, content.len);
}

/* ---- headers ---- */

enum { HCRC = 2, EXTRA = 4, NAME = 8, COMMENT = 16 };

/* A header with fields, and "hello" in a stored block. */
static void make_member(struct buf *b, unsigned flags, size_t extra, size_t name)
{
	static const uint8_t stored[] = {1, 5, 0, 0xfa, 0xff, 'h', 'e', 'l', 'l', 'o'};
	uint8_t fixed[10] = {0x1f, 0x8b, 8, (uint8_t)flags, 1, 2, 3, 4, 0, 3};
	size_t start = b->len;
	uint32_t crc;

	fixture_append(b, fixed, sizeof(fixed));
	if (flags & EXTRA && (buf_append_le16(b, (uint16_t)extra, NULL) < 0 ||
			      buf_append_zeros(b, extra, NULL) < 0))
		abort();
	for (unsigned field = NAME; field <= COMMENT; field *= 2)
		if (flags & field) {
			for (size_t i = 0; i < name; i++)
				fixture_append(b, "n", 1);
			fixture_append(b, "", 1);
		}
	crc = crc32_gzip_refl(0, b->data + start, b->len - start);
	if (flags & HCRC && buf_append_le16(b, (uint16_t)crc, NULL) < 0)
		abort();
	fixture_append(b, stored, sizeof(stored));
	crc = crc32_gzip_refl(0, (const uint8_t *)"hello", 5);
	if (buf_append_le32(b, crc, NULL) < 0 || buf_append_le32(b, 5, NULL) < 0)
		abort();
}

static void every_field_of_a_header_is_passed_over(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 32; flags++) {
		auto_buf struct buf bytes;

		buf_init(&bytes, FIXTURE_MAX);
		make_member(&bytes, flags, 300, 20);
		make_member(&bytes, flags, 0, 0);
		check_gives(&bytes, "hellohello", 10);
	}
}

static void large_fields_are_taken_up_to_a_bound(void **state)
{
	auto_buf struct buf bytes;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	make_member(&bytes, HCRC | EXTRA | NAME, 65535, 60000);
	check_gives(&bytes, "hello", 5);
	buf_clear(&bytes);
	make_member(&bytes, COMMENT, 0, 1 << 20);
	check_fails(&bytes, ERR_LIMIT, "longer than 65536 bytes");
}

static void a_wrong_checksum_of_a_header_is_refused(void **state)
{
	auto_buf struct buf bytes;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	make_member(&bytes, HCRC | NAME, 0, 4);
	bytes.data[10] ^= 1;
	check_fails(&bytes, ERR_INVALID, "checksum of a gzip header");
}

static void unknown_methods_and_flags_are_refused(void **state)
{
	auto_buf struct buf bytes;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	make_member(&bytes, 0, 0, 0);
	bytes.data[2] = 7;
	check_fails(&bytes, ERR_INVALID, "not known");
	bytes.data[2] = 8;
	bytes.data[3] = 0x20;
	check_fails(&bytes, ERR_INVALID, "not known");
}

/* ---- damage ---- */

static void checksum_and_size_of_every_member_are_checked(void **state)
{
	auto_buf struct buf bytes, out;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	buf_init(&out, FIXTURE_MAX);
	make_member(&bytes, 0, 0, 0);
	make_member(&bytes, 0, 0, 0);
	for (size_t i = 1; i <= 8; i++) {
		bytes.data[bytes.len - i] ^= 0x10;
		check_fails(&bytes, ERR_INVALID, "checksum or size");
		bytes.data[bytes.len - i] ^= 0x10;
		bytes.data[bytes.len / 2 - i] ^= 0x10;
		check_fails(&bytes, ERR_INVALID, "checksum or size");
		bytes.data[bytes.len / 2 - i] ^= 0x10;
	}
	/* The bytes before the error were delivered. */
	bytes.data[bytes.len - 1] ^= 1;
	assert_int_equal(inflate_all(&bytes, 9, &out, NULL), -ERR_INVALID);
	assert_int_equal(out.len, 10);
}

/* But for padding bits no bit may change unseen. */
static void damaged_data_is_refused(void **state)
{
	auto_buf struct buf content, bytes, out;
	size_t same = 0;

	(void)state;
	fixture_content(&content, 3000);
	buf_init(&bytes, FIXTURE_MAX);
	buf_init(&out, FIXTURE_MAX);
	fixture_gzip(&bytes, content.data, content.len);
	for (size_t i = 10; i < bytes.len; i++) {
		int r;

		bytes.data[i] ^= 0x40;
		r = inflate_all(&bytes, SIZE_MAX, &out, NULL);
		bytes.data[i] ^= 0x40;
		if (r == -ERR_INVALID)
			continue;
		assert_int_equal(r, 0);
		assert_int_equal(out.len, content.len);
		assert_memory_equal(out.data, content.data, out.len);
		same++;
	}
	assert_true(same <= 1);
}

static void every_truncation_says_that_it_ends_early(void **state)
{
	auto_buf struct buf content, bytes;

	(void)state;
	fixture_content(&content, 1000);
	buf_init(&bytes, FIXTURE_MAX);
	make_member(&bytes, HCRC | EXTRA | NAME | COMMENT, 5, 3);
	for (bytes.len--; bytes.len > 2; bytes.len--)
		check_fails(&bytes, ERR_INVALID, "ends early");
	buf_clear(&bytes);
	fixture_gzip(&bytes, content.data, content.len);
	for (bytes.len--; bytes.len > 2; bytes.len--)
		check_fails(&bytes, ERR_INVALID, "ends early");
}

/* ---- what follows ---- */

static void zero_bytes_may_follow_and_nothing_else(void **state)
{
	auto_buf struct buf bytes;
	size_t end;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	make_member(&bytes, 0, 0, 0);
	end = bytes.len;
	assert_int_equal(buf_append_zeros(&bytes, 1, NULL), 0);
	check_gives(&bytes, "hello", 5);
	assert_int_equal(buf_append_zeros(&bytes, 300000, NULL), 0);
	check_gives(&bytes, "hello", 5);
	fixture_append(&bytes, "x", 1);
	check_fails(&bytes, ERR_INVALID, "bytes follow the end");
	bytes.len = end;
	fixture_append(&bytes, "x", 1);
	check_fails(&bytes, ERR_INVALID, "bytes follow the end");
	bytes.len = end;
	assert_int_equal(buf_append_zeros(&bytes, 5, NULL), 0);
	make_member(&bytes, 0, 0, 0);
	check_fails(&bytes, ERR_INVALID, "bytes follow the end");
	bytes.len = end;
	fixture_append(&bytes, "\x1f\x8c and more", 11);
	check_fails(&bytes, ERR_INVALID, "bytes follow the end");
}

static void empty_members_in_a_row_are_bounded(void **state)
{
	auto_buf struct buf bytes;

	(void)state;
	buf_init(&bytes, FIXTURE_MAX);
	for (unsigned i = 0; i < INFLATE_EMPTY_MAX; i++)
		fixture_gzip(&bytes, NULL, 0);
	check_gives(&bytes, NULL, 0);
	fixture_gzip(&bytes, NULL, 0);
	check_fails(&bytes, ERR_INVALID, "members without content");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_follow_each_other),
		cmocka_unit_test(every_field_of_a_header_is_passed_over),
		cmocka_unit_test(large_fields_are_taken_up_to_a_bound),
		cmocka_unit_test(a_wrong_checksum_of_a_header_is_refused),
		cmocka_unit_test(unknown_methods_and_flags_are_refused),
		cmocka_unit_test(checksum_and_size_of_every_member_are_checked),
		cmocka_unit_test(damaged_data_is_refused),
		cmocka_unit_test(every_truncation_says_that_it_ends_early),
		cmocka_unit_test(zero_bytes_may_follow_and_nothing_else),
		cmocka_unit_test(empty_members_in_a_row_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

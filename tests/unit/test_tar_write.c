/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of tar headers: exact bytes, because DiffIDs of snapshots depend on them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "store/tar_write.h"

static struct tar_entry entry_of(enum tar_type type, const char *path, const char *link)
{
	return (struct tar_entry){
		.type = type,
		.path = path,
		.path_len = strlen(path),
		.link = link,
		.link_len = strlen(link),
		.mode = 0644,
		.mtime = 1700000000,
	};
}

static void header_of(const struct tar_entry *e, struct buf *out)
{
	struct err err = {0};

	buf_init(out, 1 << 20);
	if (tar_write_entry(out, e, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(out->len % TAR_BLOCK_SIZE, 0);
}

static const char *field(const struct buf *b, size_t block, size_t off)
{
	return (const char *)b->data + block * TAR_BLOCK_SIZE + off;
}

static void assert_checksum(const struct buf *b, size_t block)
{
	unsigned sum = 0;

	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
		sum += i >= 148 && i < 156 ? ' ' : b->data[block * TAR_BLOCK_SIZE + i];
	assert_int_equal(strtoul(field(b, block, 148), NULL, 8), sum);
}

static void a_plain_file_needs_one_ustar_block(void **state)
{
	struct tar_entry e = entry_of(TAR_FILE, "etc/passwd", "");
	auto_buf struct buf out;

	(void)state;
	e.size = 1234;
	e.uid = 1000;
	header_of(&e, &out);
	assert_int_equal(out.len, TAR_BLOCK_SIZE);
	assert_string_equal(field(&out, 0, 0), "etc/passwd");
	assert_string_equal(field(&out, 0, 100), "0000644");
	assert_string_equal(field(&out, 0, 108), "0001750");
	assert_string_equal(field(&out, 0, 124), "00000002322");
	assert_string_equal(field(&out, 0, 136), "14524770400");
	assert_memory_equal(field(&out, 0, 156), "0", 1);
	assert_memory_equal(field(&out, 0, 257), "ustar\00000", 8);
	assert_string_equal(field(&out, 0, 265), ""); /* no user name */
	assert_checksum(&out, 0);
}

static void directories_end_in_a_slash(void **state)
{
	struct tar_entry top = entry_of(TAR_DIR, ".", ""),
			 sub = entry_of(TAR_DIR, "usr/", "");
	auto_buf struct buf a, b;

	(void)state;
	header_of(&top, &a);
	header_of(&sub, &b);
	assert_string_equal(field(&a, 0, 0), "./");
	assert_string_equal(field(&b, 0, 0), "usr/");
	assert_memory_equal(field(&a, 0, 156), "5", 1);
}

static void a_name_of_100_bytes_needs_no_pax_header(void **state)
{
	char name[102];
	struct tar_entry e;
	auto_buf struct buf fits, longer;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[100] = '\0';
	e = entry_of(TAR_FILE, name, "");
	header_of(&e, &fits);
	assert_int_equal(fits.len, TAR_BLOCK_SIZE);
	name[100] = 'n';
	name[101] = '\0';
	e = entry_of(TAR_FILE, name, "");
	header_of(&e, &longer);
	assert_int_equal(longer.len, 3 * TAR_BLOCK_SIZE);
	assert_memory_equal(field(&longer, 0, 156), "x", 1);
	assert_checksum(&longer, 0);
	assert_memory_equal(field(&longer, 1, 0), "111 path=nnn", 12);
	assert_memory_equal(field(&longer, 1, 110), "\n\0", 2);
	assert_checksum(&longer, 2);
}

static void pax_records_are_sorted_and_count_themselves(void **state)
{
	const struct tar_xattr xattrs[] = {
		{"user.b", 6, "2", 1},
		{"user.a", 6, "x\0y", 3},
	};
	struct tar_entry e = entry_of(TAR_FILE, "f", "");
	auto_buf struct buf out;

	(void)state;
	e.xattrs = xattrs;
	e.xattr_count = 2;
	e.gid = 3000000;
	e.mtime_nsec = 1;
	header_of(&e, &out);
	assert_int_equal(out.len, 3 * TAR_BLOCK_SIZE);
	assert_memory_equal(field(&out, 1, 0), "27 SCHILY.xattr.user.a=x\0y\n", 27);
	assert_memory_equal(field(&out, 1, 27), "25 SCHILY.xattr.user.b=2\n", 25);
	assert_memory_equal(field(&out, 1, 52), "15 gid=3000000\n", 15);
	assert_memory_equal(field(&out, 1, 67), "30 mtime=1700000000.000000001\n", 30);
}

static void assert_mtime(int64_t s, uint32_t ns, const char *record)
{
	struct tar_entry e = entry_of(TAR_FILE, "f", "");
	auto_buf struct buf out;

	e.mtime = s;
	e.mtime_nsec = ns;
	header_of(&e, &out);
	assert_memory_equal(field(&out, 1, 0), record, strlen(record));
}

static void times_are_exact_decimal_numbers(void **state)
{
	(void)state;
	assert_mtime(1, 500000000, "13 mtime=1.5\n");
	assert_mtime(-1, 0, "12 mtime=-1\n");
	assert_mtime(-1, 500000000, "14 mtime=-0.5\n");
	assert_mtime(-2, 999999999, "22 mtime=-1.000000001\n");
	assert_mtime(8589934592, 0, "20 mtime=8589934592\n");
	assert_mtime(INT64_MIN, 0, "30 mtime=-9223372036854775808\n");
}

static void a_long_name_that_is_no_utf8_says_so(void **state)
{
	static const char record[] = "21 hdrcharset=BINARY\n";
	char name[121];
	struct tar_entry e;
	auto_buf struct buf text, bytes;

	(void)state;
	memset(name, 'n', sizeof(name));
	memcpy(name, "\xc3\xa9", 2);
	name[120] = '\0';
	e = entry_of(TAR_SYMLINK, "l", name);
	header_of(&e, &text);
	assert_memory_equal(field(&text, 1, 0), "134 linkpath=\xc3\xa9", 15);
	name[0] = '\xff';
	e = entry_of(TAR_SYMLINK, "l", name);
	header_of(&e, &bytes);
	assert_memory_equal(field(&bytes, 1, 0), record, strlen(record));
}

static void an_xattr_name_with_an_equals_sign_is_refused(void **state)
{
	const struct tar_xattr x = {"user.a=b", 8, "", 0};
	struct tar_entry e = entry_of(TAR_FILE, "f", "");
	struct err err = {0};
	auto_buf struct buf out;

	(void)state;
	e.xattrs = &x;
	e.xattr_count = 1;
	buf_init(&out, 1 << 20);
	assert_int_equal(tar_write_entry(&out, &e, &err), -ERR_INVALID);
	assert_non_null(strstr(err.msg, "user.a=b"));
}

static void padding_fills_the_last_block(void **state)
{
	(void)state;
	assert_int_equal(tar_write_padding(0), 0);
	assert_int_equal(tar_write_padding(1), 511);
	assert_int_equal(tar_write_padding(512), 0);
	assert_int_equal(tar_write_padding((1ull << 40) + 513), 511);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_file_needs_one_ustar_block),
		cmocka_unit_test(directories_end_in_a_slash),
		cmocka_unit_test(a_name_of_100_bytes_needs_no_pax_header),
		cmocka_unit_test(pax_records_are_sorted_and_count_themselves),
		cmocka_unit_test(times_are_exact_decimal_numbers),
		cmocka_unit_test(a_long_name_that_is_no_utf8_says_so),
		cmocka_unit_test(an_xattr_name_with_an_equals_sign_is_refused),
		cmocka_unit_test(padding_fills_the_last_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

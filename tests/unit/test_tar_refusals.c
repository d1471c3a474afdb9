/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the scan of layers: what is refused, and with what words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/tar_seen.h"

/* ---- what is refused ---- */

/* An entry after up to three extension headers. */
struct odd {
	const char *says;
	const char *x, *name_body, *link_body; /* bodies of x, L, K; NULL: none */
	char type;
	const char *name, *link;
	uint64_t size;
	const char *content;
	enum err_code code; /* 0: ERR_INVALID */
};

static void make_odd(struct buf *tar, const struct odd *o)
{
	struct tar_block b = blocks_header(o->type, o->name, o->size);

	buf_init(tar, 4 << 20);
	blocks_file(tar, "before", "text");
	if (o->link_body)
		blocks_extend(tar, 'K', o->link_body, strlen(o->link_body) + 1);
	if (o->name_body)
		blocks_extend(tar, 'L', o->name_body, strlen(o->name_body) + 1);
	if (o->x)
		blocks_pax(tar, 'x', o->x);
	memcpy(b.link, o->link, strlen(o->link));
	blocks_add(tar, b);
	blocks_put(tar, o->content, strlen(o->content));
	blocks_file(tar, "after", "text");
	blocks_end(tar);
}

static void contradictions_are_refused(void **state)
{
	static const struct odd odd[] = {
		{"two sizes", "size=3", NULL, NULL, '0', "f", "", 0, "abc", 0},
		{"two sizes", "size=0", NULL, NULL, '0', "f", "", 3, "abc", 0},
		{"two sizes", "size=4", NULL, NULL, '5', "d", "", 0, "", 0},
		{"two sizes", "SCHILY.realsize=9", NULL, NULL, '0', "f", "", 3, "abc", 0},
		{"malformed", "size=", NULL, NULL, '0', "f", "", 0, "", 0},
		{"malformed", "size=-3", NULL, NULL, '0', "f", "", 0, "", 0},
		{"malformed", "size=0x3", NULL, NULL, '0', "f", "", 0, "", 0},
		{"malformed", "uid=root", NULL, NULL, '0', "f", "", 0, "", 0},
		{"malformed", "mtime=now", NULL, NULL, '0', "f", "", 0, "", 0},
		{"32 bits", "uid=4294967296", NULL, NULL, '0', "f", "", 0, "", 0},
		{"sets 'path' twice", "path=a\npath=b", NULL, NULL, '0', "f", "", 0, "",
		 0},
		{"sets 'size' twice", "size=0\nsize=0", NULL, NULL, '0', "f", "", 0, "",
		 0},
		{"two long names", "path=a", "b", NULL, '0', "f", "", 0, "", 0},
		{"two link targets", "linkpath=a", NULL, "b", '2', "f", "c", 0, "", 0},
		{"without a link", "linkpath=a", NULL, NULL, '0', "f", "", 0, "", 0},
		{"without a link", NULL, NULL, "a", '5', "d", "", 0, "", 0},
		{"without a target", NULL, NULL, NULL, '2', "l", "", 0, "", 0},
		{"without a target", NULL, NULL, NULL, '1', "l", "", 0, "", 0},
		{"directory with content", NULL, NULL, NULL, '0', "d/", "", 3, "abc", 0},
		{"long name is empty", NULL, "", NULL, '0', "f", "", 0, "", 0},
		{"'M' is not supported", NULL, NULL, NULL, 'M', "f", "", 3, "abc", 0},
		{"'V' is not supported", NULL, NULL, NULL, 'V', "v", "", 0, "", 0},
		{"'D' is not supported", NULL, NULL, NULL, 'D', "d", "", 0, "", 0},
		{"'A' is not supported", NULL, NULL, NULL, 'A', "d", "", 0, "", 0},
		{"'X' is not supported", NULL, NULL, NULL, 'X', "d", "", 0, "", 0},
		{"sparse or not", NULL, NULL, NULL, 'S', "f", "", 3, "abc", 0},
		{"sparse or not", SPARSE_1 "GNU.sparse.realsize=9", NULL, NULL, '7', "f",
		 "", 3, "abc", 0},
		{"map is missing", SPARSE_1 "GNU.sparse.realsize=9", NULL, NULL, '0', "f",
		 "", 0, "", 0},
		{"map has no end", SPARSE_1 "GNU.sparse.realsize=9", NULL, NULL, '0', "f",
		 "", 6, "1\n0\n3\n", 0},
		{"malformed", SPARSE_1 "GNU.sparse.realsize=9", NULL, NULL, '0', "f", "",
		 3, "abc", 0},
		{"malformed", SPARSE_1, NULL, NULL, '0', "f", "", 3, "abc", 0},
		{"format is unknown",
		 "GNU.sparse.major=2\nGNU.sparse.minor=0\nGNU.sparse.realsize=1", NULL,
		 NULL, '0', "f", "", 0, "", 0},
		{"malformed", "GNU.sparse.name=x", NULL, NULL, '0', "f", "", 0, "", 0},
		{"not supported", "GNU.sparse.other=x", NULL, NULL, '0', "f", "", 0, "",
		 0},
		{"not supported", "GNU.volume.offset=1", NULL, NULL, '0', "f", "", 0, "",
		 0},
		{"not supported", "SUN.holesdata= 1 2", NULL, NULL, '0', "f", "", 2, "ab",
		 0},
		{"the sparse map and the size",
		 "GNU.sparse.size=9\nGNU.sparse.numblocks=1\nGNU.sparse.map=0,4", NULL,
		 NULL, '0', "f", "", 3, "abc", 0},
		{"the sparse map and the size",
		 "GNU.sparse.size=2\nGNU.sparse.numblocks=1\nGNU.sparse.map=0,3", NULL,
		 NULL, '0', "f", "", 3, "abc", 0},
		{"map is malformed",
		 "GNU.sparse.size=9\nGNU.sparse.numblocks=2\nGNU.sparse.map=4,1,0,2",
		 NULL, NULL, '0', "f", "", 3, "abc", 0},
		{"map is malformed",
		 "GNU.sparse.size=9\nGNU.sparse.numblocks=1\nGNU.sparse.map=0,3,", NULL,
		 NULL, '0', "f", "", 3, "abc", 0},
		{"malformed",
		 "GNU.sparse.size=9\nGNU.sparse.numblocks=2\nGNU.sparse.map=0,3", NULL,
		 NULL, '0', "f", "", 3, "abc", 0},
		{"malformed",
		 "GNU.sparse.size=9\nGNU.sparse.numblocks=1\nGNU.sparse.numbytes=3", NULL,
		 NULL, '0', "f", "", 3, "abc", 0},
		{"two values of its xattr 'user.a'",
		 "SCHILY.xattr.user.a=x\nLIBARCHIVE.xattr.user.a=eQ==", NULL, NULL, '0',
		 "f", "", 0, "", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		auto_buf struct buf tar;

		make_odd(&tar, &odd[i]);
		assert_refused(&tar, ERR_INVALID, odd[i].says);
	}
}

static void assert_global_refused(const char *pairs)
{
	auto_buf struct buf tar;

	buf_init(&tar, 1 << 20);
	blocks_pax(&tar, 'g', pairs);
	blocks_file(&tar, "f", "text");
	blocks_end(&tar);
	assert_refused(&tar, ERR_INVALID, "a global PAX header sets");
}

static void global_headers_name_no_entry(void **state)
{
	(void)state;
	assert_global_refused("path=x");
	assert_global_refused("linkpath=x");
	assert_global_refused("size=4");
	assert_global_refused("GNU.sparse.realsize=4");
	assert_global_refused("SCHILY.realsize=4");
}

static void extensions_come_once_and_before_an_entry(void **state)
{
	static const char *const pairs[] = {"xx", "LL", "KK", "xg", "Lg"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		auto_buf struct buf tar;

		buf_init(&tar, 1 << 20);
		for (const char *t = pairs[i]; *t; t++)
			blocks_extend(&tar, *t, "12 comment=x", 12);
		blocks_entry(&tar, '2', "l", "target");
		blocks_end(&tar);
		tar.data[TAR_BLOCK_SIZE + 11] = '\n';
		tar.data[3 * TAR_BLOCK_SIZE + 11] = '\n';
		assert_refused(&tar, ERR_INVALID, "is followed by another one");
	}
	for (const char *t = "xLK"; *t; t++) {
		auto_buf struct buf tar;

		buf_init(&tar, 1 << 20);
		blocks_file(&tar, "f", "text");
		if (*t == 'x')
			blocks_pax(&tar, 'x', "path=y");
		else
			blocks_extend(&tar, *t, "y", 1);
		assert_refused(&tar, ERR_INVALID, "cut short");
		blocks_end(&tar);
		assert_refused(&tar, ERR_INVALID, "ends after an extension header");
	}
}

static void assert_pax_body(const char *body, size_t len, enum err_code code,
			    const char *says)
{
	auto_buf struct buf tar;

	buf_init(&tar, 4 << 20);
	blocks_extend(&tar, 'x', body, len);
	blocks_file(&tar, "f", "text");
	blocks_end(&tar);
	assert_refused(&tar, code, says);
}

static void malformed_pax_records_are_refused(void **state)
{
	static const char *const bodies[] = {
		"6 a=b",     "7 a=b\n",      "5 a=b\n",    "x a=b\n", "-6 a=b\n",
		"6 =ab\n",   "6 a-b\n",      " 6 a=b\n",   "0 a=b\n", "6\ta=b\n",
		"6 a=b\n\n", "6 a=b\n6 a=b", "4 a\n4 b\n", "6",       "99999 a=b\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		assert_pax_body(bodies[i], strlen(bodies[i]), ERR_INVALID, "malformed");
	assert_pax_body("6 a=b\n\0\0", 8, ERR_INVALID, "malformed");
	assert_pax_body("8 a\0b=c\n", 8, ERR_INVALID, "malformed");
	assert_pax_body("12 path=a\0b\n", 12, ERR_INVALID, "NUL");
	assert_pax_body("", 0, ERR_INVALID, "has no size");
}

static void names_hold_no_nul(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_extend(&tar, 'L', "a\0b", 3);
	blocks_file(&tar, "f", "text");
	blocks_end(&tar);
	assert_refused(&tar, ERR_INVALID, "NUL");
}

/* POSIX says that data follows, older tars that none does. This one is a tar in a tar. */
static void smuggled_entries_are_refused(void **state)
{
	struct tar_block b = blocks_header('1', "h", 1024);
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_pax(&tar, 'x', "mtime=1");
	blocks_file(&tar, "f", "text");
	memcpy(b.link, "f", 1);
	blocks_add(&tar, b);
	blocks_file(&tar, "smuggled", "text");
	blocks_file(&tar, "after", "text");
	blocks_end(&tar);
	assert_refused(&tar, ERR_INVALID, "two readers see different archives");
}

static void numbers_that_are_none_are_refused(void **state)
{
	static const struct {
		size_t at, len;
		const char *bytes, *says;
	} fields[] = {
		{124, 12, "0000000000x", "size"},
		{124, 12,
		 "\0"
		 "0000000005",
		 "size"},
		{124, 12, "-0000000001", "size"},
		{124, 12, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "size"},
		{124, 12, "\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "size"},
		{108, 8, "abcdefg", "owner"},
		{108, 8, "\xff\xff\xff\xff\xff\xff\xff\xfe", "32 bits"},
		{116, 8, "\x80\0\0\x01\0\0\0\0", "32 bits"},
		{136, 5, "then", "time"},
		{100, 8, "rw-r--r-", "mode"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct tar_block b = blocks_header('0', "f", 0);
		auto_buf struct buf tar;

		buf_init(&tar, 1 << 20);
		memcpy((char *)&b + fields[i].at, fields[i].bytes, fields[i].len);
		blocks_add(&tar, b);
		blocks_end(&tar);
		assert_refused(&tar, ERR_INVALID, fields[i].says);
	}
}

static void what_is_no_tar_is_refused(void **state)
{
	struct tar_block odd = blocks_header('0', "f", 0);
	auto_buf struct buf empty, text, dialect;

	(void)state;
	buf_init(&empty, 16);
	assert_int_equal(buf_reserve(&empty, 1, NULL), 0);
	assert_refused(&empty, ERR_INVALID, "it is empty");
	buf_init(&text, 4096);
	assert_int_equal(buf_printf(&text, NULL, "%0600d", 1), 0);
	assert_refused(&text, ERR_INVALID, "no tar header");
	buf_init(&dialect, 4096);
	memcpy(odd.magic, "ustar!00", 8);
	memcpy(odd.prefix, "p", 1);
	blocks_add(&dialect, odd);
	assert_refused(&dialect, ERR_INVALID, "dialect");
}

static void any_flipped_bit_of_a_header_is_found(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_file(&tar, "first", "content");
	blocks_file(&tar, "second", "content");
	blocks_end(&tar);
	for (size_t i = 1024; i < 1024 + TAR_BLOCK_SIZE; i++) {
		/* A sum may be spelled with blanks or zeros before it. */
		if (i - 1024 >= 148 && i - 1024 < 156)
			continue;
		tar.data[i] ^= 1u << (i % 8);
		assert_refused(&tar, ERR_INVALID, "no tar header");
		tar.data[i] ^= 1u << (i % 8);
	}
}

/* ---- limits ---- */

static void budgets_are_kept(void **state)
{
	struct tar_limits standard, limits;
	auto_buf struct buf tar;

	(void)state;
	tar_limits_default(&standard);
	buf_init(&tar, 1 << 20);
	for (int i = 0; i < 10; i++)
		blocks_file(&tar, "f", "text");
	blocks_end(&tar);
	limits = standard;
	limits.entries = 10;
	assert_limit(&tar, &limits, 0);
	limits.entries = 9;
	assert_limit(&tar, &limits, -ERR_LIMIT);
	limits = standard;
	limits.bytes = tar.len;
	assert_limit(&tar, &limits, 0);
	limits.bytes--;
	assert_limit(&tar, &limits, -ERR_LIMIT);
}

static void names_are_bounded(void **state)
{
	char name[6000], path[6000];
	struct tar_limits limits;

	(void)state;
	tar_limits_default(&limits);
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 200 == 199 ? '/' : 'p';
	memset(name, 'n', sizeof(name));
	for (size_t len = 254; len < 258; len++) {
		auto_buf struct buf tar;

		buf_init(&tar, 1 << 20);
		blocks_extend(&tar, 'L', name, len);
		blocks_file(&tar, "f", "text");
		assert_limit(&tar, &limits, len <= 255 ? 0 : -ERR_LIMIT);
	}
	for (size_t len = 4095; len < 4098; len++) {
		auto_buf struct buf tar;

		buf_init(&tar, 1 << 20);
		blocks_extend(&tar, 'L', path, len);
		blocks_file(&tar, "f", "text");
		assert_limit(&tar, &limits, len <= 4096 ? 0 : -ERR_LIMIT);
	}
}

static void header_bombs_are_refused(void **state)
{
	auto_buf struct buf record, tar, many;
	struct tar_block b = blocks_header('x', "x", 1ull << 32);
	struct tar_limits limits;

	(void)state;
	tar_limits_default(&limits);
	buf_init(&tar, 4096);
	blocks_add(&tar, b);
	assert_limit(&tar, &limits, -ERR_LIMIT);

	buf_init(&record, 2 << 20);
	buf_init(&many, 4 << 20);
	assert_int_equal(buf_append_zeros(&record, 900000, NULL), 0);
	memset(record.data, 'v', record.len);
	for (int i = 0; i < 2; i++) {
		auto_buf struct buf body;

		buf_init(&body, 2 << 20);
		blocks_record(&body, "SCHILY.xattr.user.big", record.data,
			      i ? 999990 - 30 : 900000);
		assert_int_equal(buf_append_zeros(&record, 200000, NULL), 0);
		buf_clear(&many);
		blocks_extend(&many, 'x', body.data, body.len);
		blocks_file(&many, "f", "");
		assert_limit(&many, &limits, 0);
		limits.pax_record = 500000;
		assert_limit(&many, &limits, -ERR_LIMIT);
		tar_limits_default(&limits);
	}
	buf_clear(&many);
	for (int i = 0; i < 17; i++)
		blocks_pax(&many, 'g', "comment=x");
	blocks_file(&many, "f", "");
	assert_limit(&many, &limits, -ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_flipped_bit_of_a_header_is_found),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(global_headers_name_no_entry),
		cmocka_unit_test(extensions_come_once_and_before_an_entry),
		cmocka_unit_test(malformed_pax_records_are_refused),
		cmocka_unit_test(names_hold_no_nul),
		cmocka_unit_test(smuggled_entries_are_refused),
		cmocka_unit_test(numbers_that_are_none_are_refused),
		cmocka_unit_test(what_is_no_tar_is_refused),
		cmocka_unit_test(budgets_are_kept),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(header_bombs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

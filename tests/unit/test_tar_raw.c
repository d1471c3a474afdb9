/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the raw block scanner: spans, offsets, pieces of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>

#include "store/base/io.h"
#include "store/tar_raw.h"
#include "tests/unit/tar_blocks.h"

#define ZOO "tests/golden/tar"

/* What came out: the bytes again, the entries as text, the payload's places. */
struct seen {
	struct buf bytes, entries, places;
	uint64_t count;
};

static int on_entry(void *arg, const struct tar_raw_entry *e, struct err *err)
{
	struct seen *s = arg;

	assert_int_equal(e->ordinal, s->count);
	assert_int_equal(strlen(e->path), e->path_len);
	assert_int_equal(strlen(e->link), e->link_len);
	s->count++;
	return buf_printf(
		&s->entries, err, "%c %s>%s @%llu+%llu/%llu/%llu=%llu%s\n",
		e->typeflag ? e->typeflag : '-', e->path, e->link,
		(unsigned long long)e->start, (unsigned long long)(e->payload - e->start),
		(unsigned long long)e->payload_size, (unsigned long long)e->map_size,
		(unsigned long long)e->size, e->sparse ? " sparse" : "");
}

static int on_literal(void *arg, const void *data, size_t len, struct err *err)
{
	assert_true(len > 0);
	return buf_append(&((struct seen *)arg)->bytes, data, len, err);
}

static int on_payload(void *arg, uint64_t ordinal, uint64_t off, const void *data,
		      size_t len, struct err *err)
{
	struct seen *s = arg;

	assert_true(len > 0);
	assert_int_equal(ordinal, s->count - 1);
	/* Every byte's place, so that pieces do not matter. */
	for (uint64_t i = 0; i < len; i++)
		if (buf_append_le64(&s->places, off + i, err) < 0)
			return -ERR_NOMEM;
	return buf_append(&s->bytes, data, len, err);
}

static void seen_init(struct seen *s)
{
	buf_init(&s->bytes, 64 << 20);
	buf_init(&s->entries, 1 << 20);
	buf_init(&s->places, 64 << 20);
	s->count = 0;
}

static void seen_release(struct seen *s)
{
	buf_release(&s->bytes);
	buf_release(&s->entries);
	buf_release(&s->places);
}

static int scan(const struct buf *tar, size_t piece, struct seen *s, struct err *err)
{
	const struct tar_raw_sink sink = {on_entry, on_literal, on_payload, s};
	auto_tar_raw struct tar_raw *t = NULL;
	struct tar_limits limits;
	int r;

	tar_limits_default(&limits);
	limits.file_bytes = UINT64_MAX;
	r = tar_raw_new(&limits, &sink, &t, err);
	for (size_t at = 0; r == 0 && at < tar->len; at += piece)
		r = tar_raw_push(t, tar->data + at,
				 piece < tar->len - at ? piece : tar->len - at, err);
	return r < 0 ? r : tar_raw_finish(t, err);
}

static void assert_entries(const struct buf *tar, const char *expected)
{
	struct err err = {0};
	struct seen s;

	seen_init(&s);
	if (scan(tar, 4096, &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(buf_append_u8(&s.entries, 0, NULL), 0);
	assert_string_equal((const char *)s.entries.data, expected);
	seen_release(&s);
}

static void assert_pieces_do_not_matter(const struct buf *tar)
{
	static const size_t pieces[] = {511, 512, 513, 7, 1};
	struct seen whole, parts;
	struct err err = {0};

	seen_init(&whole);
	if (scan(tar, SIZE_MAX, &whole, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(whole.bytes.len, tar->len);
	assert_memory_equal(whole.bytes.data, tar->data, tar->len);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		seen_init(&parts);
		assert_int_equal(scan(tar, pieces[i], &parts, &err), 0);
		assert_int_equal(parts.bytes.len, tar->len);
		assert_memory_equal(parts.bytes.data, tar->data, tar->len);
		assert_int_equal(parts.entries.len, whole.entries.len);
		if (whole.entries.len)
			assert_memory_equal(parts.entries.data, whole.entries.data,
					    whole.entries.len);
		assert_int_equal(parts.places.len, whole.places.len);
		if (whole.places.len)
			assert_memory_equal(parts.places.data, whole.places.data,
					    whole.places.len);
		seen_release(&parts);
	}
	seen_release(&whole);
}

/* ---- tests ---- */

static void the_same_comes_out_whatever_the_pieces(void **state)
{
	DIR *zoo = opendir(ZOO);
	const struct dirent *e;

	(void)state;
	assert_non_null(zoo);
	while ((e = readdir(zoo))) {
		const char *dot = strrchr(e->d_name, '.');
		auto_buf struct buf tar;

		buf_init(&tar, 64 << 20);
		if (!dot || strcmp(dot, ".tar") != 0)
			continue;
		assert_int_equal(io_read_file(dirfd(zoo), e->d_name, &tar, NULL), 0);
		assert_pieces_do_not_matter(&tar);
	}
	closedir(zoo);
}

static void entries_begin_at_their_first_extension(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_file(&tar, "a", "content");
	blocks_extend(&tar, 'L', "long/name", 10);
	blocks_pax(&tar, 'x', "mtime=1.5\nlinkpath=there");
	blocks_entry(&tar, '2', "short", "here");
	blocks_pax(&tar, 'g', "comment=x");
	blocks_entry(&tar, '5', "d/", "");
	blocks_end(&tar);
	assert_entries(&tar, "0 a> @0+512/7/0=7\n"
			     "2 long/name>there @1024+2560/0/0=0\n"
			     "5 d/> @3584+1536/0/0=0\n");
}

static void the_prefix_stands_before_the_name_in_ustar_only(void **state)
{
	struct tar_block ustar = blocks_header('0', "n", 0), old = ustar;
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	memcpy(ustar.prefix, "some/prefix", 11);
	blocks_add(&tar, ustar);
	memset(ustar.prefix, 'p', sizeof(ustar.prefix));
	ustar.prefix[154] = '/';
	blocks_add(&tar, ustar);
	memcpy(old.prefix, "x", 1);
	memset(old.magic, 0, sizeof(old.magic));
	blocks_add(&tar, old);
	tar.len -= TAR_BLOCK_SIZE;
	assert_entries(&tar,
		       "0 some/prefix/n> @0+512/0/0=0\n"
		       "0 pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
		       "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
		       "pppppppppppppppppppppppppppppp/n> @512+512/0/0=0\n");
	tar.len += TAR_BLOCK_SIZE;
	memmove(tar.data, tar.data + 1024, TAR_BLOCK_SIZE);
	tar.len = TAR_BLOCK_SIZE;
	assert_entries(&tar, "0 n> @0+512/0/0=0\n");
}

static void signed_checksums_count(void **state)
{
	struct tar_block b = blocks_header('0', "caf\xe9", 0);
	auto_buf struct buf tar;
	unsigned sum;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_seal(&b);
	sum = (unsigned)strtoul(b.checksum, NULL, 8) - 256;
	blocks_octal(b.checksum, 7, sum);
	blocks_put(&tar, &b, sizeof(b));
	assert_entries(&tar, "0 caf\xe9> @0+512/0/0=0\n");
}

/* Five extents in the header and one extension block. */
static void old_sparse(struct buf *tar)
{
	struct tar_block b = blocks_gnu('S', "s", 5);
	struct tar_extension x = {.extended = 0};

	for (int i = 0; i < 4; i++) {
		blocks_octal(b.gnu.extents[i].off, 12, 1000 * (uint64_t)i);
		memcpy(b.gnu.extents[i].len, "00000000001", 12);
	}
	b.gnu.extended = 1;
	memcpy(b.gnu.realsize, "00000100000", 12);
	blocks_octal(x.extents[0].off, 12, 9000);
	memcpy(x.extents[0].len, "00000000001", 12);
	blocks_octal(x.extents[1].off, 12, 0100000);
	memcpy(x.extents[1].len, "00000000000", 12);
	blocks_add(tar, b);
	blocks_put(tar, &x, sizeof(x));
	blocks_put(tar, "12345", 5);
	blocks_end(tar);
}

static void payload_of_sparse_files_knows_its_place(void **state)
{
	static const uint64_t places[] = {0, 1000, 2000, 3000, 9000};
	struct err err = {0};
	auto_buf struct buf tar;
	struct seen s;

	(void)state;
	buf_init(&tar, 1 << 20);
	old_sparse(&tar);
	assert_entries(&tar, "S s> @0+1024/5/0=32768 sparse\n");
	seen_init(&s);
	assert_int_equal(scan(&tar, 100, &s, &err), 0);
	assert_int_equal(s.places.len, sizeof(places));
	assert_memory_equal(s.places.data, places, sizeof(places));
	seen_release(&s);
}

static void a_sparse_map_in_the_data_is_literal(void **state)
{
	struct err err = {0};
	auto_buf struct buf tar, body;
	uint64_t places[] = {7, 8, 9};
	struct seen s;

	(void)state;
	buf_init(&tar, 1 << 20);
	buf_init(&body, 4096);
	blocks_pax(&tar, 'x',
		   "GNU.sparse.major=1\nGNU.sparse.minor=0\nGNU.sparse.name=real\n"
		   "GNU.sparse.realsize=100");
	blocks_put(&body, "2\n7\n3\n100\n0\n", 12);
	assert_int_equal(buf_append(&body, "abc", 3, NULL), 0);
	blocks_add(&tar, blocks_header('0', "odd", body.len));
	blocks_put(&tar, body.data, body.len);
	assert_entries(&tar, "0 real> @0+1536/515/512=100 sparse\n");
	seen_init(&s);
	assert_int_equal(scan(&tar, 100, &s, &err), 0);
	assert_int_equal(s.places.len, sizeof(places));
	assert_memory_equal(s.places.data, places, sizeof(places));
	seen_release(&s);
}

static void a_hardlink_has_content_if_no_header_follows(void **state)
{
	struct tar_block b = blocks_header('1', "h", 1000);
	auto_buf struct buf with, without;
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(b.link, "f", 1);
	buf_init(&with, 1 << 20);
	blocks_add(&with, b);
	blocks_put(&with, text, sizeof(text));
	blocks_file(&with, "next", "");
	assert_entries(&with, "1 h>f @0+512/1000/0=0\n0 next> @1536+512/0/0=0\n");
	buf_init(&without, 1 << 20);
	blocks_add(&without, b);
	blocks_file(&without, "next", "");
	blocks_end(&without);
	assert_entries(&without, "1 h>f @0+512/0/0=0\n0 next> @512+512/0/0=0\n");
}

static void assert_end(size_t zeros, const char *behind, int expected)
{
	struct err err = {0};
	auto_buf struct buf tar;
	struct seen s;

	buf_init(&tar, 1 << 20);
	blocks_file(&tar, "f", "text");
	assert_int_equal(buf_append_zeros(&tar, zeros, NULL), 0);
	assert_int_equal(buf_append(&tar, behind, strlen(behind), NULL), 0);
	seen_init(&s);
	assert_int_equal(scan(&tar, 100, &s, &err), expected);
	if (expected == 0)
		assert_int_equal(s.bytes.len, tar.len);
	seen_release(&s);
}

static void archives_end_with_two_zero_blocks_or_with_the_file(void **state)
{
	(void)state;
	assert_end(0, "", 0);
	assert_end(512, "", 0);
	assert_end(700, "", 0);
	assert_end(1024, "", 0);
	assert_end(10240, "", 0);
	assert_end(1024, "anything goes behind the end", 0);
	assert_end(100, "", -ERR_INVALID);
	assert_end(512, "x", -ERR_INVALID);
	assert_end(1000, "x", -ERR_INVALID);
	assert_end(0, "x", -ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_comes_out_whatever_the_pieces),
		cmocka_unit_test(entries_begin_at_their_first_extension),
		cmocka_unit_test(the_prefix_stands_before_the_name_in_ustar_only),
		cmocka_unit_test(signed_checksums_count),
		cmocka_unit_test(payload_of_sparse_files_knows_its_place),
		cmocka_unit_test(a_sparse_map_in_the_data_is_literal),
		cmocka_unit_test(a_hardlink_has_content_if_no_header_follows),
		cmocka_unit_test(archives_end_with_two_zero_blocks_or_with_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

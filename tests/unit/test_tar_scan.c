/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the scan of layers: what is accepted and what comes out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>

#include "store/base/io.h"
#include "tests/unit/tar_seen.h"

#define ZOO "tests/golden/tar"

/* ---- the samples ---- */

typedef void sample_fn(const char *name, struct buf *tar, const struct buf *list);

static void each_sample(sample_fn *fn)
{
	DIR *zoo = opendir(ZOO);
	const struct dirent *e;
	unsigned count = 0;

	assert_non_null(zoo);
	while ((e = readdir(zoo))) {
		const char *dot = strrchr(e->d_name, '.');
		auto_buf struct buf tar, list;
		char text[NAME_MAX + 1];

		buf_init(&tar, 16 << 20);
		buf_init(&list, 1 << 20);
		if (!dot || strcmp(dot, ".tar") != 0)
			continue;
		snprintf(text, sizeof(text), "%.*s.txt", (int)(dot - e->d_name),
			 e->d_name);
		assert_int_equal(io_read_file(dirfd(zoo), e->d_name, &tar, NULL), 0);
		assert_int_equal(io_read_file(dirfd(zoo), text, &list, NULL), 0);
		assert_int_equal(buf_append_u8(&list, 0, NULL), 0);
		print_message("%s\n", e->d_name);
		fn(e->d_name, &tar, &list);
		count++;
	}
	closedir(zoo);
	assert_true(count > 30);
}

static void check_sample(const char *name, struct buf *tar, const struct buf *list)
{
	(void)name;
	assert_list(tar, (const char *)list->data);
}

static void samples_are_read_as_by_other_readers(void **state)
{
	(void)state;
	each_sample(check_sample);
}

/* A replay of a recipe: payload is zeros, and all but the content comes out the same. */
static void replay_sample(const char *name, struct buf *tar, const struct buf *list)
{
	struct seen first, again;
	struct tar_limits limits;
	struct err err = {0};

	(void)name;
	(void)list;
	tar_limits_default(&limits);
	seen_init(&first);
	assert_int_equal(scan_with(tar, &limits, true, &first, &err), 0);
	assert_int_equal(first.pieces, 0);
	seen_init(&again);
	assert_int_equal(scan_with(tar, &limits, true, &again, &err), 0);
	assert_int_equal(again.list.len, first.list.len);
	assert_int_equal(again.payload, first.payload);
	assert_int_equal(first.framed.len, tar->len);
	seen_release(&first);
	seen_release(&again);
}

static void samples_can_be_scanned_without_content(void **state)
{
	(void)state;
	each_sample(replay_sample);
}

struct starts {
	uint64_t at[256];
	size_t count;
};

/* Where the tar may be cut: where a header stands and no entry has begun. */
static void find_starts(const struct buf *tar, struct starts *ret)
{
	bool extended = false;
	uint64_t at = 0;

	ret->count = 0;
	while (at + TAR_BLOCK_SIZE <= tar->len && !tar_block_is_zero(tar->data + at)) {
		const struct tar_block *b = (const void *)(tar->data + at);
		uint64_t size = strtoull(b->size, NULL, 8);

		if (!extended)
			ret->at[ret->count++] = at;
		extended = strchr("xLK", b->type) && b->type;
		at += TAR_BLOCK_SIZE;
		if (extended || b->type == '0' || b->type == '\0')
			at += size + tar_write_padding(size);
	}
	while (at <= tar->len && ret->count < 256) {
		ret->at[ret->count++] = at;
		at += TAR_BLOCK_SIZE;
	}
}

static void cut_sample(const char *name, struct buf *tar, const struct buf *list)
{
	struct starts starts;

	(void)list;
	/* Their framing is not that simple. */
	if (strstr(name, "hand-") || strstr(name, "sparse") || strstr(name, "base256") ||
	    strstr(name, "git"))
		return;
	find_starts(tar, &starts);
	for (size_t len = TAR_BLOCK_SIZE, i = 1; len < tar->len; len += TAR_BLOCK_SIZE) {
		struct buf part = {.data = tar->data, .len = len};
		struct err err = {0};
		bool whole = false;
		struct seen s;
		int r;

		while (i < starts.count && starts.at[i] < len)
			i++;
		whole = i < starts.count && starts.at[i] == len;
		seen_init(&s);
		r = scan(&part, &s, &err);
		if (r != (whole ? 0 : -ERR_INVALID))
			fail_msg("cut at %zu: %s", len, r ? err.msg : "accepted");
		seen_release(&s);
	}
}

static void cut_archives_are_refused(void **state)
{
	(void)state;
	each_sample(cut_sample);
}

/* ---- what comes out ---- */

static void a_small_file_comes_in_one_piece(void **state)
{
	struct err err = {0};
	auto_buf struct buf tar;
	struct seen s;

	(void)state;
	buf_init(&tar, 1 << 20);
	for (int i = 0; i < 100; i++)
		blocks_file(&tar, "f", "some bytes of content");
	blocks_end(&tar);
	seen_init(&s);
	assert_int_equal(scan(&tar, &s, &err), 0);
	assert_int_equal(s.pieces, 100);
	seen_release(&s);
}

static void files_larger_than_a_buffer_come_whole(void **state)
{
	auto_buf struct buf tar, content;
	struct err err = {0};
	struct seen s;

	(void)state;
	buf_init(&tar, 8 << 20);
	buf_init(&content, 4 << 20);
	for (uint32_t i = 0; i < 250001; i++)
		assert_int_equal(buf_append_le32(&content, i * 2654435761u, NULL), 0);
	for (int i = 0; i < 3; i++) {
		blocks_add(&tar, blocks_header('0', "big", content.len));
		blocks_put(&tar, content.data, content.len);
	}
	blocks_end(&tar);
	seen_init(&s);
	assert_int_equal(scan(&tar, &s, &err), 0);
	assert_int_equal(s.entries, 3);
	assert_int_equal(s.content.len, content.len);
	assert_memory_equal(s.content.data, content.data, content.len);
	assert_int_equal(s.framed.len, tar.len);
	assert_memory_equal(s.framed.data, tar.data, tar.len);
	seen_release(&s);
}

static void names_are_bytes_in_any_locale(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_pax(&tar, 'x', "path=e\xcc\x81\xff/");
	blocks_entry(&tar, '0', "x", "");
	blocks_pax(&tar, 'x', "path=\xe9\nlinkpath=e\xcc\x81");
	blocks_entry(&tar, '2', "x", "y");
	blocks_pax(&tar, 'x', "hdrcharset=BINARY\npath=\xe8");
	blocks_entry(&tar, '5', "x", "");
	blocks_end(&tar);
	assert_list(&tar, "dir 644 0 0 1 0 e\\xcc\\x81\\xff\n"
			  "symlink 644 0 0 1 0 \\xe9 -> e\\xcc\\x81\n"
			  "dir 644 0 0 1 0 \\xe8\n");
}

static void an_acl_of_unknown_names_is_left_out(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_pax(
		&tar, 'x',
		"SCHILY.acl.access=user::rw-,user:joe:rwx,group::r--,mask::rwx,other::---");
	blocks_entry(&tar, '5', "d", "");
	blocks_pax(&tar, 'x', "SCHILY.acl.access=user::rw-,group::r--,other::r--");
	blocks_entry(&tar, '5', "e", "");
	blocks_end(&tar);
	assert_list(&tar, "dir 644 0 0 1 0 d\ndir 644 0 0 1 0 e\n");
}

static void an_attribute_spelled_twice_is_one(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	blocks_pax(&tar, 'x',
		   "SCHILY.xattr.user.b=x\nLIBARCHIVE.xattr.user.b=eA==\n"
		   "LIBARCHIVE.xattr.user.a%3D=eQ");
	blocks_entry(&tar, '5', "d", "");
	blocks_end(&tar);
	assert_list(&tar, "dir 644 0 0 1 0 d user.a==79 user.b=78\n");
}

static int fail_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
		     struct err *err)
{
	(void)s;
	(void)data;
	(void)cap;
	(void)ret_len;
	return err_set(err, ERR_CANCELED, "stopped");
}

static int fail_literal(void *arg, const void *data, size_t len, struct err *err)
{
	(void)arg;
	(void)data;
	(void)len;
	return err_set(err, ERR_BUSY, "not now");
}

static void what_the_stream_and_the_sink_return_comes_back(void **state)
{
	struct stream broken = {.read = fail_read}, *in = NULL;
	struct tar_sink sink = {.entry = on_entry, .entry_end = on_entry_end};
	struct tar_limits limits;
	struct tar_result result;
	struct err err = {0};
	auto_buf struct buf tar;
	struct seen s;

	(void)state;
	seen_init(&s);
	sink.arg = &s;
	tar_limits_default(&limits);
	assert_int_equal(tar_scan(&broken, &limits, true, &sink, NULL, &result, &err),
			 -ERR_CANCELED);
	assert_string_equal(err.msg, "stopped");
	buf_init(&tar, 4096);
	blocks_file(&tar, "f", "text");
	blocks_end(&tar);
	assert_int_equal(stream_from_bytes(tar.data, tar.len, &in, NULL), 0);
	sink.literal = fail_literal;
	assert_int_equal(tar_scan(in, &limits, true, &sink, NULL, &result, NULL),
			 -ERR_BUSY);
	stream_close(in);
	seen_release(&s);
}

/* A PAX 1.0 file of 1 EiB whose last byte is there. */
static void huge_sparse_files_cost_nothing(void **state)
{
	struct tar_limits limits;
	struct err err = {0};
	auto_buf struct buf tar;
	struct seen s;

	(void)state;
	tar_limits_default(&limits);
	buf_init(&tar, 1 << 20);
	blocks_pax(&tar, 'x', SPARSE_1 "GNU.sparse.realsize=1152921504606846976");
	blocks_add(&tar, blocks_header('0', "f", 513));
	blocks_put(&tar, "1\n1152921504606846975\n1\n", 24);
	blocks_put(&tar, "x", 1);
	blocks_end(&tar);
	assert_limit(&tar, &limits, -ERR_LIMIT);
	limits.file_bytes = UINT64_MAX;
	seen_init(&s);
	if (scan_with(&tar, &limits, false, &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(s.pieces, 1);
	assert_int_equal(s.payload, 1);
	assert_int_equal(s.told, 1ull << 60);
	seen_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_read_as_by_other_readers),
		cmocka_unit_test(samples_can_be_scanned_without_content),
		cmocka_unit_test(cut_archives_are_refused),
		cmocka_unit_test(huge_sparse_files_cost_nothing),
		cmocka_unit_test(a_small_file_comes_in_one_piece),
		cmocka_unit_test(files_larger_than_a_buffer_come_whole),
		cmocka_unit_test(names_are_bytes_in_any_locale),
		cmocka_unit_test(an_acl_of_unknown_names_is_left_out),
		cmocka_unit_test(an_attribute_spelled_twice_is_one),
		cmocka_unit_test(what_the_stream_and_the_sink_return_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

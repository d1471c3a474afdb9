/* SPDX-License-Identifier: Apache-2.0
 * tools/chunked/stargz_write: eStargz blobs out of tars, read back by the reader of parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "store/chunk.h"
#include "store/layer.h"
#include "tests/unit/chunked_fixture.h"
#include "tests/unit/scratch_store.h"
#include "tests/unit/tar_fixture.h"
#include "tools/chunked/stargz_end.h"
#include "tools/chunked/stargz_footer.h"
#include "tools/chunked/stargz_read.h"
#include "tools/chunked/stargz_write.h"

struct made {
	struct buf blob, tar; /* TAR: what the blob decompresses to */
	struct descriptor desc;
	struct digest diffid;
	const char *why;
};

static void made_release(struct made *m)
{
	buf_release(&m->blob);
	buf_release(&m->tar);
}

#define auto_made __attribute__((cleanup(made_release)))

static void inflate(const struct buf *blob, struct buf *ret)
{
	enum inflate_kind kind;
	struct stream *in;

	assert_int_equal(stream_from_bytes(blob->data, blob->len, &in, NULL), 0);
	assert_int_equal(inflate_open(in, false, &kind, &in, NULL), 0);
	assert_int_equal(kind, INFLATE_GZIP);
	assert_int_equal(fixture_read_all(in, 65536, ret, NULL), 0);
	stream_close(in);
}

static void make(const struct buf *tar, unsigned threads, struct made *ret)
{
	auto_stargz_write struct stargz_write *w = NULL;
	struct digest is;
	struct stream *in;

	*ret = (struct made){0};
	buf_init(&ret->blob, FIXTURE_MAX);
	buf_init(&ret->tar, FIXTURE_MAX);
	assert_int_equal(stream_from_bytes(tar->data, tar->len, &in, NULL), 0);
	assert_int_equal(stargz_write_open(in, 0, threads, &w, NULL), 0);
	assert_int_equal(fixture_read_all(stargz_write_stream(w), 4096, &ret->blob, NULL),
			 0);
	stream_close(in);
	ret->desc.stargz = *stargz_write_toc(w, &ret->diffid, &ret->why);
	ret->desc.size = ret->blob.len;
	ret->desc.kind = DESCRIPTOR_LAYER;
	inflate(&ret->blob, &ret->tar);
	digest_of(ret->tar.data, ret->tar.len, &is);
	assert_true(digest_equal(&is, &ret->diffid));
	if (ret->desc.stargz.given)
		assert_int_equal(ret->desc.stargz.size, ret->tar.len);
}

/* ---- tars ---- */

/* All kinds of entries, as far as headers go that a table tells. */
static void make_entries(struct buf *tar, bool changed)
{
	static uint8_t zeros[3 * CHUNK_MAX];

	chunked_fixture_entries(tar, changed);
	tar_fixture_file(tar, "a/zeros", zeros, 3 * CHUNK_MAX - 100);
	tar_fixture_header(tar, TAR_FIFO, "a/pipe", "", 0);
}

/* ---- the blob ---- */

static void entries_stay_and_a_landmark_and_a_table_follow(void **state)
{
	auto_made struct made one, four;
	uint64_t at = 0;
	size_t len, entries;
	struct buf tar;

	(void)state;
	make_entries(&tar, false);
	entries = tar.len;
	tar_fixture_end(&tar);
	assert_int_equal(buf_append_zeros(&tar, 700000, NULL), 0);
	make(&tar, 1, &one);
	assert_null(one.why);
	assert_true(one.desc.stargz.given);
	assert_true(one.tar.len > entries + 3 * TAR_BLOCK_SIZE);
	assert_memory_equal(one.tar.data, tar.data, entries);
	assert_string_equal((char *)one.tar.data + entries, STARGZ_END_LANDMARK);
	assert_int_equal(one.tar.data[entries + TAR_BLOCK_SIZE], STARGZ_END_MARK);
	assert_string_equal((char *)one.tar.data + entries + 2 * TAR_BLOCK_SIZE,
			    STARGZ_END_NAME);
	assert_true(stargz_footer_parse(one.blob.data, one.blob.len, &at, &len));
	assert_int_equal(len, STARGZ_FOOTER_MAX);
	assert_memory_equal(one.blob.data + at, "\x1f\x8b\x08", 3);

	make(&tar, 4, &four);
	assert_int_equal(four.blob.len, one.blob.len);
	assert_memory_equal(four.blob.data, one.blob.data, one.blob.len);
	buf_release(&tar);
}

static void a_table_from_before_is_replaced(void **state)
{
	auto_made struct made first, second, third;
	struct buf tar;

	(void)state;
	make_entries(&tar, false);
	tar_fixture_end(&tar);
	make(&tar, 2, &first);
	make(&first.tar, 2, &second);
	assert_true(second.desc.stargz.given);
	make(&second.tar, 2, &third);
	assert_int_equal(second.tar.len, third.tar.len);
	assert_memory_equal(second.tar.data, third.tar.data, third.tar.len);
	buf_release(&tar);
}

static void an_empty_tar_has_a_table_too(void **state)
{
	auto_made struct made m;
	struct buf tar;

	(void)state;
	buf_init(&tar, FIXTURE_MAX);
	tar_fixture_end(&tar);
	make(&tar, 2, &m);
	assert_true(m.desc.stargz.given);
	assert_string_equal((char *)m.tar.data, STARGZ_END_LANDMARK);
	buf_release(&tar);
}

/* ---- tars that cannot have one ---- */

static void expect_plain(const struct buf *tar, const char *why)
{
	auto_made struct made m;

	make(tar, 2, &m);
	assert_false(m.desc.stargz.given);
	assert_string_equal(m.why, why);
	assert_int_equal(m.tar.len, tar->len);
	assert_memory_equal(m.tar.data, tar->data, tar->len);
}

static void what_no_table_can_have_stays_the_very_tar(void **state)
{
	static uint8_t big[CHUNKED_FIXTURE_BIG];
	struct buf tar;

	(void)state;
	make_entries(&tar, false);
	tar_fixture_file(&tar, "./a/hello", "two", 3);
	tar_fixture_file(&tar, "b", big, sizeof(big));
	tar_fixture_end(&tar);
	expect_plain(&tar, "two entries of one name");
	tar.len = 0;
	tar_fixture_file(&tar, "a\xff", "one", 3);
	tar_fixture_end(&tar);
	expect_plain(&tar, "a name that is no UTF-8");
	tar.len = 0;
	tar_fixture_header(&tar, TAR_HARDLINK, "a", "b", 0);
	tar_fixture_file(&tar, "b", "later", 5);
	tar_fixture_end(&tar);
	expect_plain(&tar, "a hardlink to a file that it does not have");
	tar.len = 0;
	tar_fixture_file(&tar, "a", "one", 3);
	tar_fixture_end(&tar);
	assert_int_equal(buf_append_zeros(&tar, 100000, NULL), 0);
	assert_int_equal(buf_append(&tar, "behind", 6, NULL), 0);
	assert_int_equal(buf_append_zeros(&tar, 300000, NULL), 0);
	expect_plain(&tar, "bytes behind its end");
	buf_release(&tar);
}

static void an_entry_behind_a_table_is_an_error(void **state)
{
	auto_stargz_write struct stargz_write *w = NULL;
	auto_buf struct buf out;
	struct err e = {0};
	struct stream *in;
	struct buf tar;

	(void)state;
	buf_init(&out, FIXTURE_MAX);
	buf_init(&tar, FIXTURE_MAX);
	tar_fixture_file(&tar, STARGZ_END_NAME, "{}", 2);
	tar_fixture_file(&tar, "b", "more", 4);
	tar_fixture_end(&tar);
	assert_int_equal(stream_from_bytes(tar.data, tar.len, &in, NULL), 0);
	assert_int_equal(stargz_write_open(in, 0, 1, &w, NULL), 0);
	assert_int_equal(fixture_read_all(stargz_write_stream(w), 4096, &out, &e),
			 -ERR_INVALID);
	assert_non_null(strstr(e.msg, "an entry follows"));
	stream_close(in);
	buf_release(&tar);
}

/* ---- read in parts ---- */

static void remember(const struct buf *tar)
{
	struct session *s = NULL;
	struct stream *in;
	struct layer layer;

	assert_ok(stream_from_bytes(tar->data, tar->len, &in, err));
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(layer_ingest(s, in, "layer", NULL, NULL, NULL, NULL, &layer, err));
	layer_release(&layer);
	assert_ok(session_commit(s, err));
}

static void only_what_is_new_of_it_is_asked_for(void **state)
{
	struct stargz_read *r = NULL;
	struct chunked_source source = {.source = {.open_range = chunked_open_range}};
	auto_made struct made m;
	auto_buf struct buf back;
	struct buf tar;

	(void)state;
	make_entries(&tar, false);
	tar_fixture_end(&tar);
	remember(&tar);
	buf_release(&tar);
	make_entries(&tar, true);
	tar_fixture_end(&tar);
	make(&tar, 2, &m);
	source.bytes = &m.blob;
	buf_init(&back, FIXTURE_MAX);
	assert_ok(stargz_read_open(&source.source, &m.desc, scratch_objects, &r, err));
	assert_int_equal(fixture_read_all(stargz_read_stream(r), 3000, &back, NULL), 0);
	assert_int_equal(back.len, m.tar.len);
	assert_memory_equal(back.data, m.tar.data, back.len);
	/* Four files of 20,000 bytes, and of the large one a chunk or two. */
	assert_in_range(source.given, 80000, 80000 + 2 * CHUNK_MAX + 40000);
	stargz_read_close(r);
	buf_release(&tar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_stay_and_a_landmark_and_a_table_follow),
		cmocka_unit_test(a_table_from_before_is_replaced),
		cmocka_unit_test(an_empty_tar_has_a_table_too),
		cmocka_unit_test(what_no_table_can_have_stays_the_very_tar),
		cmocka_unit_test(an_entry_behind_a_table_is_an_error),
		cmocka_unit_test_setup_teardown(only_what_is_new_of_it_is_asked_for,
						scratch_store_setup,
						scratch_store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

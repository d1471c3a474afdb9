/* SPDX-License-Identifier: Apache-2.0
 * tools/chunked: zstd:chunked blobs out of tars, and tars out of parts of blobs. */
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
#include "tools/chunked/chunked_read.h"
#include "tools/chunked/toc_read.h"
#include "tools/layer_partial.h"

/* ---- tars ---- */

/* With more zeros behind its end than a tar needs. */
static void make_tar(struct buf *tar, bool changed)
{
	chunked_fixture_entries(tar, changed);
	tar_fixture_end(tar);
	assert_int_equal(buf_append_zeros(tar, 4096 + 17, NULL), 0);
}

static void expect_same(const struct buf *a, const struct buf *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, a->len);
}

/* ---- writing ---- */

static void the_blob_is_the_tar_compressed(void **state)
{
	struct chunked_blob blob, four;
	enum inflate_kind kind;
	struct buf tar, back;
	struct stream *in;

	(void)state;
	make_tar(&tar, false);
	chunked_make(&tar, 0, 1, &blob);
	assert_true(blob.desc.toc.given);
	buf_init(&back, FIXTURE_MAX);
	assert_int_equal(stream_from_bytes(blob.bytes.data, blob.bytes.len, &in, NULL),
			 0);
	assert_int_equal(inflate_open(in, false, &kind, &in, NULL), 0);
	assert_int_equal(kind, INFLATE_ZSTD);
	assert_int_equal(fixture_read_all(in, 65536, &back, NULL), 0);
	stream_close(in);
	expect_same(&back, &tar);

	chunked_make(&tar, 0, 4, &four);
	expect_same(&blob.bytes, &four.bytes);
	buf_release(&four.bytes);
	buf_release(&blob.bytes);
	buf_release(&back);
	buf_release(&tar);
}

static void the_table_lists_every_entry_with_its_chunks(void **state)
{
	struct toc_read *toc = NULL;
	const struct toc_entry *e;
	struct chunked_blob blob;
	struct digest digest;
	unsigned count = 0;
	struct buf tar;

	(void)state;
	make_tar(&tar, false);
	chunked_make(&tar, 0, 2, &blob);
	assert_ok(toc_read_open(blob.bytes.data + blob.desc.toc.at, blob.desc.toc.len,
				blob.desc.toc.size, blob.desc.toc.at, &toc, err));
	for (;;) {
		assert_ok(toc_read_next(toc, &e, err));
		if (!e)
			break;
		count++;
		if (strcmp(e->name, "a/hello") == 0) {
			digest_of("hello\n", 6, &digest);
			assert_int_equal(e->count, 1);
			assert_true(digest_equal(&e->digest, &digest));
			assert_true(digest_equal(&e->chunks[0].digest, &digest));
		}
		if (strcmp(e->name, "a/big") == 0)
			assert_true(e->count >= CHUNKED_FIXTURE_BIG / CHUNK_MAX);
		if (strcmp(e->name, "a/empty") == 0)
			assert_int_equal(e->count, 0);
	}
	assert_int_equal(count, 46);
	toc_read_close(toc);
	/* The footer, for those who have no manifest. */
	assert_memory_equal(blob.bytes.data + blob.bytes.len - 8, "GNUlInUx", 8);
	assert_int_equal(get_le64(blob.bytes.data + blob.bytes.len - 64),
			 blob.desc.toc.at);
	buf_release(&blob.bytes);
	buf_release(&tar);
}

static void expect_plain(struct buf *tar, const char *why)
{
	struct chunked_blob blob;
	enum inflate_kind kind;
	struct stream *in;
	auto_buf struct buf back;

	chunked_make(tar, 0, 2, &blob);
	assert_false(blob.desc.toc.given);
	assert_string_equal(blob.why, why);
	buf_init(&back, FIXTURE_MAX);
	assert_int_equal(stream_from_bytes(blob.bytes.data, blob.bytes.len, &in, NULL),
			 0);
	assert_int_equal(inflate_open(in, false, &kind, &in, NULL), 0);
	assert_int_equal(fixture_read_all(in, 65536, &back, NULL), 0);
	stream_close(in);
	expect_same(&back, tar);
	buf_release(&blob.bytes);
}

static void what_no_table_can_have_becomes_plain_zstd(void **state)
{
	struct buf tar;

	(void)state;
	make_tar(&tar, false);
	tar.len = 0;
	tar_fixture_file(&tar, "a", "one", 3);
	tar_fixture_file(&tar, "./a", "two", 3);
	tar_fixture_file(&tar, "b", "more", 4);
	tar_fixture_end(&tar);
	expect_plain(&tar, "two entries of one name");
	tar.len = 0;
	tar_fixture_file(&tar, "a\xff", "one", 3);
	tar_fixture_file(&tar, "b", "more", 4);
	tar_fixture_end(&tar);
	expect_plain(&tar, "a name that is no UTF-8");
	buf_release(&tar);
}

/* ---- reading ---- */

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

static void only_what_is_new_is_asked_for(void **state)
{
	struct chunked_read *r = NULL;
	struct chunked_source source;
	struct chunked_blob blob;
	struct buf tar, changed, back;

	(void)state;
	make_tar(&tar, false);
	remember(&tar);
	make_tar(&changed, true);
	chunked_make(&changed, 0, 2, &blob);
	source = chunked_source(&blob);
	buf_init(&back, FIXTURE_MAX);
	assert_ok(
		chunked_read_open(&source.source, &blob.desc, scratch_objects, &r, err));
	assert_int_equal(fixture_read_all(chunked_read_stream(r), 3000, &back, NULL), 0);
	expect_same(&back, &changed);
	/* Four files of 20,000 bytes, and of the large one a chunk or two. */
	assert_in_range(source.given, 80000, 80000 + 2 * CHUNK_MAX + 40000);
	assert_int_equal(source.given, chunked_read_bytes(r));
	assert_true(source.given < blob.bytes.len / 2);
	chunked_read_close(r);
	buf_release(&back);
	buf_release(&blob.bytes);
	buf_release(&changed);
	buf_release(&tar);
}

static void a_blob_that_is_new_is_better_read_whole(void **state)
{
	struct chunked_read *r = NULL;
	struct chunked_source source;
	struct chunked_blob blob;
	struct buf tar;

	(void)state;
	make_tar(&tar, false);
	chunked_make(&tar, 0, 2, &blob);
	source = chunked_source(&blob);
	assert_int_equal(
		chunked_read_open(&source.source, &blob.desc, scratch_objects, &r, NULL),
		-ERR_LIMIT);
	assert_int_equal(source.requests, 1);
	buf_release(&blob.bytes);
	buf_release(&tar);
}

static int no_progress(void *arg, uint64_t compressed, struct err *err)
{
	(void)arg;
	(void)compressed;
	(void)err;
	return 0;
}

/* Ingests the parts of BLOB, whose tar is said to be DIFFID. */
static int ingest(const struct chunked_blob *blob, struct chunked_source *source,
		  const struct digest *diffid, struct err *err)
{
	struct layer_partial p = {&source->source, &blob->desc, *diffid,
				  no_progress,     NULL,        0};
	struct session *s = NULL;
	struct layer layer;
	int rc;

	assert_int_equal(session_begin(scratch_store, NULL, &s, NULL), 0);
	rc = layer_partial_ingest(s, &p, "layer", &layer, err);
	if (rc) {
		session_abort(s);
		return rc;
	}
	layer_release(&layer);
	return session_commit(s, err);
}

static void every_flipped_byte_is_found(void **state)
{
	struct digest diffid;
	struct buf tar, changed;
	struct chunked_blob blob;
	unsigned found = 0;

	(void)state;
	make_tar(&tar, false);
	remember(&tar);
	make_tar(&changed, true);
	digest_of(changed.data, changed.len, &diffid);
	chunked_make(&changed, 0, 2, &blob);
	/* From the end, where table and tar-split are; parts that are not asked for do no harm,
	 * and then the layer is there. */
	for (size_t at = blob.bytes.len - 80; at > 100; at -= 97) {
		struct chunked_source source = chunked_source(&blob);
		struct err err = {0};
		int rc;

		blob.bytes.data[at] ^= 0x40;
		rc = ingest(&blob, &source, &diffid, &err);
		if (rc && rc != -ERR_INVALID && rc != -ERR_LIMIT)
			fail_msg("byte %zu: %d, %s", at, rc, err.msg);
		blob.bytes.data[at] ^= 0x40;
		if (!rc)
			break;
		found++;
	}
	assert_in_range(found, 20, 1000);
	buf_release(&blob.bytes);
	buf_release(&changed);
	buf_release(&tar);
}

static void a_layer_in_parts_is_the_layer(void **state)
{
	struct digest diffid, wrong = {{1}};
	struct buf tar, changed, back;
	struct chunked_source source;
	struct chunked_blob blob;
	struct record_blob record;
	struct catalog_txn *t = NULL;
	struct stream *in = NULL;
	struct err why = {0};

	(void)state;
	make_tar(&tar, false);
	remember(&tar);
	make_tar(&changed, true);
	digest_of(changed.data, changed.len, &diffid);
	chunked_make(&changed, 0, 2, &blob);
	source = chunked_source(&blob);
	assert_int_equal(ingest(&blob, &source, &wrong, &why), -ERR_INVALID);
	source.refuses = true;
	assert_int_equal(ingest(&blob, &source, &diffid, &why), -ERR_FAILED);
	source.refuses = false;
	assert_ok(ingest(&blob, &source, &diffid, err));
	buf_init(&back, FIXTURE_MAX);
	assert_ok(layer_open(scratch_store, scratch_objects, &diffid, &in, NULL, err));
	assert_int_equal(fixture_read_all(in, 65536, &back, NULL), 0);
	stream_close(in);
	expect_same(&back, &changed);
	/* Nobody has seen the blob. */
	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	assert_int_equal(catalog_blob_get(t, &blob.desc.digest, &record, NULL),
			 -ERR_NOTFOUND);
	catalog_abort(t);
	buf_release(&back);
	buf_release(&blob.bytes);
	buf_release(&changed);
	buf_release(&tar);
}

static void a_table_must_lie_in_the_blob(void **state)
{
	struct chunked_blob blob;
	struct buf tar;

	(void)state;
	make_tar(&tar, false);
	remember(&tar);
	chunked_make(&tar, 0, 2, &blob);
	for (unsigned i = 0; i < 8; i++) {
		struct chunked_source source = chunked_source(&blob);
		struct descriptor d = blob.desc;
		struct chunked_read *r = NULL;
		uint64_t *const fields[] = {&d.toc.at, &d.toc.len, &d.toc.split_at,
					    &d.toc.split_len};

		*fields[i / 2] = i % 2 ? UINT64_MAX - 10 : blob.bytes.len - 3;
		assert_int_equal(
			chunked_read_open(&source.source, &d, scratch_objects, &r, NULL),
			-ERR_INVALID);
	}
	buf_release(&blob.bytes);
	buf_release(&tar);
}

#define t(x) \
	cmocka_unit_test_setup_teardown(x, scratch_store_setup, scratch_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		t(the_blob_is_the_tar_compressed),
		t(the_table_lists_every_entry_with_its_chunks),
		t(what_no_table_can_have_becomes_plain_zstd),
		t(only_what_is_new_is_asked_for),
		t(a_blob_that_is_new_is_better_read_whole),
		t(every_flipped_byte_is_found),
		t(a_layer_in_parts_is_the_layer),
		t(a_table_must_lie_in_the_blob),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

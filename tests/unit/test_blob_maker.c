/* SPDX-License-Identifier: Apache-2.0
 * Blobs that are made again for who asks, and only given out whole if they are right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/deflate.h"
#include "store/layer.h"
#include "store/tar_write.h"
#include "tests/unit/encoding_fixture.h"
#include "tests/unit/scratch_store.h"
#include "tools/blob_maker.h"

#define CONTENT (3u << 20)
#define MTIME   4 /* in a gzip header */

static struct buf tar, blob;
static struct digest diffid, digest; /* of these */
static const struct encoding zlib6 = {
	ENCODING_ZLIB, 6, 8, 10, {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}};

static void make_tar(void)
{
	const struct tar_entry e = {.type = TAR_FILE,
				    .path = "f",
				    .path_len = 1,
				    .link = "",
				    .mode = 0644,
				    .size = CONTENT};
	auto_free uint8_t *content = malloc(CONTENT);

	content_make(content, CONTENT);
	buf_init(&tar, 2 * CONTENT);
	assert_ok(tar_write_entry(&tar, &e, err));
	assert_ok(buf_append(&tar, content, CONTENT, err));
	assert_ok(tar_write_end(&tar, err));
	digest_of(tar.data, tar.len, &diffid);
}

static void read_all(struct stream *s, struct buf *ret)
{
	size_t len = 1;

	while (len) {
		uint8_t bytes[5000];

		assert_ok(s->read(s, bytes, sizeof(bytes), &len, err));
		assert_ok(buf_append(ret, bytes, len, err));
	}
}

static void make_blob(void)
{
	struct stream *s;

	buf_init(&blob, 2 * CONTENT);
	assert_ok(stream_from_bytes(tar.data, tar.len, &s, err));
	assert_ok(deflate_open_as(s, &zlib6, 1, &s, err));
	read_all(s, &blob);
	stream_close(s);
	digest_of(blob.data, blob.len, &digest);
}

static void import(void)
{
	const struct layer_expect expect = {.blob_size = UINT64_MAX};
	struct session *session;
	struct layer layer;
	struct stream *s;

	assert_ok(session_begin(scratch_store, NULL, &session, err));
	assert_ok(stream_from_bytes(tar.data, tar.len, &s, err));
	assert_ok(layer_ingest(session, s, "layer", &expect, NULL, NULL, NULL, &layer,
			       err));
	layer_release(&layer);
	assert_ok(session_commit(session, err));
}

static int setup(void **state)
{
	if (scratch_store_setup(state) < 0)
		return -1;
	make_tar();
	make_blob();
	import();
	return 0;
}

static int teardown(void **state)
{
	buf_release(&tar);
	buf_release(&blob);
	return scratch_store_teardown(state);
}

static void note(enum encoding_state how_far, const struct encoding *how)
{
	const struct record_item is = {.type = RECORD_BLOB,
				       .blob = {digest, diffid, blob.len, 1}};
	const struct record_item was = {.type = RECORD_ENCODING,
					.encoding = {digest, how_far, *how}};
	struct session *session;

	assert_ok(session_begin(scratch_store, NULL, &session, err));
	assert_ok(session_add(session, &is, err));
	assert_ok(session_add(session, &was, err));
	assert_ok(session_commit(session, err));
}

static void expect_tail(uint64_t at)
{
	auto_buf struct buf made;
	struct stream *s;

	buf_init(&made, 2 * CONTENT);
	assert_ok(blob_maker_open(scratch_store, scratch_objects, &digest, at, &s, err));
	read_all(s, &made);
	stream_close(s);
	assert_int_equal(made.len, blob.len - at);
	assert_memory_equal(made.data, blob.data + at, made.len);
}

static void what_is_proved_is_made_from_any_byte_on(void **state)
{
	struct record_blob found;

	(void)state;
	note(ENCODING_PROVED, &zlib6);
	assert_ok(blob_maker_find(scratch_store, &digest, &found, err));
	assert_int_equal(found.size, blob.len);
	expect_tail(0);
	expect_tail(1);
	expect_tail(blob.len / 2);
	expect_tail(blob.len - 1);
}

static void a_guess_is_not_made(void **state)
{
	struct record_blob found;
	struct stream *s;

	(void)state;
	note(ENCODING_GUESSED, &zlib6);
	assert_int_equal(blob_maker_find(scratch_store, &digest, &found, NULL),
			 -ERR_NOTFOUND);
	assert_int_equal(
		blob_maker_open(scratch_store, scratch_objects, &digest, 0, &s, NULL),
		-ERR_NOTFOUND);
	assert_int_equal(blob_maker_find(scratch_store, &diffid, &found, NULL),
			 -ERR_NOTFOUND);
}

/* Bytes may come, but not all that there should be. */
static void expect_cut_off(const struct encoding *how)
{
	uint64_t all = 0;
	struct stream *s;
	size_t len = 1;
	int rc = 0;

	note(ENCODING_PROVED, how);
	assert_ok(blob_maker_open(scratch_store, scratch_objects, &digest, 0, &s, err));
	while (!rc && len) {
		uint8_t bytes[5000];

		rc = s->read(s, bytes, sizeof(bytes), &len, NULL);
		if (!rc)
			all += len;
	}
	stream_close(s);
	assert_int_equal(rc, -ERR_CORRUPT);
	assert_true(all < blob.len);
}

static void other_bytes_never_come_whole(void **state)
{
	struct encoding other = zlib6;

	(void)state;
	other.header[MTIME] ^= 1;
	expect_cut_off(&other);
}

static void more_bytes_never_come_whole(void **state)
{
	struct encoding other = zlib6;

	(void)state;
	other.level = 1;
	expect_cut_off(&other);
}

static void fewer_bytes_are_an_error(void **state)
{
	struct encoding other = zlib6;

	(void)state;
	other.level = 9;
	expect_cut_off(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_proved_is_made_from_any_byte_on),
		TEST(a_guess_is_not_made),
		TEST(other_bytes_never_come_whole),
		TEST(more_bytes_never_come_whole),
		TEST(fewer_bytes_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

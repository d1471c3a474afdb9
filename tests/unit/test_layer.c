/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of a layer's way in and out, through a real store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>

#include "store/base/io.h"
#include "store/layer.h"
#include "store/tar_write.h"
#include "store/tree_read.h"
#include "tests/unit/scratch_store.h"

#define ZOO "tests/golden/tar"

/* ---- making tars ---- */

static void add_entry(struct buf *tar, enum tar_type type, const char *path,
		      const char *link, uint64_t size)
{
	struct tar_entry e = {
		.type = type,
		.path = path,
		.path_len = strlen(path),
		.link = link,
		.link_len = strlen(link),
		.mode = type == TAR_DIR ? 0755 : 0644,
		.mtime = 1700000000,
		.size = size,
	};

	assert_ok(tar_write_entry(tar, &e, err));
}

static void add_file(struct buf *tar, const char *path, const void *data, size_t len)
{
	add_entry(tar, TAR_FILE, path, "", len);
	assert_ok(buf_append(tar, data, len, err));
	assert_ok(buf_append_zeros(tar, tar_write_padding(len), err));
}

static void add_text(struct buf *tar, const char *path, const char *text)
{
	add_file(tar, path, text, strlen(text));
}

/* A GNU sparse file that is one hole of SIZE (< 8 GiB) bytes. */
static void add_hole(struct buf *tar, const char *path, uint64_t size)
{
	size_t at = tar->len;
	unsigned sum = 0;
	char *h;

	add_entry(tar, TAR_FILE, path, "", 0);
	h = (char *)tar->data + at;
	h[156] = 'S';
	memcpy(h + 257, "ustar  ", 8);
	snprintf(h + 386, 12, "%011llo", (unsigned long long)size);
	snprintf(h + 398, 12, "%011o", 0);
	snprintf(h + 483, 12, "%011llo", (unsigned long long)size);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (uint8_t)h[i];
	snprintf(h + 148, 8, "%06o", sum);
}

static void tar_begin(struct buf *tar)
{
	buf_init(tar, 64 << 20);
	add_entry(tar, TAR_DIR, "etc/", "", 0);
	add_text(tar, "etc/motd", "hello\n");
}

static void tar_end(struct buf *tar)
{
	assert_ok(tar_write_end(tar, err));
	assert_ok(buf_append_zeros(tar, 8192, err));
}

/* ---- in and out ---- */

static int ingest(const struct buf *in, const struct layer_expect *expect,
		  const struct layer_limits *limits, struct layer *ret, struct err *err)
{
	struct stream *stream = NULL;
	struct session *s = NULL;
	int r;

	assert_int_equal(stream_from_bytes(in->data, in->len, &stream, err), 0);
	assert_int_equal(session_begin(scratch_store, NULL, &s, err), 0);
	r = layer_ingest(s, stream, "layer x", expect, limits, NULL, NULL, ret, err);
	if (r < 0) {
		session_abort(s);
		return r;
	}
	return session_commit(s, err);
}

static void assert_comes_out(const struct digest *diffid, const struct buf *tar)
{
	auto_stream struct stream *out = NULL;
	struct record_layer record;
	auto_buf struct buf got;
	size_t n;

	buf_init(&got, tar->len + 1);
	assert_ok(layer_open(scratch_store, scratch_objects, diffid, &out, &record, err));
	assert_int_equal(record.tar_size, tar->len);
	assert_ok(buf_reserve(&got, tar->len + 1, err));
	assert_ok(stream_read_full(out, got.data, tar->len + 1, &n, err));
	assert_int_equal(n, tar->len);
	assert_memory_equal(got.data, tar->data, n);
}

/* From what was committed: a layer that was known before adds nothing of its own. */
static void assert_rebuilds(const struct layer *l)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	struct record_layer record;
	auto_buf struct buf image;
	struct tree t;

	buf_init(&image, 64 << 20);
	assert_ok(catalog_begin(store_catalog(scratch_store), false, &txn, err));
	assert_ok(catalog_layer_get(txn, &l->record.diffid, &record, err));
	assert_ok(layer_rebuild_tree(scratch_store, &record, &image, err));
	assert_int_equal(image.len, l->tree.len);
	assert_memory_equal(image.data, l->tree.data, image.len);
	assert_ok(tree_open(&t, image.data, image.len, err));
	assert_ok(tree_check(&t, err));
}

static void assert_round_trip(const struct buf *tar)
{
	struct layer l;
	struct digest diffid;

	digest_of(tar->data, tar->len, &diffid);
	assert_ok(ingest(tar, NULL, NULL, &l, err));
	assert_true(digest_equal(&l.record.diffid, &diffid));
	assert_comes_out(&diffid, tar);
	assert_rebuilds(&l);
	layer_release(&l);
}

static void content_of(const struct layer *l, const char *path, struct digest *ret)
{
	struct tree_node node;
	struct tree t;
	uint64_t nid;

	assert_ok(tree_open(&t, l->tree.data, l->tree.len, err));
	assert_ok(tree_path(&t, path, &nid, err));
	assert_ok(tree_node(&t, nid, &node, err));
	*ret = node.digest;
}

/* ---- tests ---- */

static void a_layer_comes_out_as_it_went_in(void **state)
{
	auto_buf struct buf tar;

	(void)state;
	tar_begin(&tar);
	add_text(&tar, "a/b/c", "no parents of its own");
	add_text(&tar, "etc/.wh.shadow", "");
	add_text(&tar, "etc/empty", "");
	add_entry(&tar, TAR_SYMLINK, "etc/link", "motd", 0);
	add_entry(&tar, TAR_HARDLINK, "etc/hard", "etc/motd", 0);
	add_entry(&tar, TAR_FIFO, "etc/fifo", "", 0);
	tar_end(&tar);
	assert_round_trip(&tar);
}

static void large_and_middle_sized_files_come_out_too(void **state)
{
	const size_t len = 9 << 20;
	auto_free uint8_t *data = malloc(len);
	auto_buf struct buf tar;

	(void)state;
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i >> 4 ^ i * 7 ^ i >> 13);
	tar_begin(&tar);
	add_file(&tar, "large", data, len);
	add_file(&tar, "middle", data, 1 << 20);
	add_file(&tar, "odd", data, 300001);
	add_text(&tar, "small", "x");
	tar_end(&tar);
	assert_round_trip(&tar);
}

static void the_record_tells_the_layers_sizes(void **state)
{
	auto_buf struct buf tar;
	struct digest d, expected;
	struct layer l;

	(void)state;
	tar_begin(&tar);
	add_text(&tar, "one", "content");
	add_text(&tar, "two", "content");
	tar_end(&tar);
	assert_ok(ingest(&tar, NULL, NULL, &l, err));
	assert_int_equal(l.record.entries, 4);
	assert_int_equal(l.record.tar_size, tar.len);
	assert_int_equal(l.record.content_size, 6 + 7);
	assert_int_equal(l.record.new_size, 6 + 7);
	assert_int_equal(l.blob.compression, INFLATE_NONE);
	assert_int_equal(l.blob.size, tar.len);
	assert_true(digest_equal(&l.blob.blob, &l.record.diffid));
	content_of(&l, "two", &d);
	digest_of("content", 7, &expected);
	assert_true(digest_equal(&d, &expected));
	layer_release(&l);
}

static void known_content_is_not_new(void **state)
{
	auto_buf struct buf first, second;
	struct layer l;

	(void)state;
	tar_begin(&first);
	tar_end(&first);
	tar_begin(&second);
	add_text(&second, "more", "news");
	tar_end(&second);
	assert_ok(ingest(&first, NULL, NULL, &l, err));
	layer_release(&l);
	assert_ok(ingest(&second, NULL, NULL, &l, err));
	assert_int_equal(l.record.content_size, 6 + 4);
	assert_int_equal(l.record.new_size, 4);
	layer_release(&l);
}

static void files_that_are_one_hole_keep_their_digest(void **state)
{
	static uint8_t zeros[100000];
	struct digest d, expected;
	auto_buf struct buf tar;
	struct layer l;

	(void)state;
	tar_begin(&tar);
	add_hole(&tar, "hole", sizeof(zeros));
	add_file(&tar, "zeros", zeros, sizeof(zeros));
	add_hole(&tar, "other", 5000);
	add_hole(&tar, "last", 70000);
	tar_end(&tar);
	assert_ok(ingest(&tar, NULL, NULL, &l, err));
	digest_of(zeros, sizeof(zeros), &expected);
	content_of(&l, "hole", &d);
	assert_true(digest_equal(&d, &expected));
	digest_of(zeros, 70000, &expected);
	content_of(&l, "last", &d);
	assert_true(digest_equal(&d, &expected));
	assert_comes_out(&l.record.diffid, &tar);
	assert_rebuilds(&l);
	layer_release(&l);
}

static void a_compressed_layer_is_checked_against_its_blob(void **state)
{
	auto_codec struct codec *codec = NULL;
	struct layer_expect expect = {.blob_size = UINT64_MAX};
	auto_buf struct buf tar, blob;
	enum codec_method method;
	struct err why = {0};
	struct layer l;

	(void)state;
	tar_begin(&tar);
	tar_end(&tar);
	buf_init(&blob, 1 << 20);
	assert_ok(codec_new(&codec, err));
	assert_ok(codec_compress(codec, tar.data, tar.len, 3, &blob, &method, err));
	assert_int_equal(method, CODEC_ZSTD);
	digest_of(blob.data, blob.len, &expect.blob);
	expect.blob_size = blob.len;
	digest_of(tar.data, tar.len, &expect.diffid);
	assert_ok(ingest(&blob, &expect, NULL, &l, err));
	assert_int_equal(l.blob.compression, INFLATE_ZSTD);
	assert_int_equal(l.blob.size, blob.len);
	assert_true(digest_equal(&l.blob.blob, &expect.blob));
	assert_comes_out(&expect.diffid, &tar);
	layer_release(&l);

	expect.blob_size = blob.len - 1;
	assert_int_equal(ingest(&blob, &expect, NULL, &l, &why), -ERR_INVALID);
	assert_non_null(strstr(why.msg, "longer than"));
	expect.blob_size = blob.len + 1;
	assert_int_equal(ingest(&blob, &expect, NULL, &l, &why), -ERR_INVALID);
	assert_non_null(strstr(why.msg, "it ends after"));
	expect.blob_size = 0;
	expect.blob.bytes[0] ^= 1;
	assert_int_equal(ingest(&blob, &expect, NULL, &l, &why), -ERR_INVALID);
	assert_non_null(strstr(why.msg, "layer x: digest mismatch"));
}

static void a_wrong_diffid_is_refused_with_both_digests(void **state)
{
	struct layer_expect expect = {.blob_size = 0};
	char wrong[DIGEST_TEXT_SIZE], right[DIGEST_TEXT_SIZE];
	auto_buf struct buf tar;
	struct err why = {0};
	struct digest d;
	struct layer l;

	(void)state;
	tar_begin(&tar);
	tar_end(&tar);
	digest_of(tar.data, tar.len, &d);
	digest_of("other", 5, &expect.diffid);
	assert_int_equal(ingest(&tar, &expect, NULL, &l, &why), -ERR_INVALID);
	assert_non_null(strstr(why.msg, "layer x: DiffID mismatch"));
	assert_non_null(strstr(why.msg, digest_format(&d, right)));
	assert_non_null(strstr(why.msg, digest_format(&expect.diffid, wrong)));
}

static void a_bomb_is_refused_by_its_ratio(void **state)
{
	auto_codec struct codec *codec = NULL;
	struct layer_limits limits;
	auto_buf struct buf tar, blob;
	enum codec_method method;
	struct err why = {0};
	struct layer l;

	(void)state;
	tar_begin(&tar);
	assert_ok(buf_append_zeros(&tar, 8 << 20, err));
	buf_init(&blob, 64 << 20);
	assert_ok(codec_new(&codec, err));
	assert_ok(codec_compress(codec, tar.data, tar.len, 3, &blob, &method, err));
	layer_limits_default(&limits);
	assert_int_equal(limits.ratio, 2000);
	limits.ratio = 50;
	limits.ratio_from = 1 << 20;
	assert_int_equal(ingest(&blob, NULL, &limits, &l, &why), -ERR_LIMIT);
	assert_non_null(strstr(why.msg, "expands more than 50 times"));
	limits.ratio_from = 16 << 20;
	assert_ok(ingest(&blob, NULL, &limits, &l, err));
	layer_release(&l);
}

static int stop(void *arg, uint64_t compressed, struct err *err)
{
	uint64_t *told = arg;

	*told = compressed;
	return err_set(err, ERR_CANCELED, "stopped");
}

static void progress_can_stop_it(void **state)
{
	struct stream *in = NULL;
	struct session *s = NULL;
	struct err why = {0};
	auto_buf struct buf tar;
	uint64_t told = 0;
	struct layer l;

	(void)state;
	tar_begin(&tar);
	add_entry(&tar, TAR_FILE, "big", "", 5 << 20);
	assert_ok(buf_append_zeros(&tar, 5 << 20, err));
	tar_end(&tar);
	assert_ok(stream_from_bytes(tar.data, tar.len, &in, err));
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_int_equal(
		layer_ingest(s, in, "layer x", NULL, NULL, stop, &told, &l, &why),
		-ERR_CANCELED);
	assert_true(told >= 1 << 20);
	session_abort(s);
}

static void a_layer_that_is_not_there_is_not_found(void **state)
{
	struct stream *out = NULL;
	struct digest d;

	(void)state;
	digest_of("none", 4, &d);
	assert_int_equal(layer_open(scratch_store, scratch_objects, &d, &out, NULL, NULL),
			 -ERR_NOTFOUND);
}

/* Every sample archive that is accepted comes out again and rebuilds its tree. */
static void the_whole_tar_zoo_makes_the_round_trip(void **state)
{
	DIR *zoo = opendir(ZOO);
	const struct dirent *e;
	unsigned count = 0;

	(void)state;
	assert_non_null(zoo);
	while ((e = readdir(zoo))) {
		const char *dot = strrchr(e->d_name, '.');
		auto_buf struct buf tar;

		buf_init(&tar, 64 << 20);
		if (!dot || strcmp(dot, ".tar") != 0)
			continue;
		assert_ok(io_read_file(dirfd(zoo), e->d_name, &tar, err));
		print_message("%s\n", e->d_name);
		assert_round_trip(&tar);
		count++;
	}
	closedir(zoo);
	assert_true(count > 10);
}

int main(void)
{
#define CASE(f) \
	cmocka_unit_test_setup_teardown(f, scratch_store_setup, scratch_store_teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_layer_comes_out_as_it_went_in),
		CASE(large_and_middle_sized_files_come_out_too),
		CASE(the_record_tells_the_layers_sizes),
		CASE(known_content_is_not_new),
		CASE(files_that_are_one_hole_keep_their_digest),
		CASE(a_compressed_layer_is_checked_against_its_blob),
		CASE(a_wrong_diffid_is_refused_with_both_digests),
		CASE(a_bomb_is_refused_by_its_ratio),
		CASE(progress_can_stop_it),
		CASE(a_layer_that_is_not_there_is_not_found),
		CASE(the_whole_tar_zoo_makes_the_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * store/check_*: verify finds what is wrong, and nothing else. */
#include "tests/unit/check_fixture.h"

static void a_fresh_store_is_right(void **state)
{
	struct check_result result;

	(void)state;
	assert_int_equal(verify(100, &result), 0);
	assert_int_equal(result.frames, 0);
	assert_int_equal(result.cursor, 0);
}

static void everything_that_was_imported_is_right(void **state)
{
	struct check_result result;
	struct image image;

	(void)state;
	import_image("host/a:1", 1, &image);
	import_image("host/b:1", 3, &image);
	import_image("host/a:1", 3, &image); /* the name moves */
	assert_int_equal(verify(100, &result), 0);
	assert_int_equal(result.layers, 4);
	assert_int_equal(result.chains, 4);
	assert_int_equal(result.images, 2);
	assert_int_equal(result.refs, 2);
	assert_true(result.objects > 160);
	assert_int_equal(result.bytes, file_size(PACK_ONE) - PACK_FILE_HEADER_SIZE);
	assert_int_equal(verify(10, &result), 0);
	reopen_store(0);
	assert_int_equal(verify(100, &result), 0);
}

static void a_run_can_be_cut_into_slices(void **state)
{
	struct check_options o = {.sample = 100, .bytes_max = 10000};
	struct check_result result;
	uint64_t bytes = 0, frames = 0;
	struct check_result whole;
	struct image image;
	unsigned runs = 0;

	(void)state;
	import_image("host/a:1", 1, &image);
	assert_int_equal(verify(100, &whole), 0);
	do {
		assert_ok(check_verify(scratch_store, &o, NULL, NULL, &result, err));
		assert_int_equal(result.problems, 0);
		bytes += result.bytes;
		frames += result.frames;
		o.cursor = result.cursor;
		runs++;
	} while (result.cursor);
	assert_int_equal(bytes, whole.bytes);
	assert_int_equal(frames, whole.frames);
	assert_true(runs > 3);
	damage_frame(PACK_DOCUMENT, 1); /* behind where it would begin now */
	o.bytes_max = 0;
	o.cursor = 1ull << 32 | (frame_of(PACK_DOCUMENT, 1).off - 1);
	assert_ok(check_verify(scratch_store, &o, NULL, NULL, &result, err));
	assert_true(result.problems > 0);
}

static void damage_of_any_kind_of_frame_is_found_and_named(void **state)
{
	static const enum pack_frame_type types[] = {PACK_DATA, PACK_CHUNKS, PACK_RECIPE,
						     PACK_TREE, PACK_DOCUMENT};
	char where[64];
	struct image image;

	(void)state;
	import_image("host/a:1", 1, &image);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct pack_place at = frame_of(types[i], types[i] != PACK_CHUNKS);

		for (unsigned k = 0; k < 3; k++) {
			static const unsigned part[] = {3, 45, 50};
			uint64_t off = k < 2 ? at.off + part[k] : at.off + at.len - 1;

			snprintf(where, sizeof(where), "pack 00000001: frame at %llu: ",
				 (unsigned long long)at.off);
			flip(PACK_ONE, off);
			assert_true(verify(5, NULL) > 0);
			assert_true(was_told(where));
			assert_true(verify(100, NULL) > 0);
			assert_true(was_told(where));
			flip(PACK_ONE, off);
		}
	}
	expect_clean();
	flip(PACK_ONE, 1);
	assert_int_equal(verify(100, NULL), 1);
	assert_true(was_told("pack 00000001: damaged file header"));
}

static void a_missing_pack_is_found(void **state)
{
	struct image image;

	(void)state;
	import_image("host/a:1", 1, &image);
	reopen_store(0);
	remove_below("store/packs/00000001.pack");
	assert_true(verify(100, NULL) > 0);
	assert_true(was_told("pack 00000001 is missing"));
}

/* A frame with right checksums around wrong content, and a chunked object of a wrong name. */
static void wrong_content_under_right_checksums_is_found(void **state)
{
	auto_free uint8_t *data = malloc(600000);
	struct session *s = NULL;
	struct digest d;
	struct image image;

	(void)state;
	fill(data, 600000, 99);
	digest_of("another", 7, &d);
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(session_put_object(s, &d, data, 5000, "x", NULL, err));
	digest_of("and another", 11, &d);
	assert_ok(session_put_object(s, &d, data, 600000, "y", NULL, err));
	{
		struct record_item item = {.type = RECORD_UNREF, .unref.name = "x"};
		struct record_ref_target t = {.platform = ""};
		struct record_item ref = {
			.type = RECORD_REF,
			.ref = {.name = "x/y:z", .count = 0, .targets = &t}};

		assert_ok(session_add(s, &item, err));
		assert_ok(session_add(s, &ref, err));
	}
	assert_ok(session_commit(s, err));
	import_image("host/a:1", 1, &image);
	assert_int_equal(verify(100, NULL), 2);
	assert_true(was_told("pack 00000001: frame at"));
	assert_true(was_told("content is not what its digest says"));
	assert_true(was_told("object sha256:"));
}

static void what_an_import_has_not_committed_is_no_damage(void **state)
{
	struct session *s = NULL;
	struct image image;
	struct digest d;

	(void)state;
	import_image("host/a:1", 1, &image);
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	put_layer(s, 77, &d);
	assert_ok(session_flush(s, err));
	expect_clean();
	flip(PACK_ONE, file_size(PACK_ONE) - 1);
	expect_clean();
	session_abort(s);
	expect_clean();
}

/* ---- catalog and journal ---- */

typedef int change_fn(struct catalog_txn *t, const struct image *image, struct err *err);

static int drop_object(struct catalog_txn *t, const struct image *image, struct err *err)
{
	return catalog_object_remove(t, &image->manifest, err);
}

static int move_object(struct catalog_txn *t, const struct image *image, struct err *err)
{
	struct catalog_object o = {.digest = image->manifest};
	int r = catalog_object_get(t, &o.digest, &o.place, err);

	if (r == 0)
		r = catalog_object_remove(t, &o.digest, err);
	o.place.off++;
	return r < 0 ? r : catalog_object_put(t, &o, 1, err);
}

static int add_object(struct catalog_txn *t, const struct image *image, struct err *err)
{
	struct catalog_object o = {.digest = image->manifest};
	int r = catalog_object_get(t, &o.digest, &o.place, err);

	o.digest.bytes[3] ^= 1;
	return r < 0 ? r : catalog_object_put(t, &o, 1, err);
}

static int add_strange_object(struct catalog_txn *t, const struct image *image,
			      struct err *err)
{
	struct catalog_object o = {.digest = image->manifest};
	int r = catalog_object_get(t, &o.digest, &o.place, err);

	o.digest.bytes[3] ^= 1;
	o.place.frame.pack = 77;
	return r < 0 ? r : catalog_object_put(t, &o, 1, err);
}

static int change_layer(struct catalog_txn *t, const struct image *image, struct err *err)
{
	struct record_layer layer;
	int r = catalog_layer_get(t, &image->layers[0], &layer, err);

	layer.entries++;
	return r < 0 ? r : catalog_layer_put(t, &layer, err);
}

static int add_chain(struct catalog_txn *t, const struct image *image, struct err *err)
{
	struct record_chain chain;
	int r = catalog_chain_get(t, &image->chain, &chain, err);

	chain.chainid.bytes[0] ^= 1;
	return r < 0 ? r : catalog_chain_put(t, &chain, err);
}

static int remove_name(struct catalog_txn *t, const struct image *image, struct err *err)
{
	(void)image;
	return catalog_ref_remove(t, "host/a:1", err);
}

static int change_tree(struct catalog_txn *t, const struct image *image, struct err *err)
{
	struct catalog_tree tree;
	int r = catalog_tree_get(t, 1, &tree, err);

	(void)image;
	tree.stale = true;
	return r < 0 ? r : catalog_tree_put(t, &tree, err);
}

static int add_tree(struct catalog_txn *t, const struct image *image, struct err *err)
{
	struct catalog_mark mark;
	struct catalog_tree tree;
	int r = catalog_tree_get(t, 1, &tree, err);

	(void)image;
	if (r == 0)
		r = catalog_mark_get(t, &mark, err);
	mark.next_number++;
	tree.number = mark.next_number - 1;
	if (r == 0)
		r = catalog_tree_put(t, &tree, err);
	return r < 0 ? r : catalog_mark_set(t, &mark, err);
}

static int change_pack(struct catalog_txn *t, const struct image *image, struct err *err)
{
	(void)image;
	return catalog_pack_put(t, 1, 4096, err);
}

static void a_catalog_that_says_otherwise_is_found(void **state)
{
	static const struct {
		change_fn *change;
		const char *told;
	} cases[] = {
		{drop_object, "of pack 00000001 is missing"},
		{move_object, "is not in pack 00000001 at"},
		{add_object, "is not in pack 00000001 at"},
		{add_strange_object, "of pack 0000004d, where nothing is committed"},
		{change_layer, "is not as the journal has it"},
		{add_chain, "is there, but not in the journal"},
		{remove_name, "a name of the journal is missing"},
		{change_tree, "tree 1 is not as the journal has it"},
		{add_tree, "the next tree would be"},
		{change_pack, "has 4096 committed bytes"},
	};
	struct image image;

	(void)state;
	import_image("host/a:1", 1, &image);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct catalog_txn *t = NULL;

		assert_ok(catalog_begin(store_catalog(scratch_store), true, &t, err));
		assert_ok(cases[i].change(t, &image, err));
		assert_ok(catalog_commit(t, err));
		assert_true(verify(100, NULL) > 0);
		if (!was_told(cases[i].told))
			fail_msg("case %zu: %s", i, told.text[0]);
		close_store();
		remove_below("store/catalog");
		open_store(STORE_WRITE);
		expect_clean();
	}
}

static void a_damaged_journal_is_found_and_a_torn_tail_is_none(void **state)
{
	static const char torn[] = "LJRC\x10\0\0\0halfway";
	struct image image;
	int fd;

	(void)state;
	import_image("host/a:1", 1, &image);
	import_image("host/b:1", 5, &image);
	fd = open(scratch_path("store/journal"), O_WRONLY | O_APPEND);
	assert_true(fd >= 0 && write(fd, torn, sizeof(torn)) == sizeof(torn));
	close(fd);
	expect_clean();
	flip("store/journal", 60);
	assert_int_equal(verify(100, NULL), 1);
	assert_true(was_told("journal: the record at 16 is damaged"));
	flip("store/journal", 60);
	assert_int_equal(truncate(scratch_path("store/journal"), 1000), 0);
	assert_int_equal(verify(100, NULL), 1);
	assert_true(was_told("journal: it ends"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fresh_store_is_right),
		TEST(everything_that_was_imported_is_right),
		TEST(a_run_can_be_cut_into_slices),
		TEST(damage_of_any_kind_of_frame_is_found_and_named),
		TEST(a_missing_pack_is_found),
		TEST(wrong_content_under_right_checksums_is_found),
		TEST(what_an_import_has_not_committed_is_no_damage),
		TEST(a_catalog_that_says_otherwise_is_found),
		TEST(a_damaged_journal_is_found_and_a_torn_tail_is_none),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}

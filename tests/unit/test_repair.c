/* SPDX-License-Identifier: Apache-2.0
 * store/check_repair: what was there is there again, and what is lost can come back. */
#include "tests/unit/check_fixture.h"

#include "store/chunk_list.h"
#include "store/forest.h"

static struct image one, two;

/* Two images with layers of their own; both have the content "shared.bin". */
static void make_images(void)
{
	import_image("host/one:1", 10, &one);
	import_image("host/two:1", 20, &two);
}

static void repair(struct repair_result *ret)
{
	reopen_store(STORE_WRITE | STORE_NO_RECOVERY);
	told = (struct told){.loud = getenv("LOUD") != NULL};
	assert_ok(check_repair(scratch_store, on_told, &told, ret, err));
}

/* Everything that the catalog says, as text. */
static int list_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	return buf_printf(arg, err, "layer %s %u %u %llu %llu\n",
			  digest_format(&layer->diffid, text), layer->number,
			  layer->flags, (unsigned long long)layer->tar_size,
			  (unsigned long long)layer->entries);
}

static int list_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	return buf_printf(arg, err, "chain %s %u\n", digest_format(&chain->chainid, text),
			  chain->number);
}

static int list_image(void *arg, const struct record_image *image, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	return buf_printf(arg, err, "image %s\n", digest_format(&image->manifest, text));
}

static int list_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	return buf_printf(arg, err, "name %s %s\n", ref->name,
			  digest_format(&ref->targets[0].manifest, text));
}

static int list_tree(void *arg, const struct catalog_tree *tree, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	return buf_printf(arg, err, "tree %u %d %u %s\n", tree->number, tree->stale,
			  tree->version, digest_format(&tree->sha256, text));
}

static int list_key(void *arg, const struct record_key *key, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	return buf_printf(arg, err, "key %s %s %lld\n", digest_format(&key->key, text),
			  key->scope, (long long)key->created);
}

static void describe(struct buf *out)
{
	auto_catalog_txn struct catalog_txn *t = NULL;

	buf_init(out, 1 << 20);
	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	assert_ok(catalog_layer_each(t, NULL, list_layer, out, err));
	assert_ok(catalog_chain_each(t, NULL, list_chain, out, err));
	assert_ok(catalog_image_each(t, NULL, list_image, out, err));
	assert_ok(catalog_ref_each(t, NULL, list_ref, out, err));
	assert_ok(catalog_key_each(t, NULL, list_key, out, err));
	assert_ok(catalog_tree_each(t, list_tree, out, err));
	assert_ok(buf_append_u8(out, 0, err));
}

static void expect_same(const struct buf *before)
{
	auto_buf struct buf now;

	describe(&now);
	assert_string_equal((char *)now.data, (char *)before->data);
}

/* The tree files of the first image's layers and chain. */
static void use_trees(const struct image *image)
{
	auto_forest struct forest *f = NULL;
	struct forest_tree *t = NULL;

	assert_ok(forest_new(scratch_store, 0, &f, err));
	assert_ok(forest_get_chain(f, &image->chain, &t, err));
	forest_put(f, t);
	assert_ok(forest_get_layer(f, &image->layers[0], &t, err));
	forest_put(f, t);
}

/* ---- nothing is lost ---- */

static void a_lost_catalog_comes_back(void **state)
{
	struct repair_result r;
	auto_buf struct buf before;

	(void)state;
	make_images();
	use_trees(&one);
	describe(&before);
	close_store();
	remove_below("store/catalog");
	remove_below("store/trees");
	open_store(STORE_WRITE | STORE_NO_RECOVERY);
	repair(&r);
	assert_int_equal(told.count, 0);
	assert_int_equal(r.layers, 4);
	assert_int_equal(r.refs, 2);
	assert_int_equal(r.damaged_layers + r.lost_objects, 0);
	assert_false(r.journal_salvaged);
	expect_same(&before);
	expect_clean();
	use_trees(&one);
	expect_same(&before);
}

static void a_lost_journal_comes_back_from_the_catalog(void **state)
{
	struct repair_result r;
	auto_buf struct buf before;
	uint64_t seq, now;

	(void)state;
	make_images();
	use_trees(&two);
	describe(&before);
	assert_ok(store_generation(scratch_store, &seq, err));
	close_store();
	remove_below("store/journal");
	open_store(STORE_WRITE | STORE_NO_RECOVERY);
	repair(&r);
	assert_true(r.journal_salvaged);
	assert_true(was_told("the journal is missing"));
	assert_false(was_told("import the images again"));
	expect_same(&before);
	expect_clean();
	assert_ok(store_generation(scratch_store, &now, err));
	assert_int_equal(now, seq + 1);
	reopen_store(STORE_WRITE);
	import_image("host/three:1", 30, &one);
	expect_clean();
	close_store();
	remove_below("store/catalog");
	open_store(0);
	expect_clean();
}

static void a_journal_that_was_cut_comes_back_from_the_catalog(void **state)
{
	struct repair_result r;
	auto_buf struct buf before;

	(void)state;
	make_images();
	describe(&before);
	assert_int_equal(truncate(scratch_path("store/journal"), 1000), 0);
	repair(&r);
	assert_true(r.journal_salvaged);
	expect_same(&before);
	expect_clean();
}

static void a_damaged_tree_file_is_made_again(void **state)
{
	struct repair_result r;

	(void)state;
	make_images();
	use_trees(&one);
	expect_clean();
	flip("store/trees/00000001.erofs", 2000);
	scratch_file("store/trees/00000063.erofs", "x", 1);
	assert_int_equal(verify(100, NULL), 1);
	assert_true(was_told("trees/00000001.erofs: its content"));
	repair(&r);
	assert_int_equal(told.count, 1);
	assert_int_equal(access(scratch_path("store/trees/00000001.erofs"), F_OK), -1);
	assert_int_equal(access(scratch_path("store/trees/00000063.erofs"), F_OK), -1);
	expect_clean();
	use_trees(&one);
	expect_clean();
}

static void a_damaged_tree_frame_is_left_out(void **state)
{
	struct repair_result r;
	auto_buf struct buf before;

	(void)state;
	make_images();
	describe(&before);
	damage_frame(PACK_TREE, 0);
	assert_true(verify(100, NULL) > 0);
	repair(&r);
	assert_int_equal(r.damaged_layers, 0);
	assert_int_equal(r.lost_objects, 0);
	assert_true(was_told("its tree is left out"));
	expect_same(&before);
	expect_clean();
	use_trees(&one);
	expect_clean();
}

static void a_damaged_file_header_of_a_pack_is_written_anew(void **state)
{
	struct repair_result r;

	(void)state;
	make_images();
	flip(PACK_ONE, 3);
	repair(&r);
	assert_int_equal(told.count, 1);
	assert_int_equal(r.lost_objects, 0);
	expect_clean();
}

/* ---- content is lost ---- */

static void import_both_again(void)
{
	import_image("host/one:1", 10, &one);
	import_image("host/two:1", 20, &two);
}

static void expect_whole(const struct buf *before)
{
	struct repair_result r;

	expect_clean();
	expect_same(before);
	close_store();
	remove_below("store/catalog");
	open_store(STORE_WRITE);
	expect_clean();
	repair(&r);
	assert_int_equal(told.count, 0);
	assert_int_equal(r.damaged_layers + r.lost_objects, 0);
	expect_clean();
	expect_same(before);
}

static void any_damaged_frame_heals_with_the_next_import(void **state)
{
	static const enum pack_frame_type types[] = {PACK_DATA, PACK_CHUNKS, PACK_RECIPE,
						     PACK_DOCUMENT};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		for (unsigned header = 0; header < 2; header++) {
			struct repair_result r, again;
			auto_buf struct buf before;
			struct pack_place at;

			make_images();
			describe(&before);
			at = frame_of(types[i], 0);
			flip(PACK_ONE, header ? at.off + 9 : at.off + at.len - 2);
			repair(&r);
			assert_true(was_told("it is left out"));
			assert_true(was_told("name 'host/one:1' misses content"));
			assert_int_equal(r.layers, 4);
			assert_int_equal(r.refs, 2);
			assert_true(types[i] == PACK_RECIPE || r.lost_objects > 0);
			assert_true(types[i] == PACK_DOCUMENT || r.damaged_layers > 0);
			assert_true(verify(100, NULL) > 0);
			for (unsigned k = 0; k < told.count; k++)
				assert_false(strncmp(told.text[k], "pack", 4) == 0 ||
					     strstr(told.text[k], "catalog"));
			repair(&again);
			assert_int_equal(again.damaged_layers, r.damaged_layers);
			import_both_again();
			expect_whole(&before);
			scratch_store_teardown(NULL);
			scratch_store_setup(NULL);
		}
	}
}

static void place_of(const struct digest *d, struct object_place *ret)
{
	auto_catalog_txn struct catalog_txn *t = NULL;

	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	assert_ok(catalog_object_get(t, d, ret, err));
}

/* The first chunk of the large object. */
static void damage_chunk(const struct digest *large)
{
	auto_codec struct codec *codec = NULL;
	auto_buf struct buf scratch, raw;
	struct object_place place;
	struct chunk_range range;
	enum pack_frame_type type;
	struct chunk_list list;

	buf_init(&scratch, 2 * (size_t)PACK_BODY_MAX);
	buf_init(&raw, PACK_BODY_MAX);
	place_of(large, &place);
	assert_int_equal(place.kind, OBJECT_CHUNKED);
	assert_ok(codec_new(&codec, err));
	assert_ok(pack_read_body(store_packs(scratch_store), &place.frame, codec,
				 &scratch, &raw, &type, err));
	assert_ok(chunk_list_open(raw.data + place.off, place.len, &list, err));
	assert_ok(chunk_list_get(&list, 0, &range, err));
	assert_false(range.hole);
	place_of(&range.digest, &place);
	flip(PACK_ONE, place.frame.off + place.frame.len - 2);
}

/* A chunk is lost, its list is not: the list must not pass for the content. */
static void large_content_that_misses_a_chunk_heals_too(void **state)
{
	auto_free uint8_t *data = malloc(500000);
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct object_place place;
	auto_buf struct buf before;
	struct repair_result r;
	struct digest large;

	(void)state;
	make_images();
	describe(&before);
	fill(data, 500000, 4711); /* of all four layers */
	digest_of(data, 500000, &large);
	damage_chunk(&large);
	repair(&r);
	assert_int_equal(r.damaged_layers, 4);
	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	assert_int_equal(catalog_object_get(t, &large, &place, NULL), -ERR_NOTFOUND);
	catalog_abort(steal_ptr(&t));
	reopen_store(STORE_WRITE);
	assert_true(verify(100, NULL) > 0);
	assert_false(was_told("catalog"));
	repair(&r); /* the object stays dropped */
	assert_int_equal(r.damaged_layers, 4);
	assert_true(verify(100, NULL) > 0);
	assert_false(was_told("catalog"));
	import_both_again();
	expect_whole(&before);
}

static void another_layer_can_bring_the_content_back(void **state)
{
	struct image image;
	struct repair_result r;
	unsigned damaged;

	(void)state;
	make_images();
	for (unsigned i = frame_count(PACK_DATA); i-- > 0;)
		damage_frame(PACK_DATA, i);
	repair(&r);
	damaged = (unsigned)r.damaged_layers;
	assert_true(damaged == 4);
	import_image("host/other:1", 11, &image); /* has layer 11 and the shared file */
	repair(&r);
	assert_true(r.damaged_layers < damaged);
	assert_true(r.damaged_layers > 0);
	assert_false(was_told("name 'host/other:1'"));
	import_both_again();
	expect_clean();
}

static void a_missing_pack_heals_with_the_next_import(void **state)
{
	auto_buf struct buf before;
	struct repair_result r;

	(void)state;
	make_images();
	describe(&before);
	close_store();
	remove_below("store/packs/00000001.pack");
	open_store(STORE_WRITE | STORE_NO_RECOVERY);
	repair(&r);
	assert_int_equal(r.damaged_layers, 4);
	assert_int_equal(r.refs, 2);
	import_both_again();
	expect_whole(&before);
}

/* ---- the journal is lost ---- */

static void layers_come_back_from_packs_alone(void **state)
{
	auto_buf struct buf now;
	char text[DIGEST_TEXT_SIZE];
	struct repair_result r;
	struct record_layer layer;
	struct catalog_txn *t = NULL;

	(void)state;
	make_images();
	use_trees(&one);
	close_store();
	remove_below("store/catalog");
	remove_below("store/journal");
	open_store(STORE_WRITE | STORE_NO_RECOVERY);
	repair(&r);
	assert_true(r.journal_salvaged);
	assert_int_equal(r.layers, 4);
	assert_int_equal(r.refs, 0);
	assert_true(was_told("import the images again"));
	assert_true(was_told(digest_format(&one.layers[1], text)));
	expect_clean();
	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	assert_ok(catalog_layer_get(t, &one.layers[0], &layer, err));
	catalog_abort(t);
	assert_int_equal(layer.entries, 42);
	assert_true(layer.tree.pack == 1);
	assert_true(layer.content_size > 1400000);
	/* What comes back by import is not stored twice. */
	{
		uint64_t size = file_size(PACK_ONE);

		import_both_again();
		assert_true(file_size(PACK_ONE) - size < 2000);
	}
	expect_clean();
	describe(&now);
	assert_non_null(strstr((char *)now.data, "name host/two:1"));
	use_trees(&one);
	expect_clean();
}

static void what_is_left_of_a_damaged_journal_is_kept(void **state)
{
	struct repair_result r;

	(void)state;
	make_images();
	import_image("host/three:1", 30, &one);
	close_store();
	remove_below("store/catalog");
	flip("store/journal", 60); /* the first import's record */
	assert_int_equal(store_open(scratch_path("store"), 0, &scratch_store, NULL),
			 -ERR_CORRUPT);
	open_store(STORE_WRITE | STORE_NO_RECOVERY);
	repair(&r);
	assert_true(r.journal_salvaged);
	assert_true(was_told("journal: bytes 16 to"));
	assert_int_equal(r.layers, 6);
	assert_int_equal(r.refs, 2);
	expect_clean();
	import_image("host/one:1", 10, &one);
	expect_clean();
}

static void a_journal_without_its_file_header_is_read_all_the_same(void **state)
{
	struct repair_result r;
	auto_buf struct buf before;

	(void)state;
	make_images();
	describe(&before);
	close_store();
	remove_below("store/catalog");
	flip("store/journal", 2);
	open_store(STORE_WRITE | STORE_NO_RECOVERY);
	repair(&r);
	assert_true(r.journal_salvaged);
	assert_false(was_told("import the images again"));
	assert_int_equal(r.refs, 2);
	expect_same(&before);
	expect_clean();
}

/* Whatever an import that runs meanwhile has written so far. */
static void a_running_import_survives_a_salvage(void **state)
{
	struct session *s = NULL;
	struct repair_result r;
	struct image image;
	struct store *importer = NULL;
	struct digest d;

	(void)state;
	make_images();
	import_image("host/three:1", 30, &image);
	assert_ok(store_open(scratch_path("store"), STORE_WRITE, &importer, err));
	assert_ok(session_begin(importer, NULL, &s, err));
	put_layer(s, 77, &d);
	assert_ok(session_flush(s, err));
	flip("store/journal", 60);
	told = (struct told){.loud = getenv("LOUD") != NULL};
	assert_ok(check_repair(scratch_store, on_told, &told, &r, err));
	assert_int_equal(r.layers, 6);
	expect_clean();
	assert_ok(session_commit(s, err));
	store_close(importer);
	expect_clean();
}

static void repair_of_an_empty_store_is_fine(void **state)
{
	struct repair_result r;

	(void)state;
	repair(&r);
	assert_int_equal(r.layers, 0);
	expect_clean();
	close_store();
	remove_below("store/journal");
	remove_below("store/catalog");
	open_store(STORE_WRITE | STORE_NO_RECOVERY);
	repair(&r);
	expect_clean();
	reopen_store(STORE_WRITE);
	make_images();
	expect_clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lost_catalog_comes_back),
		TEST(a_lost_journal_comes_back_from_the_catalog),
		TEST(a_journal_that_was_cut_comes_back_from_the_catalog),
		TEST(a_damaged_tree_file_is_made_again),
		TEST(a_damaged_tree_frame_is_left_out),
		TEST(a_damaged_file_header_of_a_pack_is_written_anew),
		TEST(any_damaged_frame_heals_with_the_next_import),
		TEST(large_content_that_misses_a_chunk_heals_too),
		TEST(another_layer_can_bring_the_content_back),
		TEST(a_missing_pack_heals_with_the_next_import),
		TEST(layers_come_back_from_packs_alone),
		TEST(what_is_left_of_a_damaged_journal_is_kept),
		TEST(a_journal_without_its_file_header_is_read_all_the_same),
		TEST(a_running_import_survives_a_salvage),
		TEST(repair_of_an_empty_store_is_fine),
	};

	return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the trees of a store: built, kept, found again, replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store/layer.h"
#include "tests/unit/tar_fixture.h"
#include "tests/unit/forest_store.h"

/* ---- getting ---- */

static void a_layer_comes_from_its_frames_with_a_file(void **state)
{
	struct sample x = add_sample();
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = get_layer(f, &x.layers[1]), *again = NULL;
	struct digest d = digest_of_tree(t);

	(void)state;
	assert_int_equal(t->owner, TREE_OF_LAYER);
	assert_true(digest_equal(&t->id, &x.layers[1]));
	assert_int_equal(t->generation, get_le32(d.bytes));
	assert_true(tree_fixture_has(&t->tree, "etc/motd"));
	assert_true(tree_fixture_has(&t->tree, "new"));
	assert_false(tree_fixture_has(&t->tree, "etc/passwd"));
	assert_true(file_is_there(t->number));
	assert_ok(forest_get(f, t->number, &again, err));
	assert_ptr_equal(again, t);
	forest_put(f, again);
	forest_put(f, t);
	forest_put(f, NULL);
}

static void a_chain_is_its_layers_merged(void **state)
{
	struct sample x = add_sample();
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = get_chain(f, &x.chains[2]);

	(void)state;
	assert_int_equal(t->owner, TREE_OF_CHAIN);
	assert_true(digest_equal(&t->id, &x.chains[2]));
	assert_true(tree_fixture_has(&t->tree, "etc/passwd"));
	assert_true(tree_fixture_has(&t->tree, "new"));
	assert_true(tree_fixture_has(&t->tree, "newer"));
	assert_false(tree_fixture_has(&t->tree, "etc/motd"));
	assert_false(tree_fixture_has(&t->tree, "nothing"));
	forest_put(f, t);
}

static void whiteouts_vanish_from_a_chain_of_one_layer(void **state)
{
	struct tree_model *m = tree_fixture_new();
	struct digest layer, chain;
	auto_forest struct forest *f = NULL;
	struct forest_tree *t;

	(void)state;
	tree_fixture_whiteout(m, "gone");
	tree_fixture_file(m, "there", "1");
	begin();
	layer = add_layer("single", m);
	chain = add_chain(NULL, &layer);
	commit();
	assert_true(digest_equal(&layer, &chain));
	f = forest_make(0);
	t = get_chain(f, &chain);
	assert_true(tree_fixture_has(&t->tree, "there"));
	assert_false(tree_fixture_has(&t->tree, "gone"));
	forest_put(f, t);
	t = get_layer(f, &layer);
	assert_true(tree_fixture_has(&t->tree, "gone"));
	forest_put(f, t);
}

static void what_is_not_there_is_not_found(void **state)
{
	struct sample x = add_sample();
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = NULL;

	(void)state;
	assert_int_equal(forest_get(f, 0, &t, NULL), -ERR_NOTFOUND);
	assert_int_equal(forest_get(f, 12345, &t, NULL), -ERR_NOTFOUND);
	assert_int_equal(forest_get_chain(f, &x.layers[2], &t, NULL), -ERR_NOTFOUND);
	assert_int_equal(forest_get_layer(f, &x.chains[2], &t, NULL), -ERR_NOTFOUND);
	assert_null(t);
}

static void a_chain_above_a_missing_one_is_damage(void **state)
{
	struct sample x = add_sample();
	struct digest nowhere, chain;
	auto_forest struct forest *f = NULL;
	struct forest_tree *t = NULL;
	struct err err = {0};

	(void)state;
	digest_of("nowhere", 7, &nowhere);
	begin();
	chain = add_chain(&nowhere, &x.layers[0]);
	commit();
	f = forest_make(0);
	assert_int_equal(forest_get_chain(f, &chain, &t, &err), -ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "tree of chain 'sha256:"));
	begin();
	chain = add_chain(&x.chains[0], &nowhere);
	commit();
	assert_int_equal(forest_get_chain(f, &chain, &t, &err), -ERR_CORRUPT);
}

/* ---- bytes that stay the same ---- */

static void a_tree_is_journalled_once_and_rebuilt_the_same(void **state)
{
	struct sample x = add_sample();
	uint64_t before = generation(), first;
	uint32_t number, again;
	struct digest d = look(&x.chains[2], &number), e;

	(void)state;
	first = generation();
	assert_int_equal(first, before + 1);
	assert_true(file_is_there(number));
	e = look(&x.chains[2], &again);
	assert_int_equal(again, number);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(unlink(file_of(number)), 0);
	e = look(&x.chains[2], &again);
	assert_int_equal(again, number);
	assert_true(digest_equal(&d, &e));
	assert_true(file_is_there(number));
	assert_int_equal(generation(), first);
}

static void damage(uint32_t number, off_t at)
{
	auto_fd int fd = open(file_of(number), O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void damaged_files_are_made_anew(void **state)
{
	struct sample x = add_sample();
	uint32_t number, again;
	struct digest d = look(&x.chains[2], &number), e;
	struct stat st;

	(void)state;
	assert_int_equal(stat(file_of(number), &st), 0);
	for (off_t at = 0; at < st.st_size; at += 97) {
		damage(number, at);
		e = look(&x.chains[2], &again);
		assert_int_equal(again, number);
		assert_true(digest_equal(&d, &e));
	}
	assert_int_equal(truncate(file_of(number), st.st_size / 2), 0);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(truncate(file_of(number), 0), 0);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(unlink(file_of(number)), 0);
	assert_int_equal(mkfifo(file_of(number), 0600), 0);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(stat(file_of(number), &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void a_right_file_without_a_stamp_is_used(void **state)
{
	struct sample x = add_sample();
	uint32_t number, again;
	struct digest d = look(&x.chains[2], &number), e;
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	struct stat before, after;

	(void)state;
	assert_int_equal(utimensat(AT_FDCWD, file_of(number), now, 0), 0);
	assert_int_equal(stat(file_of(number), &before), 0);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(stat(file_of(number), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_true(after.st_mtim.tv_sec < before.st_mtim.tv_sec);
}

/* ---- other bytes ---- */

static struct record_item other_bytes;

static int add_other_bytes(struct commit *c, void *arg, struct err *err)
{
	(void)arg;
	return store_commit_add(c, &other_bytes, err);
}

/* As if a writer of that version had made other bytes. */
static void journal_other_bytes(uint32_t number, uint32_t version)
{
	other_bytes = (struct record_item){
		.type = RECORD_TREE,
		.tree = {.number = number, .version = version},
	};
	digest_of("other", 5, &other_bytes.tree.sha256);
	assert_ok(store_commit(scratch_store, add_other_bytes, NULL, NULL, 0, err));
}

static void other_bytes_get_another_number_and_the_old_is_stale(void **state)
{
	struct sample x = add_sample();
	uint32_t old = number_of_chain(&x.chains[2]), number, again;
	struct forest_tree *t = NULL;
	struct digest d;

	(void)state;
	journal_other_bytes(old, TREE_WRITER_VERSION);
	d = look(&x.chains[2], &number);
	assert_int_not_equal(number, old);
	assert_int_equal(number_of_chain(&x.chains[2]), number);
	for (unsigned i = 0; i < 2; i++) {
		auto_forest struct forest *f = forest_make(0);

		assert_int_equal(forest_get(f, old, &t, NULL), -ERR_STALE);
		assert_ok(forest_get(f, number, &t, err));
		assert_true(digest_equal(&t->id, &x.chains[2]));
		forest_put(f, t);
		assert_int_equal(forest_get(f, old, &t, NULL), -ERR_STALE);
		forest_free(steal_ptr(&f));
		reopen(STORE_WRITE);
	}
	(void)look(&x.chains[2], &again);
	assert_int_equal(again, number);
	(void)d;
}

static void a_stale_number_asked_for_first_leads_to_the_new(void **state)
{
	struct sample x = add_sample();
	uint32_t old = number_of_chain(&x.chains[2]);
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = NULL;

	(void)state;
	journal_other_bytes(old, TREE_WRITER_VERSION);
	assert_int_equal(forest_get(f, old, &t, NULL), -ERR_STALE);
	t = get_chain(f, &x.chains[2]);
	assert_int_not_equal(t->number, old);
	forest_put(f, t);
}

static void what_a_newer_writer_made_stands(void **state)
{
	struct sample x = add_sample();
	uint32_t old = number_of_chain(&x.chains[2]), number;
	uint64_t before;
	struct digest d;

	(void)state;
	journal_other_bytes(old, TREE_WRITER_VERSION + 1);
	before = generation();
	d = look(&x.chains[2], &number);
	assert_false(digest_is_zero(&d));
	assert_int_equal(number, old);
	assert_int_equal(generation(), before);
	assert_int_equal(files_count(), 0);
}

/* ---- a store that is only read ---- */

static void a_store_that_is_only_read_is_not_changed(void **state)
{
	struct sample x = add_sample();
	uint32_t number, again;
	uint64_t before = generation();
	struct digest d, e;

	(void)state;
	reopen(0);
	d = look(&x.chains[2], &number);
	assert_int_equal(files_count(), 0);
	assert_int_equal(generation(), before);
	reopen(STORE_WRITE);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(again, number);
	reopen(0);
	damage(number, 2000);
	e = look(&x.chains[2], &again);
	assert_true(digest_equal(&d, &e));
	assert_true(file_is_there(number));
}

/* ---- damage in the packs ---- */

static void tar_sample(struct buf *tar)
{
	buf_init(tar, 1 << 20);
	tar_fixture_header(tar, TAR_DIR, "etc/", "", 0);
	tar_fixture_file(tar, "etc/motd", "hello\n", 6);
	tar_fixture_file(tar, "etc/empty", "", 0);
	tar_fixture_end(tar);
}

/* A layer as an import leaves it, in a chain of its own. */
static struct record_layer ingest(void)
{
	struct stream *stream = NULL;
	auto_buf struct buf tar;
	struct layer layer;

	tar_sample(&tar);
	begin();
	assert_ok(stream_from_bytes(tar.data, tar.len, &stream, err));
	assert_ok(layer_ingest(session, stream, "layer x", NULL, NULL, NULL, NULL, &layer,
			       err));
	(void)add_chain(NULL, &layer.record.diffid);
	commit();
	layer_release(&layer);
	return layer.record;
}

static void damage_frame(const struct pack_place *at)
{
	char name[64];
	auto_fd int fd = -1;
	uint8_t byte;

	snprintf(name, sizeof(name), "store/packs/%08x.pack", at->pack);
	fd = open(scratch_path(name), O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at->off + 60), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at->off + 60), 1);
}

static void damaged_frames_are_made_good_by_the_recipe(void **state)
{
	struct record_layer layer = ingest();
	struct digest before, d, e;
	struct forest_tree *t = NULL;
	uint32_t number, again;
	auto_forest struct forest *f = forest_make(0);

	(void)state;
	t = get_layer(f, &layer.diffid);
	before = digest_of_tree(t);
	unlink(file_of(t->number));
	forest_put(f, t);
	forest_free(steal_ptr(&f));
	d = look(&layer.diffid, &number);
	unlink(file_of(number));

	damage_frame(&layer.tree);
	e = look(&layer.diffid, &again);
	assert_true(digest_equal(&d, &e));
	assert_int_equal(number, again);
	f = forest_make(0);
	t = get_layer(f, &layer.diffid);
	assert_true(tree_fixture_has(&t->tree, "etc/motd"));
	e = digest_of_tree(t);
	assert_true(digest_equal(&before, &e));
	forest_put(f, t);
}

static void without_frames_and_recipe_it_is_damage(void **state)
{
	struct record_layer layer = ingest();
	auto_forest struct forest *f = forest_make(0);
	struct forest_tree *t = NULL;
	struct err err = {0};

	(void)state;
	damage_frame(&layer.tree);
	damage_frame(&layer.recipe);
	assert_int_equal(forest_get_layer(f, &layer.diffid, &t, &err), -ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "tree of layer 'sha256:"));
	assert_int_equal(forest_get_chain(f, &layer.diffid, &t, &err), -ERR_CORRUPT);
	assert_null(t);
}
/* ---- merging by itself ---- */

static void trees_in_memory_can_be_merged(void **state)
{
	struct tree_model *m[2] = {tree_fixture_new(), tree_fixture_new()};
	auto_buf struct buf a, b, merged;
	struct tree x, y, z;
	const struct tree *order[2] = {&x, &y};

	(void)state;
	tree_fixture_file(m[0], "a", "1");
	tree_fixture_file(m[0], "b", "1");
	tree_fixture_whiteout(m[1], "a");
	tree_fixture_image(m[0], &a);
	tree_fixture_image(m[1], &b);
	buf_init(&merged, 1 << 20);
	assert_ok(tree_open(&x, a.data, a.len, err));
	assert_ok(tree_open(&y, b.data, b.len, err));
	assert_ok(forest_merge(order, 2, &merged, err));
	assert_ok(tree_open(&z, merged.data, merged.len, err));
	assert_false(tree_fixture_has(&z, "a"));
	assert_true(tree_fixture_has(&z, "b"));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_store_setup, scratch_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_layer_comes_from_its_frames_with_a_file),
		TEST(a_chain_is_its_layers_merged),
		TEST(whiteouts_vanish_from_a_chain_of_one_layer),
		TEST(what_is_not_there_is_not_found),
		TEST(a_chain_above_a_missing_one_is_damage),
		TEST(a_tree_is_journalled_once_and_rebuilt_the_same),
		TEST(damaged_files_are_made_anew),
		TEST(a_right_file_without_a_stamp_is_used),
		TEST(other_bytes_get_another_number_and_the_old_is_stale),
		TEST(a_stale_number_asked_for_first_leads_to_the_new),
		TEST(what_a_newer_writer_made_stands),
		TEST(a_store_that_is_only_read_is_not_changed),
		TEST(damaged_frames_are_made_good_by_the_recipe),
		TEST(without_frames_and_recipe_it_is_damage),
		TEST(trees_in_memory_can_be_merged),
	};

	return cmocka_run_group_tests_name("forest", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * store/repack: content moves into other frames and stays what it was; what was moved once, what
 * is in use, and what cannot be read stays where it is. */
#include "tests/unit/check_fixture.h"

#include "store/gc.h"
#include "store/repack_private.h"

static struct repack_result repack_with(struct repack_options o)
{
	struct repack_result result;

	o.threads = 2;
	o.level = o.level ? o.level : 5;
	assert_ok(repack_run(scratch_store, &o, &result, err));
	return result;
}

static struct repack_result repack(void)
{
	return repack_with((struct repack_options){0});
}

static void content_moves_and_the_old_pack_goes(void **state)
{
	struct repack_result r;
	struct image a, b;

	(void)state;
	import_image("a", 1, &a);
	import_image("b", 5, &b);
	expect_layer(
		&a.layers[0]); /* what a reader has found already is elsewhere then */
	r = repack();
	assert_true(r.objects > 100);
	assert_int_equal(r.left + r.damaged + r.packs_busy, 0);
	assert_int_equal(r.packs_rewritten, 1);
	/* Nothing shrinks what this fixture is made of. */
	assert_true(r.bytes_after < r.bytes_before + r.bytes_before / 20);
	assert_int_equal(access(scratch_path(PACK_ONE), F_OK), -1);
	for (unsigned i = 0; i < 2; i++) {
		expect_layer(&a.layers[i]);
		expect_layer(&b.layers[i]);
	}
	expect_clean();
	close_store();
	remove_below("store/catalog");
	open_store(STORE_WRITE);
	expect_clean();
}

static void what_was_done_is_left_alone(void **state)
{
	struct repack_result r;
	uint64_t all;
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	all = repack().objects;
	assert_int_equal(repack().objects, 0);
	r = repack_with((struct repack_options){.level = 4});
	assert_int_equal(r.objects, 0);
	r = repack_with((struct repack_options){.level = 6, .dry_run = true});
	assert_int_equal(r.objects, all);
	import_image("b", 5, &a);
	r = repack();
	assert_true(r.objects > 0 && r.objects < all + 1);
	expect_clean();
	assert_int_equal(unlink(scratch_path("store/" REPACK_DONE_FILE)), 0);
	assert_true(repack().objects > all);
	expect_clean();
}

static void a_dry_run_changes_nothing(void **state)
{
	struct repack_result r;
	uint64_t journal, pack;
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	journal = file_size("store/journal");
	pack = file_size(PACK_ONE);
	reopen_store(0);
	r = repack_with((struct repack_options){.dry_run = true});
	assert_true(r.objects > 50);
	assert_int_equal(r.bytes_before, r.bytes_after);
	assert_int_equal(file_size("store/journal"), journal);
	assert_int_equal(file_size(PACK_ONE), pack);
	assert_int_equal(access(scratch_path("store/" REPACK_DONE_FILE), F_OK), -1);
}

static void a_store_that_is_only_read_is_refused(void **state)
{
	struct repack_options o = {0};
	struct repack_result r;
	struct err err;

	(void)state;
	reopen_store(0);
	assert_int_equal(repack_run(scratch_store, &o, &r, &err), -ERR_FAILED);
}

static void what_was_just_imported_is_in_use(void **state)
{
	struct repack_result r;
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	r = repack_with((struct repack_options){.min_age = 3600});
	assert_int_equal(r.objects, 0);
	assert_int_equal(r.packs_rewritten, 0);
}

static void what_nothing_needs_does_not_move(void **state)
{
	struct session *s = NULL;
	struct digest d;
	struct image a;
	uint64_t all;
	char text[1000];

	(void)state;
	import_image("a", 1, &a);
	all = repack_with((struct repack_options){.dry_run = true}).objects;
	memset(text, 'x', sizeof(text));
	digest_of(text, sizeof(text), &d);
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(session_put_object(s, &d, text, sizeof(text), NULL, NULL, err));
	assert_ok(session_keep(s, &d, err));
	{
		struct record_item item = {.type = RECORD_UNREF, .unref.name = "none"};

		assert_ok(session_add(s, &item, err));
	}
	assert_ok(session_commit(s, err));
	assert_int_equal(repack().objects, all);
	expect_clean();
}

static void a_pack_that_is_appended_to_waits(void **state)
{
	struct session *s = NULL;
	struct pack_place at;
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(session_put_frame(s, PACK_TREE, "x", 1, &at, err));
	assert_int_equal(at.pack, 1);
	assert_int_equal(repack().objects, 0);
	session_abort(s);
	assert_true(repack().objects > 0);
	expect_clean();
}

static void damage_stays_where_it_is(void **state)
{
	struct pack_place at;
	struct repack_result r;
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	at = frame_of(PACK_DATA, 0);
	flip(PACK_ONE, at.off + at.len - 5);
	r = repack();
	assert_true(r.damaged > 0);
	assert_true(r.objects > 0);
	assert_true(verify(100, NULL) > 0);
	assert_int_equal(access(scratch_path(PACK_ONE), F_OK), 0);
}

static void numbers_make_no_other_name(void **state)
{
	char out[64];

	(void)state;
	assert_int_equal(repack_names_plain("libc.so.6", 9, out), 9);
	assert_memory_equal(out, "libc.so.0", 9);
	assert_int_equal(repack_names_plain("v12.345-6", 9, out), 6);
	assert_memory_equal(out, "v0.0-0", 6);
	assert_int_equal(repack_names_plain("007", 3, out), 1);
	assert_int_equal(repack_names_plain("", 0, out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(content_moves_and_the_old_pack_goes),
		TEST(what_was_done_is_left_alone),
		TEST(a_dry_run_changes_nothing),
		TEST(a_store_that_is_only_read_is_refused),
		TEST(what_was_just_imported_is_in_use),
		TEST(what_nothing_needs_does_not_move),
		TEST(a_pack_that_is_appended_to_waits),
		TEST(damage_stays_where_it_is),
		TEST(numbers_make_no_other_name),
	};

	return cmocka_run_group_tests_name("repack", tests, NULL, NULL);
}

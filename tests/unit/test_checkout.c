/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of a checkout: trees and contents that an import would never have let in. */
#include "tests/unit/forest_store.h"

#include "tools/checkout/checkout.h"

static void put(const char *content, const char *bytes)
{
	struct digest d;
	uint64_t new;

	digest_of(content, strlen(content), &d);
	assert_ok(session_put_object(session, &d, bytes, strlen(bytes), "", &new, err));
}

/* Checks out the tree of M; its contents are put already. Gives the error's code. */
static int check_out(struct tree_model *m, struct checkout_counts *ret)
{
	const struct checkout_options options = {0};
	struct digest layer = add_layer("layer", m), chain = add_chain(NULL, &layer);
	struct forest_tree *t;
	auto_forest struct forest *f = NULL;
	struct err err = {0};
	int r;

	commit();
	f = forest_make(0);
	t = get_chain(f, &chain);
	r = checkout_write(scratch_store, scratch_objects, t, scratch_path("out"),
			   &options, ret, &err);
	forest_put(f, t);
	return r;
}

static void assert_nothing_left(void)
{
	assert_int_equal(access(scratch_path("out"), F_OK), -1);
	assert_int_equal(access(scratch_path("out.part"), F_OK), -1);
}

static struct tree_model *two_files(void)
{
	struct tree_model *m = tree_fixture_new();

	tree_fixture_dir(m, "etc");
	tree_fixture_file(m, "etc/passwd", "root");
	tree_fixture_file(m, "etc/again", "root");
	tree_fixture_link(m, "etc/link", "/");
	begin();
	return m;
}

static void a_tree_is_written_and_counted(void **state)
{
	struct tree_model *m = two_files();
	struct checkout_counts n;
	struct stat st;

	(void)state;
	put("root", "root");
	assert_int_equal(check_out(m, &n), 0);
	assert_int_equal(n.directories, 2);
	assert_int_equal(n.files, 2);
	assert_int_equal(n.symlinks, 1);
	assert_int_equal(n.bytes, 8);
	assert_int_equal(stat(scratch_path("out/etc/again"), &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(access(scratch_path("out.part"), F_OK), -1);
}

static void content_that_is_missing_is_damage(void **state)
{
	struct checkout_counts n;

	(void)state;
	assert_int_equal(check_out(two_files(), &n), -ERR_CORRUPT);
	assert_nothing_left();
}

static void content_of_another_digest_is_damage(void **state)
{
	struct tree_model *m = two_files();
	struct checkout_counts n;

	(void)state;
	put("root", "toor");
	assert_int_equal(check_out(m, &n), -ERR_CORRUPT);
	assert_nothing_left();
}

static void content_of_another_length_is_damage(void **state)
{
	struct tree_model *m = two_files();
	struct checkout_counts n;

	(void)state;
	put("root", "roo");
	assert_int_equal(check_out(m, &n), -ERR_CORRUPT);
	assert_nothing_left();
}

/* The forest would not give out such a tree. */
static void a_name_with_a_slash_is_damage(void **state)
{
	static const char name[] = "../outside";
	const struct tree_attr attr = {.mode = S_IFDIR | 0755};
	const struct checkout_options options = {0};
	struct tree_model *m = tree_fixture_new();
	struct forest_tree t = {.owner = TREE_OF_CHAIN};
	struct checkout_counts n;
	struct err why = {0};
	auto_buf struct buf image;
	tree_ref dir;

	(void)state;
	assert_ok(tree_model_inode(m, &attr, &dir, err));
	assert_ok(tree_model_link(m, TREE_ROOT, name, strlen(name), dir, err));
	tree_fixture_image(m, &image);
	assert_ok(tree_open(&t.tree, image.data, image.len, err));
	assert_int_equal(checkout_write(scratch_store, scratch_objects, &t,
					scratch_path("out"), &options, &n, &why),
			 -ERR_CORRUPT);
	assert_string_equal(why.msg, "a directory has a bad name");
	assert_nothing_left();
	assert_int_equal(access(scratch_path("outside"), F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_tree_is_written_and_counted,
						scratch_store_setup,
						scratch_store_teardown),
		cmocka_unit_test_setup_teardown(content_that_is_missing_is_damage,
						scratch_store_setup,
						scratch_store_teardown),
		cmocka_unit_test_setup_teardown(content_of_another_digest_is_damage,
						scratch_store_setup,
						scratch_store_teardown),
		cmocka_unit_test_setup_teardown(content_of_another_length_is_damage,
						scratch_store_setup,
						scratch_store_teardown),
		cmocka_unit_test_setup_teardown(a_name_with_a_slash_is_damage,
						scratch_store_setup,
						scratch_store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

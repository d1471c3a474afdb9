/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of trees in memory, made directly. */
#include "store/record.h"
#include "tests/unit/tree_fixture.h"

static struct tree_model *model_new(void)
{
	struct tree_model *m = NULL;

	assert_ok(tree_model_new(&m, err));
	return m;
}

static tree_ref add(struct tree_model *m, tree_ref dir, const char *name, uint32_t mode)
{
	const struct tree_attr attr = {.mode = mode};
	tree_ref ref = TREE_NONE;

	assert_ok(tree_model_inode(m, &attr, &ref, err));
	assert_ok(tree_model_link(m, dir, name, strlen(name), ref, err));
	return ref;
}

static void an_empty_tree_is_an_implied_root(void **state)
{
	auto_tree_model struct tree_model *m = model_new();

	(void)state;
	assert_tree(m, "/ 755 I\n");
	assert_int_equal(tree_model_count(m), 1);
	assert_int_equal(tree_model_nlink(m, TREE_ROOT), 2);
	assert_int_equal(tree_model_layer_flags(m), 0);
	assert_int_equal(tree_model_lookup(m, TREE_ROOT, "x", 1), TREE_NONE);
	tree_model_unlink(m, TREE_ROOT, "x", 1);
	tree_model_free(NULL);
}

static void attributes_come_back_and_belong_to_the_model(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	char name[] = "user.a", value[] = "v", link[] = "to";
	const struct tree_xattr xattr = {name, value, 1};
	struct tree_attr attr = {.mode = S_IFLNK | 0777,
				 .uid = 1,
				 .gid = 2,
				 .mtime = -3,
				 .mtime_nsec = 4,
				 .link = link,
				 .xattrs = &xattr,
				 .xattr_count = 1};
	struct tree_attr got;
	tree_ref ref;

	(void)state;
	assert_ok(tree_model_inode(m, &attr, &ref, err));
	memset(name, 'x', 6);
	value[0] = link[0] = 'x';
	tree_model_get(m, ref, &got);
	assert_int_equal(got.mode, S_IFLNK | 0777);
	assert_int_equal(got.uid, 1);
	assert_int_equal(got.gid, 2);
	assert_int_equal(got.mtime, -3);
	assert_int_equal(got.mtime_nsec, 4);
	assert_int_equal(got.size, 2);
	assert_string_equal(got.link, "to");
	assert_int_equal(got.xattr_count, 1);
	assert_string_equal(got.xattrs[0].name, "user.a");
	assert_memory_equal(got.xattrs[0].value, "v", 1);

	attr = (struct tree_attr){
		.mode = S_IFBLK | 0600, .rdev_major = 8, .rdev_minor = 1};
	assert_ok(tree_model_inode(m, &attr, &ref, err));
	tree_model_get(m, ref, &got);
	assert_int_equal(got.rdev_major, 8);
	assert_int_equal(got.rdev_minor, 1);
	assert_null(got.link);
	assert_int_equal(got.xattr_count, 0);
}

static void xattrs_are_sorted_and_the_last_of_a_name_counts(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	const struct tree_xattr xattrs[] = {{"user.b", "1", 1},
					    {"user.a", "2", 1},
					    {"user.b", "3", 1},
					    {"user.c", "", 0}};
	const struct tree_attr attr = {
		.mode = S_IFREG, .xattrs = xattrs, .xattr_count = 4};
	struct tree_attr got;
	tree_ref ref;

	(void)state;
	assert_ok(tree_model_inode(m, &attr, &ref, err));
	tree_model_get(m, ref, &got);
	assert_int_equal(got.xattr_count, 3);
	assert_string_equal(got.xattrs[0].name, "user.a");
	assert_string_equal(got.xattrs[1].name, "user.b");
	assert_memory_equal(got.xattrs[1].value, "3", 1);
	assert_int_equal(got.xattrs[2].value_len, 0);
}

static void set_replaces_all_but_the_type(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	const struct tree_attr attr = {.mode = S_IFREG | 0700, .uid = 5};
	struct tree_attr got;
	tree_ref dir = add(m, TREE_ROOT, "d", S_IFDIR | 0755);

	(void)state;
	add(m, dir, "x", S_IFREG);
	assert_ok(tree_model_set(m, dir, &attr, err));
	assert_ok(tree_model_set(m, TREE_ROOT, &attr, err));
	tree_model_get(m, dir, &got);
	assert_int_equal(got.mode, S_IFDIR | 0700);
	assert_int_equal(got.uid, 5);
	assert_tree(m, "/ 700\nd/ 700\nd/x\n");
}

static void a_digest_can_be_told_later(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	const struct digest d = digest_of_letter('q');
	const struct tree_attr attr = {.mode = S_IFREG, .size = 9};
	struct tree_attr got;
	tree_ref ref, link = TREE_NONE;

	(void)state;
	assert_ok(tree_model_inode(m, &attr, &ref, err));
	tree_model_set_digest(m, ref, &d);
	tree_model_get(m, ref, &got);
	assert_true(digest_equal(&got.digest, &d));
	assert_ok(entry_apply(m, "s l target", &link, err));
	tree_model_set_digest(m, link, &d); /* has none: nothing happens */
	tree_model_set_digest(m, TREE_ROOT, &d);
	assert_tree(m, "/ 755 I\nl > target\n");
}

static void links_and_directories_are_counted(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	tree_ref dir = add(m, TREE_ROOT, "d", S_IFDIR | 0755);
	tree_ref file = add(m, dir, "f", S_IFREG);

	(void)state;
	add(m, dir, "e", S_IFDIR | 0755);
	assert_ok(tree_model_link(m, TREE_ROOT, "g", 1, file, err));
	assert_ok(tree_model_link(m, TREE_ROOT, "g", 1, file, err));
	assert_int_equal(tree_model_nlink(m, file), 2);
	assert_int_equal(tree_model_nlink(m, dir), 3);
	assert_int_equal(tree_model_nlink(m, TREE_ROOT), 3);
	assert_int_equal(tree_model_count(m), 4);
	assert_int_equal(tree_model_refs(m), 4);
	assert_int_equal(tree_model_children(m, dir), 2);
	assert_int_equal(tree_model_children(m, file), 0);

	tree_model_unlink(m, TREE_ROOT, "d", 1);
	assert_int_equal(tree_model_nlink(m, file), 1);
	assert_int_equal(tree_model_nlink(m, TREE_ROOT), 2);
	assert_int_equal(tree_model_count(m), 2);
	assert_int_equal(tree_model_lookup(m, dir, "f", 1), TREE_NONE);
	assert_tree(m, "/ 755 I\ng\n");

	tree_model_unlink(m, TREE_ROOT, "g", 1);
	assert_int_equal(tree_model_count(m), 1);
	assert_ok(tree_model_link(m, TREE_ROOT, "again", 5, file, err));
	assert_int_equal(tree_model_count(m), 2);
	assert_tree(m, "/ 755 I\nagain\n");
}

static void names_that_cannot_be_are_refused(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	tree_ref dir = add(m, TREE_ROOT, "d", S_IFDIR | 0755);
	tree_ref file = add(m, TREE_ROOT, "f", S_IFREG);
	char name[300];

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_int_equal(tree_model_link(m, dir, "", 0, file, NULL), -ERR_INVALID);
	assert_int_equal(tree_model_link(m, dir, name, 256, file, NULL), -ERR_LIMIT);
	assert_int_equal(tree_model_link(m, file, "x", 1, file, NULL), -ERR_INVALID);
	assert_int_equal(tree_model_link(m, TREE_ROOT, "e", 1, dir, NULL), -ERR_INVALID);
	assert_int_equal(tree_model_link(m, dir, "r", 1, TREE_ROOT, NULL), -ERR_INVALID);
	assert_ok(tree_model_link(m, dir, name, 255, file, err));
	assert_int_equal(tree_model_lookup(m, dir, name, 256), TREE_NONE);
	assert_int_equal(tree_model_lookup(m, dir, name, 255), file);
}

static void deep_trees_end_at_the_longest_path_and_go_without_recursion(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	const struct tree_attr attr = {.mode = S_IFDIR | 0755};
	tree_ref dir = TREE_ROOT, next = TREE_NONE;
	unsigned depth = 0;
	int r;

	(void)state;
	for (;; depth++, dir = next) {
		assert_ok(tree_model_inode(m, &attr, &next, err));
		r = tree_model_link(m, dir, "d", 1, next, NULL);
		if (r < 0)
			break;
	}
	assert_int_equal(r, -ERR_LIMIT);
	assert_int_equal(depth, 2048);
	assert_int_equal(tree_model_count(m), 2049);
	tree_model_unlink(m, TREE_ROOT, "d", 1);
	assert_int_equal(tree_model_count(m), 1);
}

struct counting {
	unsigned count, stop_at;
};

static int count_names(void *arg, const char *name, size_t len, tree_ref inode,
		       struct err *err)
{
	struct counting *c = arg;

	(void)name;
	(void)inode;
	(void)err;
	assert_int_equal(len, 7);
	return ++c->count == c->stop_at ? 5 : 0;
}

static void a_large_directory_is_quick(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	struct counting all = {0}, some = {.stop_at = 10};
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "n%06u", i);
		add(m, TREE_ROOT, name, S_IFREG);
	}
	for (unsigned i = 0; i < 100000; i += 2) {
		snprintf(name, sizeof(name), "n%06u", i);
		tree_model_unlink(m, TREE_ROOT, name, 7);
	}
	for (unsigned i = 0; i < 100000; i += 4) {
		snprintf(name, sizeof(name), "n%06u", i);
		add(m, TREE_ROOT, name, S_IFREG);
	}
	assert_int_equal(tree_model_children(m, TREE_ROOT), 75000);
	assert_int_equal(tree_model_count(m), 75001);
	assert_ok(tree_model_each(m, TREE_ROOT, count_names, &all, err));
	assert_int_equal(all.count, 75000);
	assert_int_equal(tree_model_each(m, TREE_ROOT, count_names, &some, NULL), 5);
	assert_int_equal(some.count, 10);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "n%06u", i);
		assert_int_equal(tree_model_lookup(m, TREE_ROOT, name, 7) != TREE_NONE,
				 i % 4 != 2);
	}
}

static void the_layers_flags_tell_what_is_in_the_tree_now(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	const struct tree_xattr xattr = {"user.overlay.x", "", 0};
	const struct tree_attr attr = {
		.mode = S_IFREG, .xattrs = &xattr, .xattr_count = 1};
	tree_ref ref;

	(void)state;
	entries_apply(m, ENTRIES("d a", "f a/b", "f .wh.w", "c dev 1:3"));
	assert_int_equal(tree_model_layer_flags(m), 0);
	entries_apply(m, ENTRIES("f i/x"));
	assert_int_equal(tree_model_layer_flags(m), LAYER_IMPLIED_DIRS);
	entries_apply(m, ENTRIES("d i", "h h lower"));
	assert_int_equal(tree_model_layer_flags(m), LAYER_UNRESOLVED_LINKS);
	entries_apply(m, ENTRIES("f h", "c z 0:0"));
	assert_int_equal(tree_model_layer_flags(m), LAYER_OVERLAY_LOOKALIKE);
	entries_apply(m, ENTRIES("f z"));
	assert_int_equal(tree_model_layer_flags(m), 0);
	assert_ok(tree_model_inode(m, &attr, &ref, err));
	assert_int_equal(tree_model_layer_flags(m), 0);
	assert_ok(tree_model_link(m, TREE_ROOT, "x", 1, ref, err));
	assert_int_equal(tree_model_layer_flags(m), LAYER_OVERLAY_LOOKALIKE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_tree_is_an_implied_root),
		cmocka_unit_test(attributes_come_back_and_belong_to_the_model),
		cmocka_unit_test(xattrs_are_sorted_and_the_last_of_a_name_counts),
		cmocka_unit_test(set_replaces_all_but_the_type),
		cmocka_unit_test(a_digest_can_be_told_later),
		cmocka_unit_test(links_and_directories_are_counted),
		cmocka_unit_test(names_that_cannot_be_are_refused),
		cmocka_unit_test(
			deep_trees_end_at_the_longest_path_and_go_without_recursion),
		cmocka_unit_test(a_large_directory_is_quick),
		cmocka_unit_test(the_layers_flags_tell_what_is_in_the_tree_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

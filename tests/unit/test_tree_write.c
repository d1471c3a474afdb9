/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of writing tree images: what they hold, what they refuse, that they are the
 * same whatever the order of making. */
#include "tests/unit/scratch.h"
#include "tests/unit/tree_image_fixture.h"

static void fsck(const struct buf *image)
{
	char command[256];

	scratch_file("image", image->data, image->len);
	snprintf(command, sizeof(command),
		 "fsck.erofs %s >%s/out 2>&1 || { cat %s/out >&2; false; }",
		 scratch_path("image"), scratch_dir, scratch_dir);
	assert_int_equal(system(command), 0);
}

static void assert_good(struct tree_model *m)
{
	auto_buf struct buf image;
	struct tree t;

	image_make(m, &image);
	image_open(&image, &t);
	assert_int_equal(t.inodes, tree_model_count(m));
	assert_ok(tree_check(&t, err));
	fsck(&image);
}

static void an_image_of_everything_is_accepted(void **state)
{
	auto_tree_model struct tree_model *chain = zoo(false), *layer = zoo(true);

	(void)state;
	assert_good(chain);
	assert_good(layer);
}

static void an_empty_tree_is_an_image(void **state)
{
	auto_tree_model struct tree_model *m = model_new();

	(void)state;
	assert_good(m);
}

static void the_root_stands_behind_the_superblock(void **state)
{
	auto_tree_model struct tree_model *m = zoo(false);
	auto_buf struct buf image;

	(void)state;
	model_many(m, 3000);
	image_make(m, &image);
	assert_int_equal(get_le16(image.data + TREE_SUPER_OFFSET + TREE_SUPER_AT_ROOT),
			 TREE_ROOT_NID);
	assert_int_equal(get_le16(image.data + 1152 + TREE_INODE_MODE), S_IFDIR | 0711);
}

/* A root whose tail would reach over the first block's end has it elsewhere. */
static void a_root_of_any_size_is_accepted(void **state)
{
	char name[300];

	(void)state;
	for (unsigned count = 5; count < 40; count++) {
		auto_tree_model struct tree_model *m = model_new();

		for (unsigned i = 0; i < count; i++) {
			snprintf(name, sizeof(name), "%0200u", i);
			model_file(m, name, i);
		}
		assert_good(m);
	}
}

/* Sizes of directory data around a block, and inodes pushed to any place in it. */
static void directories_of_any_size_are_accepted(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	char path[300];

	(void)state;
	for (unsigned dir = 0; dir < 60; dir++) {
		snprintf(path, sizeof(path), "d%u", dir);
		model_mkdir(m, path);
		for (unsigned i = 0; i < dir * 2 + 14; i++) {
			snprintf(path, sizeof(path), "d%u/%0*u", dir, 180 + (int)dir, i);
			model_file(m, path, 0);
		}
	}
	assert_good(m);
}

/* "." and ".." take 27 bytes; two names fill the block to its last byte. */
static void fill_block(struct tree_model *m)
{
	uint32_t left = TREE_BLOCK - 27;
	char path[300];

	model_mkdir(m, "d");
	for (unsigned i = 0; left > 0; i++) {
		unsigned len = left >= 2 * 112 ? 100 : left - 12;

		snprintf(path, sizeof(path), "d/%0*u", (int)len, i);
		model_file(m, path, 0);
		left -= 12 + len;
	}
}

static void a_directory_that_fills_its_block_is_accepted(void **state)
{
	auto_tree_model struct tree_model *full = model_new(), *more = model_new();
	auto_buf struct buf image;
	struct tree_node node;
	struct tree t;

	(void)state;
	fill_block(full);
	image_make(full, &image);
	image_open(&image, &t);
	assert_ok(tree_check(&t, err));
	fsck(&image);
	node_at(&t, "d", &node);
	assert_int_equal(node.size, TREE_BLOCK);
	fill_block(more);
	model_file(more, "d/z", 0);
	assert_good(more);
}

static void a_large_directory_is_accepted(void **state)
{
	auto_tree_model struct tree_model *m = model_new();

	(void)state;
	model_many(m, 100000);
	assert_good(m);
}

static void deep(struct tree_model *m, bool downwards)
{
	model_mkdir(m, "d");
	for (unsigned i = 0; i < 50; i++) {
		char path[64];

		snprintf(path, sizeof(path), "d/%u", downwards ? 49 - i : i);
		model_mkdir(m, path);
		snprintf(path, sizeof(path), "d/%u/f", downwards ? 49 - i : i);
		model_file(m, path, 1);
	}
}

static void the_order_of_making_does_not_matter(void **state)
{
	auto_tree_model struct tree_model *up = model_new(), *down = model_new();
	auto_buf struct buf a, b;

	(void)state;
	deep(up, false);
	deep(down, true);
	model_file(down, "extra", 1);
	tree_model_unlink(down, TREE_ROOT, "extra", 5);
	image_make(up, &a);
	image_make(down, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

/* A walk with readdirplus reads on and on: what is in a directory lies in a row. */
static void inodes_lie_in_the_order_of_a_walk(void **state)
{
	auto_tree_model struct tree_model *m = model_new();
	auto_buf struct buf image;
	static const char *const order[] = {"a",   "b",     "c",     "a/x", "a/y",
					    "a/z", "a/y/1", "a/y/2", "b/x", "b/y"};
	static const char *const made[] = {"b", "b/y", "b/x", "a",     "a/z",
					   "c", "a/y", "a/x", "a/y/2", "a/y/1"};
	uint64_t before = TREE_ROOT_NID;
	struct tree t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		model_mkdir(m, made[i]);
	image_make(m, &image);
	image_open(&image, &t);
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		uint64_t nid = nid_of(&t, order[i]);

		assert_true(nid > before);
		before = nid;
	}
}

/* ---- what EROFS cannot hold ---- */

static void assert_refused(const struct tree_xattr *xattrs, uint32_t count, int code,
			   const char *text)
{
	const struct tree_attr attr = {
		.mode = S_IFREG | 0644, .xattrs = xattrs, .xattr_count = count};
	auto_tree_model struct tree_model *m = model_new();
	struct err err = {0};
	auto_buf struct buf image;

	buf_init(&image, 64 << 20);
	model_mkdir(m, "d");
	model_add(m, "d/f", &attr);
	assert_int_equal(tree_write(m, &image, &err), -code);
	if (!strstr(err.msg, text) || !strstr(err.msg, "'/d/f'"))
		fail_msg("'%s' is not like '%s'", err.msg, text);
}

static void xattrs_that_do_not_fit_are_refused(void **state)
{
	auto_free char *big = calloc(1, 65536);
	char long_name[300] = "user.";
	struct tree_xattr x[5] = {{"user.a", big, 65536}};

	(void)state;
	memset(long_name + 5, 'n', 251);
	assert_refused(x, 1, ERR_LIMIT, "65535 are the limit");
	x[0] = (struct tree_xattr){long_name, "", 0};
	assert_refused(x, 1, ERR_LIMIT, "xattr name of 256 bytes");
	x[0] = (struct tree_xattr){"btrfs.compression", "", 0};
	assert_refused(x, 1, ERR_LIMIT, "no place for xattr 'btrfs.compression'");
	x[0] = (struct tree_xattr){"user.", "", 0};
	assert_refused(x, 1, ERR_LIMIT, "no place for xattr 'user.'");
	x[0] = (struct tree_xattr){"trusted.overlay.redirect", "/x", 2};
	assert_refused(x, 1, ERR_INVALID, "is for overlayfs");
	for (unsigned i = 0; i < 5; i++) {
		static const char *const names[] = {"user.a", "user.b", "user.c",
						    "user.d", "user.e"};

		x[i] = (struct tree_xattr){names[i], big, 60000};
	}
	assert_refused(x, 5, ERR_LIMIT, "262148 are the limit");
}

static void the_largest_xattrs_are_accepted(void **state)
{
	auto_free char *big = calloc(1, 65535);
	static const char *const names[] = {"user.a", "user.b", "user.c", "user.d"};
	struct tree_xattr x[4];
	const struct tree_attr attr = {
		.mode = S_IFDIR | 0755, .xattrs = x, .xattr_count = 4};
	auto_tree_model struct tree_model *m = model_new();

	(void)state;
	/* 12 + 3 * 65540 + (4 + 1 + value) = 262148 with padding */
	for (unsigned i = 0; i < 4; i++)
		x[i] = (struct tree_xattr){names[i], big, i < 3 ? 65535 : 65511};
	model_add(m, "d", &attr);
	model_file(m, "d/f", 1);
	assert_good(m);
}

static void other_limits_are_refused_with_the_path(void **state)
{
	const struct tree_attr attrs[] = {
		{.mode = S_IFCHR | 0600, .rdev_major = 4096, .rdev_minor = 1},
		{.mode = S_IFBLK | 0600, .rdev_major = 1, .rdev_minor = 1 << 20},
		{.mode = S_IFREG | 0600, .size = TREE_FILE_MAX + 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(attrs); i++) {
		auto_tree_model struct tree_model *m = model_new();
		struct err err = {0};
		auto_buf struct buf image;

		buf_init(&image, 64 << 20);
		model_add(m, "x", &attrs[i]);
		assert_int_equal(tree_write(m, &image, &err), -ERR_LIMIT);
		assert_non_null(strstr(err.msg, "'/x': "));
	}
}

static void an_image_over_its_bound_is_refused(void **state)
{
	auto_tree_model struct tree_model *m = zoo(true);
	auto_buf struct buf image;

	(void)state;
	buf_init(&image, 3000);
	assert_int_equal(tree_write(m, &image, NULL), -ERR_LIMIT);
}

static int setup(void **state)
{
	(void)state;
	scratch_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_of_everything_is_accepted),
		cmocka_unit_test(an_empty_tree_is_an_image),
		cmocka_unit_test(the_root_stands_behind_the_superblock),
		cmocka_unit_test(a_root_of_any_size_is_accepted),
		cmocka_unit_test(directories_of_any_size_are_accepted),
		cmocka_unit_test(a_directory_that_fills_its_block_is_accepted),
		cmocka_unit_test(a_large_directory_is_accepted),
		cmocka_unit_test(the_order_of_making_does_not_matter),
		cmocka_unit_test(inodes_lie_in_the_order_of_a_walk),
		cmocka_unit_test(xattrs_that_do_not_fit_are_refused),
		cmocka_unit_test(the_largest_xattrs_are_accepted),
		cmocka_unit_test(other_limits_are_refused_with_the_path),
		cmocka_unit_test(an_image_over_its_bound_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

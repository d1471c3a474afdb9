/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the check of a whole tree image. */
#include "tests/unit/tree_image_fixture.h"

static void assert_bad(const struct buf *image, const char *text)
{
	struct err err = {0};
	struct tree t;

	image_open(image, &t);
	assert_int_equal(tree_check(&t, &err), -ERR_CORRUPT);
	if (!strstr(err.msg, text))
		fail_msg("'%s' is not like '%s'", err.msg, text);
}

static void a_check_finds_what_a_reader_would_not(void **state)
{
	auto_tree_model struct tree_model *m = model_little();
	auto_buf struct buf image;
	uint8_t *f, *d, *name;
	struct tree t;

	(void)state;
	image_make(m, &image);
	image_open(&image, &t);
	f = image.data + nid_of(&t, "f") * 32;
	d = image.data + nid_of(&t, "d") * 32;
	put_le32(f + TREE_INODE_NLINK, 3);
	assert_bad(&image, "wrong link count");
	put_le32(f + TREE_INODE_NLINK, 1);
	assert_bad(&image, "one name too many");
	put_le32(f + TREE_INODE_NLINK, 2);
	put_le32(d + TREE_INODE_NLINK, 7);
	assert_bad(&image, "wrong link count");
	put_le32(d + TREE_INODE_NLINK, 2);
	name = d + TREE_INODE_CORE;
	put_le64(name, TREE_ROOT_NID);
	assert_bad(&image, "leads astray");
	put_le64(name, nid_of(&t, "d"));
	/* the third entry, a file, becomes the root: a cycle */
	put_le64(name + 2 * TREE_DIRENT_SIZE, TREE_ROOT_NID);
	assert_bad(&image, "its type is not as its directory says");
	name[2 * TREE_DIRENT_SIZE + TREE_DIRENT_TYPE] = TREE_TYPE_DIR;
	assert_bad(&image, "one name too many");
	put_le64(name + 2 * TREE_DIRENT_SIZE, nid_of(&t, "f"));
	name[2 * TREE_DIRENT_SIZE + TREE_DIRENT_TYPE] = TREE_TYPE_FILE;
	name[4 * TREE_DIRENT_SIZE + 3] = '.';
	assert_bad(&image, "damaged directory");
	name[4 * TREE_DIRENT_SIZE + 3] = '/';
	assert_bad(&image, "impossible name");
	name[4 * TREE_DIRENT_SIZE + 3] = 'g';
	image_open(&image, &t);
	assert_ok(tree_check(&t, err));
}

static void a_tree_of_another_writer_is_refused(void **state)
{
	auto_tree_model struct tree_model *m = model_little();
	auto_buf struct buf image;
	struct tree t;

	(void)state;
	image_make(m, &image);
	put_le32(image.data + TREE_HEADER_VERSION, TREE_WRITER_VERSION + 1);
	assert_int_equal(tree_open(&t, image.data, image.len, NULL), -ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_check_finds_what_a_reader_would_not),
		cmocka_unit_test(a_tree_of_another_writer_is_refused),
	};

	return cmocka_run_group_tests_name("tree_check", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the comparison of two trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "store/tree_diff.h"
#include "tests/unit/forest_fixture.h"

struct pair {
	struct tree_model *a, *b;
	char text[4096];
	size_t len;
	int stop_after; /* 0: never */
};

static int take(void *arg, char what, const char *path, const struct tree_node *a,
		const struct tree_node *b, struct err *err)
{
	struct pair *p = arg;

	(void)err;
	assert_true((what == 'A') == !a);
	assert_true((what == 'D') == !b);
	assert_true(what == 'A' || what == 'C' || what == 'D');
	p->len += (size_t)snprintf(p->text + p->len, sizeof(p->text) - p->len, "%c %s\n",
				   what, path);
	return p->stop_after && --p->stop_after == 0 ? 7 : 0;
}

/* Frees the models. */
static int compare(struct pair *p)
{
	auto_buf struct buf a, b;
	struct tree x, y;
	struct err err = {0};
	int r;

	tree_fixture_image(p->a, &a);
	tree_fixture_image(p->b, &b);
	assert_int_equal(tree_open(&x, a.data, a.len, &err), 0);
	assert_int_equal(tree_open(&y, b.data, b.len, &err), 0);
	p->len = 0;
	p->text[0] = '\0';
	r = tree_diff(&x, &y, take, p, &err);
	if (r < 0)
		fail_msg("%s", err.msg);
	return r;
}

static struct pair pair_new(void)
{
	return (struct pair){.a = tree_fixture_new(), .b = tree_fixture_new()};
}

static void expect(struct pair *p, const char *text)
{
	assert_int_equal(compare(p), 0);
	assert_string_equal(p->text, text);
}

static void fill(struct tree_model *m)
{
	tree_fixture_dir(m, "etc");
	tree_fixture_file(m, "etc/passwd", "root");
	tree_fixture_link(m, "etc/mtab", "/proc/mounts");
	tree_fixture_dir(m, "etc/ssl");
	tree_fixture_file(m, "etc/ssl/cert", "c");
	tree_fixture_file(m, "etc-old", "");
}

static void equal_trees_have_no_difference(void **state)
{
	struct pair p = pair_new();

	(void)state;
	fill(p.a);
	fill(p.b);
	expect(&p, "");
	p = pair_new();
	expect(&p, "");
}

static void added_and_deleted_names_come_in_path_order(void **state)
{
	struct pair p = pair_new();

	(void)state;
	fill(p.a);
	tree_fixture_file(p.b, "a", "");
	tree_fixture_dir(p.b, "etc");
	tree_fixture_file(p.b, "etc/passwd", "root");
	tree_fixture_dir(p.b, "etc/new");
	tree_fixture_dir(p.b, "etc/new/deep");
	tree_fixture_file(p.b, "etc/new/deep/f", "x");
	tree_fixture_file(p.b, "etc/new/g", "x");
	tree_fixture_file(p.b, "etcetera", "x");
	expect(&p, "A /a\n"
		   "D /etc/mtab\n"
		   "A /etc/new\n"
		   "A /etc/new/deep\n"
		   "A /etc/new/deep/f\n"
		   "A /etc/new/g\n"
		   "D /etc/ssl\n"
		   "D /etc-old\n"
		   "A /etcetera\n");
}

static void a_name_that_begins_like_another_is_another(void **state)
{
	struct pair p = pair_new();

	(void)state;
	tree_fixture_file(p.a, "ab", "");
	tree_fixture_file(p.b, "a", "");
	tree_fixture_file(p.b, "abc", "");
	expect(&p, "A /a\nD /ab\nA /abc\n");
}

/* One file, different in one attribute. */
static void expect_changed(const struct tree_attr *a, const struct tree_attr *b,
			   const char *text)
{
	struct pair p = pair_new();

	tree_fixture_add(p.a, "f", a);
	tree_fixture_add(p.b, "f", b);
	expect(&p, text);
}

static void every_attribute_of_a_file_counts(void **state)
{
	const struct tree_attr a = tree_fixture_file_attr("content");
	struct tree_attr b = tree_fixture_file_attr("CONTENT");

	(void)state;
	expect_changed(&a, &a, "");
	expect_changed(&a, &b, "C /f\n");
	b = a;
	b.mode = S_IFREG | 0600;
	expect_changed(&a, &b, "C /f\n");
	b = a;
	b.uid = 1;
	expect_changed(&a, &b, "C /f\n");
	b = a;
	b.gid = 1;
	expect_changed(&a, &b, "C /f\n");
	b = a;
	b.mtime++;
	expect_changed(&a, &b, "C /f\n");
	b = a;
	b.mtime_nsec++;
	expect_changed(&a, &b, "C /f\n");
	b = tree_fixture_file_attr("");
	expect_changed(&a, &b, "C /f\n");
}

static void links_and_devices_count(void **state)
{
	struct tree_attr a = {.mode = S_IFCHR | 0600, .rdev_major = 5, .rdev_minor = 1};
	struct tree_attr b = a;
	struct pair p = pair_new();

	(void)state;
	expect_changed(&a, &b, "");
	b.rdev_minor = 2;
	expect_changed(&a, &b, "C /f\n");
	b.mode = S_IFBLK | 0600;
	expect_changed(&a, &b, "C /f\n");
	tree_fixture_link(p.a, "l", "to/a");
	tree_fixture_link(p.b, "l", "to/b");
	tree_fixture_link(p.a, "m", "same");
	tree_fixture_link(p.b, "m", "same");
	expect(&p, "C /l\n");
}

static void of_directories_all_but_the_time_counts(void **state)
{
	struct tree_attr a = {.mode = S_IFDIR | 0755, .mtime = 1};
	struct tree_attr b = {.mode = S_IFDIR | 0755, .mtime = 2};

	(void)state;
	expect_changed(&a, &b, "");
	b.flags = TREE_IMPLIED;
	expect_changed(&a, &b, "");
	b.mode = S_IFDIR | 0700;
	expect_changed(&a, &b, "C /f\n");
}

static void the_root_is_compared_too(void **state)
{
	struct pair p = pair_new();
	struct tree_attr attr;

	(void)state;
	tree_model_get(p.b, TREE_ROOT, &attr);
	attr.mode = S_IFDIR | 0700;
	assert_int_equal(tree_model_set(p.b, TREE_ROOT, &attr, NULL), 0);
	tree_fixture_dir(p.b, "d");
	expect(&p, "C /\nA /d\n");
}

static void xattrs_count_in_whatever_order(void **state)
{
	static const struct tree_xattr one[] = {{"user.a", "1", 1}, {"user.b", "22", 2}};
	static const struct tree_xattr two[] = {{"user.b", "22", 2}, {"user.a", "1", 1}};
	static const struct tree_xattr three[] = {{"user.a", "2", 1},
						  {"user.b", "22", 2}};
	struct tree_attr a = tree_fixture_file_attr("content"), b = a;

	(void)state;
	a.xattrs = one;
	a.xattr_count = b.xattr_count = 2;
	b.xattrs = two;
	expect_changed(&a, &b, "");
	b.xattrs = three;
	expect_changed(&a, &b, "C /f\n");
	b.xattr_count = 1;
	expect_changed(&a, &b, "C /f\n");
	b.xattr_count = 0;
	expect_changed(&a, &b, "C /f\n");
	expect_changed(&b, &a, "C /f\n");
}

static void another_type_is_a_change_and_new_content_is_added(void **state)
{
	struct pair p = pair_new();

	(void)state;
	tree_fixture_dir(p.a, "x");
	tree_fixture_file(p.a, "x/in", "1");
	tree_fixture_file(p.b, "x", "1");
	tree_fixture_file(p.a, "y", "1");
	tree_fixture_dir(p.b, "y");
	tree_fixture_file(p.b, "y/in", "1");
	expect(&p, "C /x\nC /y\nA /y/in\n");
}

static void hardlinks_that_a_layer_cannot_show_are_not_there(void **state)
{
	const struct tree_attr hidden = {
		.mode = S_IFREG,
		.flags = TREE_UNRESOLVED,
		.link = "below/file",
	};
	struct pair p = pair_new();

	(void)state;
	tree_fixture_add(p.b, "f", &hidden);
	tree_fixture_file(p.a, "g", "1");
	tree_fixture_add(p.b, "g", &hidden);
	expect(&p, "D /g\n");
}

static void the_callback_can_stop(void **state)
{
	struct pair p = pair_new();

	(void)state;
	fill(p.b);
	p.stop_after = 2;
	assert_int_equal(compare(&p), 7);
	assert_string_equal(p.text, "A /etc\nA /etc/mtab\n");
}

static int count(void *arg, char what, const char *path, const struct tree_node *a,
		 const struct tree_node *b, struct err *err)
{
	(void)what;
	(void)path;
	(void)a;
	(void)b;
	(void)err;
	++*(unsigned *)arg;
	return 0;
}

static void the_deepest_path_is_walked(void **state)
{
	const struct tree_attr attr = {.mode = S_IFDIR | 0755};
	struct tree_model *m = tree_fixture_new();
	auto_buf struct buf deep, empty;
	struct tree x, y;
	tree_ref dir = TREE_ROOT;
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		tree_ref child;

		assert_int_equal(tree_model_inode(m, &attr, &child, NULL), 0);
		assert_int_equal(tree_model_link(m, dir, "d", 1, child, NULL), 0);
		dir = child;
	}
	tree_fixture_image(m, &deep);
	tree_fixture_image(tree_fixture_new(), &empty);
	assert_int_equal(tree_open(&x, empty.data, empty.len, NULL), 0);
	assert_int_equal(tree_open(&y, deep.data, deep.len, NULL), 0);
	assert_int_equal(tree_diff(&x, &y, count, &found, NULL), 0);
	assert_int_equal(found, 2000);
	found = 0;
	assert_int_equal(tree_diff(&y, &x, count, &found, NULL), 0);
	assert_int_equal(found, 1);
}

static void no_damaged_byte_leads_astray(void **state)
{
	struct tree_model *m = tree_fixture_new();
	auto_buf struct buf image, other;
	struct tree x, y;
	unsigned found = 0;

	(void)state;
	fill(m);
	tree_fixture_image(m, &image);
	tree_fixture_image(tree_fixture_new(), &other);
	assert_int_equal(tree_open(&y, other.data, other.len, NULL), 0);
	for (size_t i = 0; i < image.len; i++)
		for (unsigned bit = 0; bit < 8; bit += 3) {
			/* An exact copy, so that a read beyond it is seen. */
			auto_free uint8_t *copy = malloc(image.len);
			int r;

			memcpy(copy, image.data, image.len);
			copy[i] ^= (uint8_t)(1u << bit);
			if (tree_open(&x, copy, image.len, NULL) < 0)
				continue;
			r = tree_diff(&y, &x, count, &found, NULL);
			assert_true(r == 0 || r == -ERR_CORRUPT || r == -ERR_LIMIT);
			r = tree_diff(&x, &x, count, &found, NULL);
			assert_true(r == 0 || r == -ERR_CORRUPT || r == -ERR_LIMIT);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_trees_have_no_difference),
		cmocka_unit_test(added_and_deleted_names_come_in_path_order),
		cmocka_unit_test(a_name_that_begins_like_another_is_another),
		cmocka_unit_test(every_attribute_of_a_file_counts),
		cmocka_unit_test(links_and_devices_count),
		cmocka_unit_test(of_directories_all_but_the_time_counts),
		cmocka_unit_test(the_root_is_compared_too),
		cmocka_unit_test(xattrs_count_in_whatever_order),
		cmocka_unit_test(another_type_is_a_change_and_new_content_is_added),
		cmocka_unit_test(hardlinks_that_a_layer_cannot_show_are_not_there),
		cmocka_unit_test(the_callback_can_stop),
		cmocka_unit_test(the_deepest_path_is_walked),
		cmocka_unit_test(no_damaged_byte_leads_astray),
	};

	return cmocka_run_group_tests_name("tree_diff", tests, NULL, NULL);
}

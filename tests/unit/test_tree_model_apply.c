/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the rules by which the entries of a tar become a layer's tree. */
#include "tests/unit/tree_fixture.h"

static void assert_layer(const char *const *entries, const char *expected)
{
	struct tree_model *m = NULL;

	assert_ok(tree_model_new(&m, err));
	entries_apply(m, entries);
	assert_tree(m, expected);
	tree_model_free(m);
}

static void assert_refused(const char *const *entries, enum err_code code,
			   const char *text)
{
	struct err why = {0};
	struct tree_model *m = NULL;
	tree_ref ref = 12345;

	assert_int_equal(tree_model_new(&m, &why), 0);
	for (; entries[1]; entries++)
		assert_ok(entry_apply(m, *entries, NULL, err));
	assert_int_equal(entry_apply(m, *entries, &ref, &why), -(int)code);
	assert_int_equal(ref, 12345);
	if (!strstr(why.msg, text))
		fail_msg("'%s' is not in '%s'", text, why.msg);
	tree_model_free(m);
}

#define LAYER(expected, ...)     assert_layer(ENTRIES(__VA_ARGS__), expected)
#define REFUSED(code, text, ...) assert_refused(ENTRIES(__VA_ARGS__), code, text)

static void paths_are_cleaned(void **state)
{
	(void)state;
	LAYER("/ 755 I\na/ 700\na/b\na/c x\nd/ 755\nd/e\n", "d ./a/ 700", "f /a/b",
	      "f a//./c x", "d d/./", "f .//d///e");
	LAYER("/ 711\n", "d ./ 711");
	LAYER("/ 711\n", "d / 711");
	LAYER("/ 711\na\n", "f a", "d . 711");
	LAYER("...\n..b\n.a\n/ 755 I\na./ 755 I\na./.c\n", "f .a", "f ..b", "f ...",
	      "f a./.c");
}

static void paths_that_leave_or_are_too_long_are_refused(void **state)
{
	static char name[400], path[6000], most[6000];

	(void)state;
	REFUSED(ERR_INVALID, "'../a': '..' in the path", "f ../a");
	REFUSED(ERR_INVALID, "..", "f a/../b");
	REFUSED(ERR_INVALID, "..", "d a/..");
	REFUSED(ERR_INVALID, "..", "d ../");
	REFUSED(ERR_INVALID, "empty", "f ");
	REFUSED(ERR_INVALID, "root", "f ./");
	REFUSED(ERR_INVALID, "root", "s / target");
	REFUSED(ERR_INVALID, "hardlink target '../x'", "h a ../x");
	REFUSED(ERR_INVALID, "hardlink target ''", "h a ");
	REFUSED(ERR_INVALID, "target", "s a ");
	snprintf(name, sizeof(name), "f %0256d", 1);
	REFUSED(ERR_LIMIT, "longer than 255", name);
	snprintf(name, sizeof(name), "f %0256d/x", 1);
	REFUSED(ERR_LIMIT, "longer than 255", name);
	memset(path, 'p', sizeof(path) - 1);
	for (size_t i = 100; i < sizeof(path); i += 100)
		path[i] = '/';
	memcpy(path, "f ", 2);
	memcpy(most, path, 2 + 4096);
	REFUSED(ERR_LIMIT, "longer than 4096", path);
	path[2 + 4097] = '\0';
	REFUSED(ERR_LIMIT, "longer than 4096", path);
	most[2 + 4095] = '\0';
	{
		auto_tree_model struct tree_model *m = NULL;

		assert_ok(tree_model_new(&m, err));
		assert_ok(entry_apply(m, most, NULL, err));
	}
}

static void missing_parents_are_implied_until_they_come(void **state)
{
	LAYER("/ 755 I\na/ 755 I\na/b/ 755 I\na/b/c\n", "f a/b/c");
	LAYER("/ 755 I\na/ 755 I\na/b/ 700\na/b/c\n", "f a/b/c", "d a/b 700");
	LAYER("/ 755 I\na/ 755 I\na/b W\n", "f a/.wh.b");
	(void)state;
}

static void whiteouts_never_hide_what_the_layer_has(void **state)
{
	(void)state;
	LAYER("/ 755 I\na W\n", "f .wh.a");
	LAYER("/ 755 I\na W\n", "f .wh.a", "f .wh.a");
	LAYER("/ 755 I\na x\n", "f .wh.a", "f a x");
	LAYER("/ 755 I\na x\n", "f a x", "f .wh.a");
	LAYER("/ 755 I\na > t\n", "s a t", "f .wh.a");
	LAYER("/ 755 I\na ? l\n", "h a l", "f .wh.a");
	LAYER("/ 755 I\na/ 700 O\n", "f .wh.a", "d a 700");
	LAYER("/ 755 I\na/ 700 O\n", "d a 700", "f .wh.a");
	LAYER("/ 755 I\na/ 700 O\na/b\n", "d a 700", "f a/b", "f .wh.a");
}

static void a_removed_directory_that_comes_back_by_its_children_is_new(void **state)
{
	(void)state;
	LAYER("/ 755 I\na/ 755 O\na/b\n", "f .wh.a", "f a/b");
	LAYER("/ 755 I\na/ 755 O\na/b\n", "f a/b", "f .wh.a");
	LAYER("/ 755 I\na/ 700 O\na/b\n", "f a/b", "f .wh.a", "d a 700");
}

static void opaque_marks_work_in_any_order(void **state)
{
	(void)state;
	LAYER("/ 755 I\na/ 700 O\na/b\n", "d a 700", "f a/.wh..wh..opq", "f a/b");
	LAYER("/ 755 I\na/ 700 O\na/b\n", "f a/b", "f a/.wh..wh..opq", "d a 700");
	LAYER("/ 755 I\na/ 755 OI\n", "f a/.wh..wh..opq");
	LAYER("/ 755 OI\n", "f .wh..wh..opq");
	LAYER("/ 711 O\n", "f ./.wh..wh..opq", "d ./ 711");
}

static void other_marks_are_ignored_or_refused(void **state)
{
	auto_tree_model struct tree_model *m = NULL;
	tree_ref ref = 1;

	LAYER("/ 755 I\n", "f .wh..wh.aufs", "d .wh..wh.plnk/", "f .wh..wh.plnk/1.2 x",
	      "f a/.wh..wh.orph", "f .wh..wh.orph/x/y");
	REFUSED(ERR_INVALID, "whiteout of no name", "f a/.wh.");
	REFUSED(ERR_INVALID, "whiteout of no name", "f .wh..");
	REFUSED(ERR_INVALID, "whiteout of no name", "f .wh...");
	REFUSED(ERR_INVALID, "..", "f a/../.wh..wh.x");
	assert_ok(tree_model_new(&m, err));
	assert_ok(entry_apply(m, "f .wh.x", &ref, err));
	assert_int_equal(ref, TREE_NONE);
	(void)state;
}

static void files_that_aufs_hardlinked_are_found(void **state)
{
	auto_tree_model struct tree_model *m = NULL;
	const struct digest d = digest_of_letter('q');
	tree_ref ref = TREE_NONE;

	(void)state;
	assert_ok(tree_model_new(&m, err));
	assert_ok(entry_apply(m, "f ./.wh..wh.plnk/1.2 x", &ref, err));
	assert_int_not_equal(ref, TREE_NONE);
	tree_model_set_digest(m, ref, &d);
	entries_apply(m, ENTRIES("h a .wh..wh.plnk/1.2", "h b /.wh..wh.plnk/1.2",
				 "h c .wh..wh.plnk/9"));
	assert_tree(m, "/ 755 I\na q *2\nb q *2\nc ? .wh..wh.plnk/9\n");
	assert_int_equal(tree_model_count(m), 3);
}

static void parents_that_are_symlinks_are_followed(void **state)
{
	(void)state;
	LAYER("/ 755 I\nlib > usr/lib\nusr/ 755 I\nusr/lib/ 755 I\nusr/lib/a x\n",
	      "s lib usr/lib", "f lib/a x");
	LAYER("/ 755 I\na/ 755\na/l > ../../../b\nb/ 755\nb/x\n", "d a", "d b",
	      "s a/l ../../../b", "f a/l/x");
	LAYER("/ 755 I\na/ 755\na/b/ 755 I\na/b/x\na/l > /a/./b/\n", "d a",
	      "s a/l /a/./b/", "f a/l/x");
	LAYER("/ 755 I\nl > /\nx\n", "s l /", "f l/l/l/x");
	LAYER("/ 755 I\na/ 755 I\na/b W\nl > a\n", "s l a", "f l/.wh.b");
	LAYER("/ 755 I\na/ 755 OI\nl > a\n", "s l a", "f l/.wh..wh..opq");
	LAYER("/ 755 I\na/ 755 O\na/x\nl > a\n", "s l a", "f .wh.a", "f l/x");
}

static void the_last_name_is_never_followed(void **state)
{
	(void)state;
	LAYER("/ 755 I\na/ 755\nl/ 700 O\n", "d a", "s l a", "d l 700");
	LAYER("/ 755 I\na/ 755\nl x\n", "d a", "s l a", "f l x");
}

static void links_in_a_circle_are_refused(void **state)
{
	const char *entries[64];
	static char texts[64][32];
	unsigned n = 0;

	(void)state;
	REFUSED(ERR_INVALID, "too many symbolic links", "s a b", "s b a", "f a/x");
	REFUSED(ERR_INVALID, "too many symbolic links", "s a a/a", "f a/x");
	REFUSED(ERR_INVALID, "too many symbolic links", "s a a", "h x a/b");
	for (; n < 41; n++) {
		snprintf(texts[n], sizeof(texts[n]), "s l%u l%u", n + 1, n);
		entries[n] = texts[n];
	}
	entries[n++] = "f l40/x";
	entries[n] = NULL;
	assert_layer(ENTRIES("s l1 l0", "f l1/x"), "/ 755 I\nl0/ 755 I\nl0/x\nl1 > l0\n");
	{
		auto_tree_model struct tree_model *m = NULL;

		assert_ok(tree_model_new(&m, err));
		entries_apply(m, entries);
		assert_int_not_equal(ref_at(m, "l0/x"), TREE_NONE);
	}
	entries[n - 1] = "f l41/x";
	assert_refused(entries, ERR_INVALID, "too many symbolic links");
}

static void the_known_parent_is_forgotten_when_it_changes(void **state)
{
	(void)state;
	LAYER("/ 755 I\na > b\nb/ 755 I\nb/y\n", "f a/x", "s a b", "f a/y");
	LAYER("/ 755 I\nb/ 755 I\nb/x\nl/ 755 O\nl/y\n", "s l b", "f l/x", "d l",
	      "f l/y");
	LAYER("/ 755 I\na/ 755 O\na/y\n", "f a/x", "f a", "f a/y");
}

static void parents_that_are_no_directories_are_replaced(void **state)
{
	(void)state;
	LAYER("/ 755 I\na/ 755 O\na/b\n", "f a x", "f a/b");
	LAYER("/ 755 I\na/ 755 O\na/b/ 755 I\na/b/c\n", "c a 1:3", "f a/b/c");
	LAYER("/ 755 I\na/ 755 O\na/b\n", "h a lower", "f a/b");
}

static void entries_replace_what_was_there(void **state)
{
	(void)state;
	LAYER("/ 755 I\na y\n", "f a x", "f a y");
	LAYER("/ 755 I\na/ 700\na/b\n", "d a", "f a/b", "d a 700");
	LAYER("/ 755 I\na x\n", "d a", "d a/b", "f a/b/c", "f a x");
	LAYER("/ 755 I\na/ 755 O\n", "f a x", "d a");
	LAYER("/ 755 I\na/ 755 O\n", "d a", "f a/b", "f a", "d a");
	LAYER("/ 755 I\na > t\n", "d a", "f a/b", "s a t");
	LAYER("/ 755 I\na x\nb x\n", "f a x", "h b a", "f b x");
}

static void hardlinks_join_inodes_of_the_layer(void **state)
{
	(void)state;
	LAYER("/ 755 I\na x *3\nb x *3\nd/ 755 I\nd/c x *3\n", "f a x", "h b ./a",
	      "h d/c /b");
	LAYER("/ 755 I\na > t *2\nb > t *2\n", "s a t", "h b a");
	LAYER("/ 755 I\na x\n", "f a x", "h a a");
	LAYER("/ 755 I\nd/ 755\nd/a x *2\nl > d\nm x *2\n", "d d", "f d/a x", "s l d",
	      "h m l/a");
	/* The link takes the place of its target's directory, or of its target. */
	LAYER("/ 755 I\nd x\n", "d d", "f d/a x", "h d d/a");
	LAYER("/ 755 I\na/ 755 O\na/b x\n", "f a x", "h a/b a");
	REFUSED(ERR_INVALID, "hardlink to a directory", "d d", "h a d");
	REFUSED(ERR_INVALID, "hardlink to a directory", "h a /");
}

static void hardlinks_to_lower_layers_keep_their_path(void **state)
{
	auto_tree_model struct tree_model *m = NULL;
	tree_ref first = TREE_NONE, second = TREE_NONE;
	struct tree_attr attr;

	(void)state;
	LAYER("/ 755 I\na ? x/y\n", "h a ./x//y/");
	LAYER("/ 755 I\nlib > usr/lib\nm ? usr/lib/a\n", "s lib usr/lib", "h m lib/a");
	LAYER("/ 755 I\nl > d/../e\nm ? d/../e/f/a\n", "s l d/../e", "h m l/f/a");
	LAYER("/ 755 I\nm ? w\nw W\n", "f .wh.w", "h m w");
	LAYER("/ 755 I\nd/ 755\nm ? d/a\n", "d d", "h m d/a");
	LAYER("/ 755 I\nf\nm ? f/a\n", "f f", "h m f/a");
	assert_ok(tree_model_new(&m, err));
	assert_ok(entry_apply(m, "h a low", &first, err));
	assert_ok(entry_apply(m, "h b a", &second, err));
	assert_int_equal(first, second);
	assert_tree(m, "/ 755 I\na ? low *2\nb ? low *2\n");
	tree_model_get(m, first, &attr);
	assert_int_equal(attr.mode, S_IFREG);
	assert_int_equal(attr.size, 0);
}

static void devices_zero_are_no_whiteouts(void **state)
{
	(void)state;
	LAYER("/ 755 I\nd 1:3\nz 0:0 Z\n", "c z 0:0", "c d 1:3");
	LAYER("/ 755 I\nz 0:0 Z\n", "f .wh.z", "c z 0:0");
}

static void overlay_xattrs_are_escaped(void **state)
{
	static const struct tar_xattr xattrs[] = {
		{"user.overlay.opaque", 19, "y", 1},
		{"trusted.overlay.opaque", 22, "y", 1},
		{"trusted.overlay.overlay.x", 25, "", 0},
		{"trusted.overlayx", 16, "", 0},
	};
	static const struct tar_xattr bad[] = {{"user.a\0b", 8, "", 0}};
	struct tar_entry e = {.type = TAR_DIR,
			      .path = "d",
			      .path_len = 1,
			      .xattrs = xattrs,
			      .xattr_count = 4};
	auto_tree_model struct tree_model *m = NULL;
	struct tree_attr attr;
	tree_ref ref;

	(void)state;
	assert_ok(tree_model_new(&m, err));
	assert_ok(tree_model_apply(m, &e, NULL, &ref, err));
	tree_model_get(m, ref, &attr);
	assert_int_equal(attr.xattr_count, 4);
	assert_string_equal(attr.xattrs[0].name, "trusted.overlay.overlay.opaque");
	assert_string_equal(attr.xattrs[1].name, "trusted.overlay.overlay.overlay.x");
	assert_string_equal(attr.xattrs[2].name, "trusted.overlayx");
	assert_string_equal(attr.xattrs[3].name, "user.overlay.opaque");
	e.xattr_count = 0;
	assert_ok(tree_model_apply(m, &e, NULL, &ref, err));
	tree_model_get(m, ref, &attr);
	assert_int_equal(attr.xattr_count, 0);
	e.xattrs = bad;
	e.xattr_count = 1;
	assert_int_equal(tree_model_apply(m, &e, NULL, &ref, NULL), -ERR_INVALID);
}

static void a_name_that_comes_again_and_again_takes_no_room(void **state)
{
	auto_tree_model struct tree_model *m = NULL;

	(void)state;
	assert_ok(tree_model_new(&m, err));
	for (unsigned i = 0; i < 1000; i++) {
		assert_ok(entry_apply(m, "f a x", NULL, err));
		assert_ok(entry_apply(m, "s a target", NULL, err));
	}
	assert_in_range(tree_model_refs(m), 2, 4);
	assert_tree(m, "/ 755 I\na > target\n");
}

static void what_has_another_name_is_not_replaced(void **state)
{
	(void)state;
	LAYER("/ 755 I\na z\nb x\nc y\n", "f a x", "h b a", "f a y", "h c a", "f a z");
	LAYER("/ 755 I\na/ 755 O\na/b x\n", "f a x", "h a/b a");
	LAYER("/ 755 I\na y\nb x\n", "f .wh..wh.plnk/1.2 x", "h a .wh..wh.plnk/1.2",
	      "f a y", "f a y", "h b .wh..wh.plnk/1.2");
}

/* Each entry is small beside the tar that it takes, all of them are not. */
static void xattrs_that_fill_memory_are_refused(void **state)
{
	static char value[60000];
	const struct tar_xattr xattr = {.name = "user.x",
					.name_len = 6,
					.value = value,
					.value_len = sizeof(value)};
	static const enum tar_type types[] = {TAR_FILE, TAR_DIR};

	(void)state;
	for (unsigned k = 0; k < ARRAY_LEN(types); k++) {
		auto_tree_model struct tree_model *m = NULL;
		const struct tar_entry e = {.path = "a",
					    .path_len = 1,
					    .type = types[k],
					    .xattrs = &xattr,
					    .xattr_count = 1};
		struct err err;
		int r = 0;

		assert_int_equal(tree_model_new(&m, &err), 0);
		for (unsigned i = 0; i < 2000 && r == 0; i++)
			r = tree_model_apply(m, &e, NULL, NULL, &err);
		assert_int_equal(r, -ERR_LIMIT);
		assert_non_null(strstr(err.msg, "64 MiB"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_that_comes_again_and_again_takes_no_room),
		cmocka_unit_test(what_has_another_name_is_not_replaced),
		cmocka_unit_test(xattrs_that_fill_memory_are_refused),
		cmocka_unit_test(paths_are_cleaned),
		cmocka_unit_test(paths_that_leave_or_are_too_long_are_refused),
		cmocka_unit_test(missing_parents_are_implied_until_they_come),
		cmocka_unit_test(whiteouts_never_hide_what_the_layer_has),
		cmocka_unit_test(
			a_removed_directory_that_comes_back_by_its_children_is_new),
		cmocka_unit_test(opaque_marks_work_in_any_order),
		cmocka_unit_test(other_marks_are_ignored_or_refused),
		cmocka_unit_test(files_that_aufs_hardlinked_are_found),
		cmocka_unit_test(parents_that_are_symlinks_are_followed),
		cmocka_unit_test(the_last_name_is_never_followed),
		cmocka_unit_test(links_in_a_circle_are_refused),
		cmocka_unit_test(the_known_parent_is_forgotten_when_it_changes),
		cmocka_unit_test(parents_that_are_no_directories_are_replaced),
		cmocka_unit_test(entries_replace_what_was_there),
		cmocka_unit_test(hardlinks_join_inodes_of_the_layer),
		cmocka_unit_test(hardlinks_to_lower_layers_keep_their_path),
		cmocka_unit_test(devices_zero_are_no_whiteouts),
		cmocka_unit_test(overlay_xattrs_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

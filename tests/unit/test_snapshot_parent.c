/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of snapshots against a parent: whole directories and upper directories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/xattr.h>

#include "store/snapshot.h"
#include "store/tree_model.h"
#include "tests/unit/scratch_store.h"

static const struct snapshot_options plain = {.epoch = INT64_MAX};

static void set_time(const char *name)
{
	const struct timespec times[2] = {{1600000000, 5}, {1600000000, 5}};

	assert_int_equal(
		utimensat(AT_FDCWD, scratch_path(name), times, AT_SYMLINK_NOFOLLOW), 0);
}

static int take(const char *dir, const struct snapshot_options *options,
		struct layer *ret, struct err *err)
{
	struct session *s = NULL;
	int r;

	assert_int_equal(session_begin(scratch_store, NULL, &s, err), 0);
	r = snapshot_take(s, scratch_path(dir), options, ret, NULL, err);
	if (r < 0) {
		session_abort(s);
		return r;
	}
	return session_commit(s, err);
}

/* Directory d as a parent. */
static void parent_make(struct layer *ret, struct tree *ret_tree)
{
	scratch_mkdir("d");
	scratch_mkdir("d/sub");
	scratch_mkdir("d/two");
	scratch_file("d/a", "content", 7);
	scratch_file("d/sub/f", "more", 4);
	scratch_file("d/two/x", "x", 1);
	scratch_file("d/two/y", "y", 1);
	assert_int_equal(link(scratch_path("d/a"), scratch_path("d/b")), 0);
	assert_int_equal(symlink("a", scratch_path("d/l")), 0);
	set_time("d/sub");
	set_time("d/two");
	set_time("d");
	assert_ok(take("d", &plain, ret, err));
	assert_ok(tree_open(ret_tree, ret->tree.data, ret->tree.len, err));
}

static int against(const struct tree *parent, const char *dir, bool upper,
		   struct layer *ret, struct err *err)
{
	struct snapshot_options o = plain;

	o.parent = parent;
	o.upper = upper;
	o.objects = scratch_objects;
	return take(dir, &o, ret, err);
}

/* The node at PATH; flags TREE_WHITEOUT of a whiteout. false: there is none. */
static bool find(const struct layer *l, const char *path, struct tree_node *ret)
{
	struct tree t;
	uint64_t nid;

	assert_ok(tree_open(&t, l->tree.data, l->tree.len, err));
	if (tree_path(&t, path, &nid, NULL) < 0)
		return false;
	assert_ok(tree_node(&t, nid, ret, err));
	return true;
}

static bool is_whiteout(const struct layer *l, const char *path)
{
	struct tree_node n;

	return find(l, path, &n) && n.flags & TREE_WHITEOUT;
}

static bool is_opaque(const struct layer *l, const char *path)
{
	struct tree_node n;

	return find(l, path, &n) && n.flags & TREE_OPAQUE;
}

static void nothing_changed_is_an_empty_layer(void **state)
{
	struct layer l, none;
	struct tree t;

	(void)state;
	parent_make(&l, &t);
	assert_ok(against(&t, "d", false, &none, err));
	assert_int_equal(none.record.entries, 0);
	assert_int_equal(none.record.tar_size, 1024);
	layer_release(&none);
	layer_release(&l);
}

static void only_changes_are_in_the_layer(void **state)
{
	struct layer l, d;
	struct tree_node n;
	struct tree t;

	(void)state;
	parent_make(&l, &t);
	scratch_file("d/sub/new", "new", 3);
	assert_int_equal(unlink(scratch_path("d/l")), 0);
	assert_int_equal(unlink(scratch_path("d/two/x")), 0);
	assert_int_equal(unlink(scratch_path("d/two/y")), 0);
	assert_ok(against(&t, "d", false, &d, err));
	assert_true(find(&d, "sub/new", &n));
	assert_false(find(&d, "sub/f", &n));
	assert_false(find(&d, "a", &n));
	assert_true(is_whiteout(&d, "l"));
	assert_true(is_opaque(&d, "two"));
	assert_false(find(&d, "two/x", &n));
	layer_release(&d);
	layer_release(&l);
}

static void names_that_part_become_files_of_their_own(void **state)
{
	struct layer l, d;
	struct tree_node a, b;
	struct tree t;

	(void)state;
	parent_make(&l, &t);
	assert_int_equal(unlink(scratch_path("d/b")), 0);
	scratch_file("d/b", "content", 7);
	assert_ok(against(&t, "d", false, &d, err));
	assert_true(find(&d, "a", &a));
	assert_true(find(&d, "b", &b));
	assert_int_not_equal(a.nid, b.nid);
	layer_release(&d);
	layer_release(&l);
}

static void compare_finds_any_difference(void **state)
{
	struct snapshot_options o = plain;
	struct snapshot_stats stats;
	struct layer l;
	struct tree t;
	bool same = false;

	(void)state;
	parent_make(&l, &t);
	o.parent = &t;
	assert_ok(snapshot_compare(scratch_path("d"), &o, &same, &stats, err));
	assert_true(same);
	assert_int_equal(chmod(scratch_path("d/sub/f"), 0600), 0);
	assert_ok(snapshot_compare(scratch_path("d"), &o, &same, &stats, err));
	assert_false(same);
	assert_int_equal(chmod(scratch_path("d/sub/f"), 0644), 0);
	assert_int_equal(unlink(scratch_path("d/two/y")), 0);
	set_time("d/two");
	assert_ok(snapshot_compare(scratch_path("d"), &o, &same, &stats, err));
	assert_false(same);
	layer_release(&l);
}

static void mark(const char *path, const char *name, const char *value)
{
	assert_int_equal(setxattr(scratch_path(path), name, value, strlen(value), 0), 0);
}

static void an_upper_directory_names_only_changes(void **state)
{
	struct layer l, d;
	struct tree_node n;
	struct tree t;
	struct digest more;

	(void)state;
	parent_make(&l, &t);
	scratch_mkdir("u");
	scratch_mkdir("u/two");
	scratch_mkdir("u/moved");
	scratch_file("u/two/x", "", 0);
	scratch_file("u/meta", "    ", 4);
	mark("u/two", "user.overlay.opaque", "x");
	mark("u/two/x", "user.overlay.whiteout", "y");
	mark("u/moved", "user.overlay.redirect", "sub");
	mark("u/meta", "user.overlay.metacopy", "");
	mark("u/meta", "user.overlay.redirect", "/sub/f");
	mark("u/meta", "user.overlay.overlay.opaque", "data");
	set_time("u");
	assert_ok(against(&t, "u", true, &d, err));
	assert_true(is_whiteout(&d, "two/x"));
	assert_false(is_opaque(&d, "two"));
	assert_true(find(&d, "moved/f", &n));
	digest_of("more", 4, &more);
	assert_true(digest_equal(&n.digest, &more));
	assert_true(find(&d, "meta", &n));
	assert_true(digest_equal(&n.digest, &more));
	assert_int_equal(d.record.flags & LAYER_OVERLAY_LOOKALIKE,
			 LAYER_OVERLAY_LOOKALIKE);
	layer_release(&d);
	layer_release(&l);
}

static void what_another_overlay_left_is_refused(void **state)
{
	static const char *const redirects[] = {"/none", "../sub", "/a/../sub", "/",
						"sub/f", "//sub",  "/l/x",      "/a"};
	struct layer l, d;
	struct err err;
	struct tree t;

	(void)state;
	parent_make(&l, &t);
	scratch_mkdir("u");
	scratch_mkdir("u/moved");
	for (size_t i = 0; i < ARRAY_LEN(redirects); i++) {
		mark("u/moved", "user.overlay.redirect", redirects[i]);
		assert_int_equal(against(&t, "u", true, &d, &err), -ERR_INVALID);
	}
	assert_int_equal(against(NULL, "u", true, &d, &err), -ERR_INVALID);
	layer_release(&l);
}

int main(void)
{
#define CASE(f) \
	cmocka_unit_test_setup_teardown(f, scratch_store_setup, scratch_store_teardown)
	const struct CMUnitTest tests[] = {
		CASE(nothing_changed_is_an_empty_layer),
		CASE(only_changes_are_in_the_layer),
		CASE(names_that_part_become_files_of_their_own),
		CASE(compare_finds_any_difference),
		CASE(an_upper_directory_names_only_changes),
		CASE(what_another_overlay_left_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

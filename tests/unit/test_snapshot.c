/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of snapshots: a directory of the host becomes a layer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "store/snapshot.h"
#include "store/tree_read.h"
#include "tests/unit/scratch_store.h"

static int take(const struct snapshot_options *options, struct layer *ret,
		struct snapshot_stats *stats, struct err *err)
{
	struct session *s = NULL;
	int r;

	assert_int_equal(session_begin(scratch_store, NULL, &s, err), 0);
	r = snapshot_take(s, scratch_path("d"), options, ret, stats, err);
	if (r < 0) {
		session_abort(s);
		return r;
	}
	return session_commit(s, err);
}

static void set_time(const char *name, int64_t s, long ns)
{
	const struct timespec times[2] = {{s, ns}, {s, ns}};

	assert_int_equal(
		utimensat(AT_FDCWD, scratch_path(name), times, AT_SYMLINK_NOFOLLOW), 0);
}

static void node_of(const struct layer *l, const char *path, struct tree_node *ret)
{
	struct tree t;
	uint64_t nid;

	assert_ok(tree_open(&t, l->tree.data, l->tree.len, err));
	assert_ok(tree_path(&t, path, &nid, err));
	assert_ok(tree_node(&t, nid, ret, err));
}

static bool has(const struct layer *l, const char *path)
{
	struct tree t;
	uint64_t nid;

	assert_ok(tree_open(&t, l->tree.data, l->tree.len, err));
	return tree_path(&t, path, &nid, NULL) == 0;
}

static void attributes_arrive_in_the_tree(void **state)
{
	struct tree_node node;
	struct digest d;
	struct layer l;

	(void)state;
	scratch_mkdir("d");
	scratch_mkdir("d/sub");
	scratch_file("d/sub/f", "content", 7);
	assert_int_equal(chmod(scratch_path("d/sub/f"), 04751), 0);
	set_time("d/sub/f", 1234567890, 123456789);
	assert_int_equal(symlink("sub/f", scratch_path("d/l")), 0);
	assert_int_equal(mkfifo(scratch_path("d/p"), 0600), 0);
	assert_int_equal(chmod(scratch_path("d"), 0711), 0);
	assert_ok(take(NULL, &l, NULL, err));
	node_of(&l, "sub/f", &node);
	assert_int_equal(node.mode, S_IFREG | 04751);
	assert_int_equal(node.uid, geteuid());
	assert_int_equal(node.size, 7);
	assert_int_equal(node.mtime, 1234567890);
	assert_int_equal(node.mtime_nsec, 123456789);
	digest_of("content", 7, &d);
	assert_true(digest_equal(&node.digest, &d));
	node_of(&l, "l", &node);
	assert_true(S_ISLNK(node.mode));
	node_of(&l, "p", &node);
	assert_true(S_ISFIFO(node.mode));
	node_of(&l, "", &node);
	assert_int_equal(node.mode, S_IFDIR | 0711);
	layer_release(&l);
}

static void times_before_the_epoch_are_exact(void **state)
{
	struct tree_node node;
	struct layer l;

	(void)state;
	scratch_mkdir("d");
	scratch_file("d/f", "", 0);
	set_time("d/f", -2, 250000000);
	assert_ok(take(NULL, &l, NULL, err));
	node_of(&l, "f", &node);
	assert_int_equal(node.mtime, -2);
	assert_int_equal(node.mtime_nsec, 250000000);
	layer_release(&l);
}

static void fill(const char *const *names, size_t count)
{
	scratch_mkdir("d");
	for (size_t i = 0; i < count; i++) {
		scratch_file(names[i], names[i], strlen(names[i]));
		set_time(names[i], 1600000000, 0);
	}
	assert_int_equal(link(scratch_path("d/b"), scratch_path("d/z")), 0);
	set_time("d", 1600000000, 0);
}

static void the_same_tree_gives_the_same_diffid(void **state)
{
	static const char *const there[] = {"d/a", "d/b", "d/c", "d/\xff\xfe"};
	static const char *const back[] = {"d/\xff\xfe", "d/c", "d/b", "d/a"};
	struct layer one, two;

	(void)state;
	fill(there, 4);
	assert_ok(take(NULL, &one, NULL, err));
	assert_int_equal(rename(scratch_path("d"), scratch_path("old")), 0);
	fill(back, 4);
	assert_ok(take(NULL, &two, NULL, err));
	assert_true(digest_equal(&one.record.diffid, &two.record.diffid));
	layer_release(&one);
	layer_release(&two);
}

static void hardlinks_stay_one_file(void **state)
{
	struct tree_node a, b;
	struct layer l;

	(void)state;
	scratch_mkdir("d");
	scratch_file("d/a", "shared", 6);
	assert_int_equal(link(scratch_path("d/a"), scratch_path("d/b")), 0);
	assert_ok(take(NULL, &l, NULL, err));
	node_of(&l, "a", &a);
	node_of(&l, "b", &b);
	assert_int_equal(a.nid, b.nid);
	assert_int_equal(a.nlink, 2);
	layer_release(&l);
}

static void times_are_clamped_to_the_epoch_given(void **state)
{
	const struct snapshot_options options = {.epoch = 1000};
	struct tree_node node;
	struct layer l;

	(void)state;
	scratch_mkdir("d");
	scratch_file("d/new", "", 0);
	scratch_file("d/old", "", 0);
	set_time("d/old", 999, 5);
	assert_ok(take(&options, &l, NULL, err));
	node_of(&l, "new", &node);
	assert_int_equal(node.mtime, 1000);
	assert_int_equal(node.mtime_nsec, 0);
	node_of(&l, "old", &node);
	assert_int_equal(node.mtime, 999);
	assert_int_equal(node.mtime_nsec, 5);
	layer_release(&l);
}

static void excluded_paths_are_left_out_with_all_below(void **state)
{
	static const char *const patterns[] = {"tmp", "*.o", "var/?*", NULL};
	const struct snapshot_options options = {.epoch = INT64_MAX,
						 .excludes = patterns};
	struct layer l;

	(void)state;
	scratch_mkdir("d");
	scratch_mkdir("d/tmp");
	scratch_file("d/tmp/x", "", 0);
	scratch_mkdir("d/src");
	scratch_file("d/src/a.o", "", 0);
	scratch_file("d/src/a.c", "", 0);
	scratch_mkdir("d/var");
	scratch_file("d/var/x", "", 0);
	assert_ok(take(&options, &l, NULL, err));
	assert_false(has(&l, "tmp"));
	assert_false(has(&l, "src/a.o"));
	assert_true(has(&l, "src/a.c"));
	assert_true(has(&l, "var"));
	assert_false(has(&l, "var/x"));
	layer_release(&l);
}

static void sockets_are_counted_and_left_out(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct snapshot_stats stats;
	struct layer l;

	(void)state;
	scratch_mkdir("d");
	scratch_file("d/f", "12345", 5);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", scratch_path("d/s"));
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_ok(take(NULL, &l, &stats, err));
	assert_int_equal(stats.sockets_skipped, 1);
	assert_int_equal(stats.files, 1);
	assert_int_equal(stats.bytes, 5);
	assert_false(has(&l, "s"));
	layer_release(&l);
}

static void a_whiteout_name_is_refused_by_name(void **state)
{
	struct err why = {0};
	struct layer l;

	(void)state;
	scratch_mkdir("d");
	scratch_file("d/.wh.foo", "", 0);
	assert_int_equal(take(NULL, &l, NULL, &why), -ERR_INVALID);
	assert_non_null(strstr(why.msg, "'.wh.foo'"));
}

static int count_user(void *arg, const char *prefix, const char *name, size_t len,
		      const void *value, size_t value_len, struct err *err)
{
	(void)err;
	if (strcmp(prefix, "user.") == 0 && len == 4 && memcmp(name, "note", 4) == 0) {
		assert_int_equal(value_len, 3);
		assert_memory_equal(value, "a\0b", 3);
		++*(int *)arg;
	}
	return 0;
}

static void user_xattrs_are_kept(void **state)
{
	struct tree t;
	struct layer l;
	uint64_t nid;
	int found = 0;

	(void)state;
	scratch_mkdir("d");
	scratch_file("d/f", "x", 1);
	if (setxattr(scratch_path("d/f"), "user.note", "a\0b", 3, 0) < 0)
		return; /* the filesystem of /tmp has none, so there is nothing to keep */
	assert_ok(take(NULL, &l, NULL, err));
	assert_ok(tree_open(&t, l.tree.data, l.tree.len, err));
	assert_ok(tree_path(&t, "f", &nid, err));
	assert_ok(tree_xattr_each(&t, nid, false, count_user, &found, err));
	assert_int_equal(found, 1);
	layer_release(&l);
}

static void a_large_file_is_streamed(void **state)
{
	const size_t len = (8 << 20) + 12345;
	auto_free uint8_t *data = calloc(1, len);
	struct tree_node node;
	struct digest d;
	struct layer l;

	(void)state;
	for (size_t i = 0; i < len; i += 100)
		data[i] = (uint8_t)(i / 100 * 31);
	scratch_mkdir("d");
	scratch_file("d/big", data, len);
	assert_ok(take(NULL, &l, NULL, err));
	node_of(&l, "big", &node);
	digest_of(data, len, &d);
	assert_true(digest_equal(&node.digest, &d));
	layer_release(&l);
}

static void long_names_survive(void **state)
{
	char path[600] = "d";
	struct layer l;

	(void)state;
	scratch_mkdir("d");
	for (int i = 0; i < 2; i++) {
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%0200d%s", i,
			 i ? "\xff" : "\xc3\xa9");
		scratch_mkdir(path);
	}
	assert_int_equal(symlink(path, scratch_path("d/l")), 0);
	assert_ok(take(NULL, &l, NULL, err));
	assert_true(has(&l, path + 2));
	layer_release(&l);
}

int main(void)
{
#define CASE(f) \
	cmocka_unit_test_setup_teardown(f, scratch_store_setup, scratch_store_teardown)
	const struct CMUnitTest tests[] = {
		CASE(attributes_arrive_in_the_tree),
		CASE(times_before_the_epoch_are_exact),
		CASE(the_same_tree_gives_the_same_diffid),
		CASE(hardlinks_stay_one_file),
		CASE(times_are_clamped_to_the_epoch_given),
		CASE(excluded_paths_are_left_out_with_all_below),
		CASE(sockets_are_counted_and_left_out),
		CASE(a_whiteout_name_is_refused_by_name),
		CASE(user_xattrs_are_kept),
		CASE(a_large_file_is_streamed),
		CASE(long_names_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

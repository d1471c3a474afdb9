/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of content digests: what BuildKit itself recorded for the same files, what counts
 * and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "store/content_hash.h"
#include "store/content_listing.h"
#include "tests/unit/scratch.h"

static bool xattrs_supported;

static void put(const char *name, const char *text, mode_t mode)
{
	scratch_file(name, text, strlen(text));
	assert_int_equal(chmod(scratch_path(name), mode), 0);
}

static void make_dir(const char *name, mode_t mode)
{
	scratch_mkdir(name);
	assert_int_equal(chmod(scratch_path(name), mode), 0);
}

/* The build context of the cache in fixtures/images.tar.zst that buildx wrote. */
static int setup(void **state)
{
	(void)state;
	scratch_make();
	put("main.txt", "main\n", 0644);
	make_dir("src", 0755);
	put("src/a.txt", "A\n", 0644);
	assert_int_equal(symlink("a.txt", scratch_path("src/link")), 0);
	make_dir("src/sub", 0755);
	put("src/sub/b.txt", "B\n", 0755);
	xattrs_supported = setxattr(scratch_path("main.txt"), "user.x", "1", 1, 0) == 0 &&
			   removexattr(scratch_path("main.txt"), "user.x") == 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove();
	return 0;
}

static struct digest take_with(const char *name, const struct content_hash_options *o,
			       struct buf *listing)
{
	auto_content_hash struct content_hash c = {0};
	struct digest d;
	struct err err;

	if (content_hash_take(scratch_path(name), o, &c, &err) != 0)
		fail_msg("%s", err.msg);
	if (listing) {
		buf_clear(listing);
		assert_int_equal(buf_append(listing, c.listing.data, c.listing.len, NULL),
				 0);
	}
	d = c.digest;
	return d;
}

static struct digest take(const char *name)
{
	return take_with(name, NULL, NULL);
}

static void assert_record(const char *name, const struct content_hash_options *o,
			  const char *expected)
{
	struct digest d = take_with(name, o, NULL), record;
	char hex[DIGEST_HEX_SIZE];

	assert_int_equal(content_hash_record(&d, 1, &record, NULL), 0);
	assert_string_equal(digest_hex(&record, hex), expected);
}

#define SRC_RECORD "3daa39c8c227ddf157763d3083c8ecd4610fe134afd366f94907092d657ba7ba"

/* From the cache config that BuildKit 0.12.5 wrote. */
static void records_are_those_of_buildkit(void **state)
{
	(void)state;
	assert_record("main.txt", NULL,
		      "0d58bec912e98e2538e13f00a5e369850e2e08cce284b21d6bb6ee7c0b2adecc");
	assert_record("src", NULL, SRC_RECORD);
}

static void a_symlink_to_an_input_stands_for_it(void **state)
{
	(void)state;
	assert_int_equal(symlink("src", scratch_path("to-src")), 0);
	assert_record("to-src", NULL, SRC_RECORD);
	unlink(scratch_path("to-src"));
}

static void what_is_left_out_does_not_count(void **state)
{
	static const char lines[] = "*.pyc\nbuild\n!build/keep/x\n";
	auto_ignore struct ignore *g = NULL;
	struct content_hash_options with = {0};

	(void)state;
	assert_int_equal(ignore_new(&g, NULL), 0);
	assert_int_equal(ignore_add_lines(g, lines, strlen(lines), NULL), 0);
	with.ignore = g;
	put("src/a.pyc", "x", 0644);
	make_dir("src/build", 0700);
	make_dir("src/build/deep", 0755);
	make_dir("src/build/keep", 0755);
	put("src/build/deep/y", "y", 0644);
	assert_record("src", &with, SRC_RECORD);
	put("src/build/keep/x", "x", 0644);
	{
		auto_buf struct buf listing;
		struct content_entry e;
		struct cursor c;
		bool more;
		size_t n = 0;

		buf_init(&listing, CONTENT_LISTING_MAX);
		take_with("src", &with, &listing);
		assert_int_equal(
			content_listing_begin(listing.data, listing.len, &c, NULL), 0);
		while (content_listing_next(&c, &e, &more, NULL) == 0 && more) {
			static const char *const names[] = {
				"",     "a.txt", "build",    "build/keep", "build/keep/x",
				"link", "sub",   "sub/b.txt"};

			assert_true(n < ARRAY_LEN(names));
			assert_int_equal(e.path.len, strlen(names[n]));
			assert_memory_equal(e.path.at, names[n], e.path.len);
			n++;
		}
		assert_int_equal(n, 8);
	}
	unlink(scratch_path("src/build/keep/x"));
	rmdir(scratch_path("src/build/keep"));
	unlink(scratch_path("src/build/deep/y"));
	rmdir(scratch_path("src/build/deep"));
	rmdir(scratch_path("src/build"));
	unlink(scratch_path("src/a.pyc"));
}

static void times_and_sockets_do_not_count(void **state)
{
	const struct timespec times[2] = {{1, 2}, {3, 4}};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(utimensat(AT_FDCWD, scratch_path("src/a.txt"), times, 0), 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", scratch_path("src/socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	assert_record("src", NULL, SRC_RECORD);
	unlink(scratch_path("src/socket"));
}

static void everything_else_counts(void **state)
{
	const struct digest before = take("src");
	const struct content_hash_options owner = {.uid = 7, .gid = 8};
	struct digest d;

	(void)state;
	d = take_with("src", &owner, NULL);
	assert_false(digest_equal(&before, &d));

	chmod(scratch_path("src/sub"), 0700);
	d = take("src");
	assert_false(digest_equal(&before, &d));
	chmod(scratch_path("src/sub"), 0755);

	chmod(scratch_path("src/a.txt"), 04644);
	d = take("src");
	assert_false(digest_equal(&before, &d));
	chmod(scratch_path("src/a.txt"), 0644);

	rename(scratch_path("src/a.txt"), scratch_path("src/b.txt"));
	d = take("src");
	assert_false(digest_equal(&before, &d));
	rename(scratch_path("src/b.txt"), scratch_path("src/a.txt"));

	unlink(scratch_path("src/link"));
	assert_int_equal(symlink("b.txt", scratch_path("src/link")), 0);
	d = take("src");
	assert_false(digest_equal(&before, &d));
	unlink(scratch_path("src/link"));
	assert_int_equal(symlink("a.txt", scratch_path("src/link")), 0);

	put("src/a.txt", "a\n", 0644);
	d = take("src");
	assert_false(digest_equal(&before, &d));
	put("src/a.txt", "A\n", 0644);

	mkfifo(scratch_path("src/fifo"), 0644);
	d = take("src");
	assert_false(digest_equal(&before, &d));
	unlink(scratch_path("src/fifo"));

	if (xattrs_supported) {
		setxattr(scratch_path("src/a.txt"), "user.x", "1", 1, 0);
		d = take("src");
		assert_false(digest_equal(&before, &d));
		removexattr(scratch_path("src/a.txt"), "user.x");
	}
	assert_record("src", NULL, SRC_RECORD);
}

/* The header with an xattr, spelled out. */
static void xattrs_follow_the_header(void **state)
{
	static const char bytes[] = "namemode420uid0gid0size5typeflag0linknameunamegname"
				    "devmajor0devminor0user.a1user.bxymain\n";
	struct digest d, want;

	(void)state;
	digest_of(bytes, sizeof(bytes) - 1, &want);
	if (xattrs_supported) {
		setxattr(scratch_path("main.txt"), "user.b", "xy", 2, 0);
		setxattr(scratch_path("main.txt"), "user.a", "1", 1, 0);
		d = take("main.txt");
		removexattr(scratch_path("main.txt"), "user.a");
		removexattr(scratch_path("main.txt"), "user.b");
		assert_true(digest_equal(&d, &want));
	}
	d = take("main.txt");
	assert_false(digest_equal(&d, &want));
}

static void of_a_bare_directory_only_what_is_in_it_counts(void **state)
{
	const struct content_hash_options bare = {.bare = true, .uid = 0};
	struct digest before = take_with("src", &bare, NULL), d;

	(void)state;
	chmod(scratch_path("src"), 0700);
	d = take_with("src", &bare, NULL);
	assert_true(digest_equal(&before, &d));
	chmod(scratch_path("src"), 0755);
	d = take("src");
	assert_false(digest_equal(&before, &d));
}

static void equal_inputs_have_equal_listings(void **state)
{
	auto_buf struct buf a, b;

	(void)state;
	buf_init(&a, CONTENT_LISTING_MAX);
	buf_init(&b, CONTENT_LISTING_MAX);
	take_with("src", NULL, &a);
	take_with("src", NULL, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

static void deep_and_odd_trees_have_digests(void **state)
{
	char path[1024] = "deep";
	struct digest d;

	(void)state;
	for (int i = 0; i < 200; i++) {
		make_dir(path, 0755);
		strcat(path, "/x");
	}
	d = take("deep");
	assert_false(digest_is_zero(&d));
	make_dir("empty", 0755);
	d = take("empty");
	assert_false(digest_is_zero(&d));
}

static void what_is_no_file_or_directory_is_refused(void **state)
{
	struct content_hash c;
	struct err err = {0};

	(void)state;
	assert_int_equal(content_hash_take("/dev/null", NULL, &c, &err), -ERR_INVALID);
	content_hash_release(&c);
	assert_int_equal(content_hash_take(scratch_path("absent"), NULL, &c, &err),
			 -ERR_INVALID);
	content_hash_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_those_of_buildkit),
		cmocka_unit_test(a_symlink_to_an_input_stands_for_it),
		cmocka_unit_test(what_is_left_out_does_not_count),
		cmocka_unit_test(times_and_sockets_do_not_count),
		cmocka_unit_test(everything_else_counts),
		cmocka_unit_test(xattrs_follow_the_header),
		cmocka_unit_test(of_a_bare_directory_only_what_is_in_it_counts),
		cmocka_unit_test(equal_inputs_have_equal_listings),
		cmocka_unit_test(deep_and_odd_trees_have_digests),
		cmocka_unit_test(what_is_no_file_or_directory_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0
 * Members of archives: found by name, links followed, nothing ambiguous. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/scratch.h"
#include "tests/unit/tar_fixture.h"
#include "tools/oci/archive.h"

static struct buf tar;

static int setup(void **state)
{
	(void)state;
	scratch_make();
	buf_init(&tar, 16 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_release(&tar);
	scratch_remove();
	return 0;
}

static int open_index(struct archive_index **ret, struct err *err)
{
	auto_fd int fd = -1;

	scratch_file("a.tar", tar.data, tar.len);
	fd = open(scratch_path("a.tar"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return archive_index_new(fd, "a.tar", ret, err);
}

static struct archive_index *index_of_tar(void)
{
	struct archive_index *a = NULL;
	struct err err = {0};

	if (open_index(&a, &err) < 0)
		fail_msg("%s", err.msg);
	return a;
}

static void found(const struct archive_index *a, const char *name, const char *content)
{
	uint64_t offset, size;
	struct err err = {0};

	if (archive_index_find(a, name, &offset, &size, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
	assert_int_equal(size, strlen(content));
	assert_memory_equal(tar.data + offset, content, size);
}

static void refused(const struct archive_index *a, const char *name, int code,
		    const char *why)
{
	uint64_t offset, size;
	struct err err = {0};

	assert_int_equal(archive_index_find(a, name, &offset, &size, &err), -code);
	assert_non_null(strstr(err.msg, why));
}

static void members_are_found_by_clean_names(void **state)
{
	auto_archive_index struct archive_index *a = NULL;
	char deep[400];

	(void)state;
	memset(deep, 'd', sizeof(deep) - 1);
	for (size_t i = 100; i < sizeof(deep) - 1; i += 100)
		deep[i] = '/';
	deep[sizeof(deep) - 1] = '\0';
	tar_fixture_file(&tar, "manifest.json", "list", 4);
	tar_fixture_header(&tar, TAR_DIR, "blobs", "", 0);
	tar_fixture_file(&tar, "./blobs//one", "1", 1);
	tar_fixture_file(&tar, "/blobs/./two", "22", 2);
	tar_fixture_file(&tar, "empty", "", 0);
	tar_fixture_file(&tar, deep, "deep", 4);
	tar_fixture_end(&tar);
	a = index_of_tar();
	found(a, "manifest.json", "list");
	found(a, "blobs/one", "1");
	found(a, "blobs/two", "22");
	found(a, "empty", "");
	found(a, deep, "deep");
	refused(a, "none", ERR_NOTFOUND, "not in the archive");
	refused(a, "blobs", ERR_INVALID, "regular");
}

static void links_are_followed_inside(void **state)
{
	auto_archive_index struct archive_index *a = NULL;

	(void)state;
	tar_fixture_file(&tar, "layer.tar", "tar", 3);
	tar_fixture_header(&tar, TAR_SYMLINK, "id/layer.tar", "../layer.tar", 0);
	tar_fixture_header(&tar, TAR_SYMLINK, "id/abs", "/layer.tar", 0);
	tar_fixture_header(&tar, TAR_SYMLINK, "id/out", "../../../../layer.tar", 0);
	tar_fixture_header(&tar, TAR_HARDLINK, "id/hard", "layer.tar", 0);
	tar_fixture_header(&tar, TAR_SYMLINK, "id/twice", "hard", 0);
	tar_fixture_header(&tar, TAR_SYMLINK, "loop", "loop", 0);
	tar_fixture_header(&tar, TAR_SYMLINK, "dangling", "/etc/passwd", 0);
	tar_fixture_header(&tar, TAR_FIFO, "fifo", "", 0);
	tar_fixture_end(&tar);
	a = index_of_tar();
	found(a, "id/layer.tar", "tar");
	found(a, "id/abs", "tar");
	found(a, "id/out", "tar");
	found(a, "id/hard", "tar");
	found(a, "id/twice", "tar");
	refused(a, "loop", ERR_INVALID, "too many links");
	refused(a, "dangling", ERR_NOTFOUND, "etc/passwd");
	refused(a, "fifo", ERR_INVALID, "regular");
}

static void a_name_that_is_there_twice_is_ambiguous(void **state)
{
	auto_archive_index struct archive_index *a = NULL;

	(void)state;
	tar_fixture_file(&tar, "manifest.json", "one", 3);
	tar_fixture_file(&tar, "other", "x", 1);
	tar_fixture_file(&tar, "./manifest.json", "two", 3);
	tar_fixture_end(&tar);
	a = index_of_tar();
	found(a, "other", "x");
	refused(a, "manifest.json", ERR_INVALID, "more than once");
}

static void large_members_are_passed_over_unread(void **state)
{
	auto_archive_index struct archive_index *a = NULL;
	auto_free char *noise = malloc(3 << 20);

	(void)state;
	memset(noise, 0x5a, 3 << 20);
	tar_fixture_file(&tar, "big", noise, (3 << 20) - 1);
	tar_fixture_file(&tar, "after", "after", 5);
	tar_fixture_end(&tar);
	a = index_of_tar();
	found(a, "after", "after");
}

static void what_is_no_archive_is_refused(void **state)
{
	struct archive_index *a;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < 2048; i++)
		assert_int_equal(buf_append_u8(&tar, (uint8_t)(i * 37), NULL), 0);
	assert_int_equal(open_index(&a, &err), -ERR_INVALID);
	buf_clear(&tar);
	tar_fixture_header(&tar, TAR_FILE, "cut", "", 100000);
	assert_int_equal(open_index(&a, &err), -ERR_INVALID);
	assert_non_null(strstr(err.msg, "ends early"));
}

static void an_empty_archive_has_no_members(void **state)
{
	auto_archive_index struct archive_index *a = NULL;

	(void)state;
	tar_fixture_end(&tar);
	a = index_of_tar();
	refused(a, "x", ERR_NOTFOUND, "x");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(members_are_found_by_clean_names),
		TEST(links_are_followed_inside),
		TEST(a_name_that_is_there_twice_is_ambiguous),
		TEST(large_members_are_passed_over_unread),
		TEST(what_is_no_archive_is_refused),
		TEST(an_empty_archive_has_no_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

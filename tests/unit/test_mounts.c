/* SPDX-License-Identifier: Apache-2.0
 * fs/mounts: lines of mountinfo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "fs/mounts.h"

struct seen {
	unsigned count, stop_at;
	int id;
	unsigned major, minor;
	char root[256], mountpoint[256], fstype[64], source[256];
	size_t options_len;
};

static int keep(void *arg, const struct mounts_entry *m, struct err *err)
{
	struct seen *s = arg;

	(void)err;
	s->count++;
	s->id = m->id;
	s->major = m->major;
	s->minor = m->minor;
	snprintf(s->root, sizeof(s->root), "%s", m->root);
	snprintf(s->mountpoint, sizeof(s->mountpoint), "%s", m->mountpoint);
	snprintf(s->fstype, sizeof(s->fstype), "%s", m->fstype);
	snprintf(s->source, sizeof(s->source), "%s", m->source);
	s->options_len = strlen(m->options);
	return s->stop_at && s->count == s->stop_at;
}

static void parse(const char *text, struct seen *s)
{
	char path[] = "/tmp/layercache-test-mounts.XXXXXX";
	int fd = mkstemp(path);
	struct err err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(mounts_each_in(path, keep, s, &err), 0);
	unlink(path);
}

static void a_line_is_taken_apart(void **state)
{
	struct seen s = {0};

	(void)state;
	parse("77 25 0:57 / /var/lib/layercache ro,nosuid - fuse.layercache /srv/store "
	      "ro,user_id=0\n",
	      &s);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.id, 77);
	assert_int_equal(s.major, 0);
	assert_int_equal(s.minor, 57);
	assert_string_equal(s.root, "/");
	assert_string_equal(s.mountpoint, "/var/lib/layercache");
	assert_string_equal(s.fstype, MOUNTS_FSTYPE);
	assert_string_equal(s.source, "/srv/store");
}

static void optional_fields_may_be_many(void **state)
{
	struct seen s = {0};

	(void)state;
	parse("1 2 8:1 / /a rw shared:1 master:2 propagate_from:3 - ext4 /dev/sda rw\n",
	      &s);
	assert_int_equal(s.count, 1);
	assert_string_equal(s.fstype, "ext4");
}

static void escapes_are_undone(void **state)
{
	struct seen s = {0};

	(void)state;
	parse("1 2 8:1 /b\\011c /with\\040space\\134x rw - fuse.layercache "
	      "/a,b\\012c\\0 rw\n",
	      &s);
	assert_string_equal(s.root, "/b\tc");
	assert_string_equal(s.mountpoint, "/with space\\x");
	assert_string_equal(s.source, "/a,b\nc\\0");
}

static void an_empty_source_is_a_source(void **state)
{
	struct seen s = {0};

	(void)state;
	parse("1 2 8:1 / /a rw - tmpfs  rw,size=1\n", &s);
	assert_int_equal(s.count, 1);
	assert_string_equal(s.source, "");
	assert_int_equal(s.options_len, strlen("rw,size=1"));
}

static void nonsense_is_passed_over(void **state)
{
	struct seen s = {0};

	(void)state;
	parse("\n - \nx\n1 2 3\nx y z / /a rw - t s o\n1 2 8:1 / /a rw - ext4\n"
	      "1 2 8:1 / - ext4 s o\n5 2 8:1 / /last rw - ext4 s o",
	      &s);
	assert_int_equal(s.count, 1);
	assert_string_equal(s.mountpoint, "/last");
}

static void an_overlay_of_many_layers_is_one_line(void **state)
{
	enum { SIZE = 100000 };
	auto_free char *text = malloc(SIZE + 200);
	struct seen s = {0};
	size_t len;

	(void)state;
	assert_non_null(text);
	len = (size_t)sprintf(text, "9 2 0:60 / /merged rw - overlay none lowerdir=");
	memset(text + len, 'x', SIZE);
	strcpy(text + len + SIZE, "\n");
	parse(text, &s);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.options_len, SIZE + strlen("lowerdir="));
}

static void the_caller_can_stop(void **state)
{
	struct seen s = {.stop_at = 2};

	(void)state;
	parse("1 2 8:1 / /a rw - t s o\n2 2 8:1 / /b rw - t s o\n3 2 8:1 / /c rw - t s o\n",
	      &s);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.mountpoint, "/b");
}

static void the_real_mountinfo_has_mounts(void **state)
{
	struct seen s = {0};
	struct err err;

	(void)state;
	assert_int_equal(mounts_each(keep, &s, &err), 0);
	assert_true(s.count > 0);
}

static void a_store_that_is_not_mounted_is_not_found(void **state)
{
	struct err err;
	char *mountpoint;

	(void)state;
	assert_int_equal(mounts_find("/", &mountpoint, &err), -ERR_NOTFOUND);
	assert_int_equal(mounts_find("/nonexistent", &mountpoint, &err), -ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_taken_apart),
		cmocka_unit_test(optional_fields_may_be_many),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(an_empty_source_is_a_source),
		cmocka_unit_test(nonsense_is_passed_over),
		cmocka_unit_test(an_overlay_of_many_layers_is_one_line),
		cmocka_unit_test(the_caller_can_stop),
		cmocka_unit_test(the_real_mountinfo_has_mounts),
		cmocka_unit_test(a_store_that_is_not_mounted_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

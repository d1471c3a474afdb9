/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of paths and users in the root of a build step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/scratch.h"
#include "tools/run/run_root.h"

static void links_stay_in_the_root(void **state)
{
	auto_fd int inside = -1, fd = -1;
	struct err err;
	char text[8] = "";

	(void)state;
	scratch_make();
	scratch_mkdir("root");
	scratch_mkdir("root/etc");
	scratch_file("file", "host", 4);
	scratch_file("root/file", "step", 4);
	inside = open(scratch_path("root"), O_RDONLY | O_DIRECTORY);
	assert_int_equal(symlinkat("../../../../file", inside, "etc/up"), 0);
	assert_int_equal(symlinkat("/file", inside, "etc/top"), 0);
	assert_int_equal(symlinkat("/etc", inside, "link"), 0);
	assert_int_equal(run_root_open(inside, "/link/up", O_RDONLY, &fd, &err), 0);
	assert_int_equal(read(fd, text, 4), 4);
	assert_string_equal(text, "step");
	close(steal_fd(&fd));
	assert_int_equal(run_root_open(inside, "/../etc/top", O_RDONLY, &fd, &err), 0);
	assert_int_equal(read(fd, text, 4), 4);
	assert_string_equal(text, "step");
	close(steal_fd(&fd));
	assert_int_equal(run_root_open(inside, "/none", O_RDONLY, &fd, &err),
			 -ERR_NOTFOUND);
	assert_int_equal(run_root_open(inside, "/proc/self/root", O_PATH, &fd, &err),
			 -ERR_NOTFOUND);
	scratch_remove();
}

/* "UID:GID:HOME" and the other groups, "" for an error. */
static void check_user(int rootfd, const char *text, const char *want)
{
	struct run_user u;
	char got[2048] = "";
	struct err err;
	int rc = run_root_user(rootfd, text, &u, &err);

	if (!rc)
		snprintf(got, sizeof(got), "%u:%u:%s", u.uid, u.gid, u.home);
	for (size_t i = 0; !rc && i < u.group_count; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), " %u",
			 u.groups[i]);
	if (strcmp(got, want) != 0)
		fail_msg("'%s' is '%s', not '%s'", text, got, want);
	if (rc)
		assert_int_equal(rc, -ERR_INVALID);
}

static void users_are_those_of_the_root(void **state)
{
	static const char *const table[][2] = {
		{"", "0:0:/root"},
		{"root", "0:0:/root"},
		{"app", "1000:1001:/home/app 5 7"},
		{"1000", "1000:1001:/home/app 5 7"},
		{"app:tools", "1000:5:/home/app"},
		{"app:99", "1000:99:/home/app"},
		{"4000", "4000:0:/"},
		{"4000:4001", "4000:4001:/"},
		{":tools", "0:5:/root"},
		{"nobody", ""},
		{"app:none", ""},
		{"4294967295", ""},
		{"-1", ""},
		{"1000x", ""},
	};
	static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n\nnot a line\n"
				     "app:x:1000:1001::/home/app:/bin/sh\n";
	static const char group[] = "root:x:0:\ntools:x:5:other,app\n:::\nmore:x:7:app\n";
	auto_fd int root = -1;

	(void)state;
	scratch_make();
	root = open(scratch_path("."), O_RDONLY | O_DIRECTORY);
	check_user(root, "", "0:0:/root");
	check_user(root, "app", "");
	scratch_mkdir("etc");
	scratch_file("etc/passwd", passwd, strlen(passwd));
	scratch_file("etc/group", group, strlen(group));
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		check_user(root, table[i][0], table[i][1]);
	scratch_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_stay_in_the_root),
		cmocka_unit_test(users_are_those_of_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

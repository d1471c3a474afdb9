/* SPDX-License-Identifier: Apache-2.0
 * tools/overlay_lease: leases written, read, refused, swept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/scratch.h"
#include "tools/overlay_lease.h"

#define CHAIN "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define GOOD  "boot B\nmount 7\nchain " CHAIN "\ntarget /a\nb"

static void a_lease_is_read(void **state)
{
	struct overlay_lease lease = {0};

	(void)state;
	assert_true(overlay_lease_parse(GOOD, "B", &lease));
	assert_true(lease.same_boot);
	assert_int_equal(lease.mount, 7);
	assert_int_equal(lease.chainid.bytes[1], 0x23);
	assert_string_equal(lease.target, "/a\nb");
	assert_true(overlay_lease_parse(GOOD, "C", &lease));
	assert_false(lease.same_boot);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"boot B",
		"boot B\nmount 7\n",
		"mount 7\nboot B\nchain " CHAIN "\ntarget /a",
		"boot B\nmount 7\nchain sha256:01\ntarget /a",
		"boot B\nmount 7\nchain " CHAIN "\ntarget a",
		"boot B\nmount 7\nchain " CHAIN "\n",
	};
	static char far[2 * PATH_MAX];
	struct overlay_lease lease = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(overlay_lease_parse(bad[i], "B", &lease));
	strcpy(far, GOOD);
	memset(far + strlen(far), 'x', PATH_MAX);
	assert_false(overlay_lease_parse(far, "B", &lease));
}

static int count(void *arg, const struct overlay_lease *lease, struct err *err)
{
	unsigned *n = arg;

	(void)err;
	assert_true(lease->same_boot);
	++*n;
	return 0;
}

static unsigned leases(void)
{
	unsigned n = 0;

	assert_int_equal(overlay_lease_each(scratch_dir, count, &n, NULL), 0);
	return n;
}

static void a_directory_lives_as_long_as_its_lease(void **state)
{
	struct overlay_lease lease = {.target = "/t"};
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(leases(), 0);
	assert_int_equal(overlay_lease_new(scratch_dir, &lease, NULL), 0);
	assert_int_equal(leases(), 1);
	lease.mount = 12;
	assert_int_equal(overlay_lease_write(&lease, NULL), 0);
	assert_int_equal(leases(), 1);
	snprintf(path, sizeof(path), "%.4000s/upper", lease.directory);
	assert_int_equal(mkdir(path, 0700), 0);
	overlay_lease_remove(&lease);
	assert_int_equal(leases(), 0);
	assert_int_not_equal(access(lease.directory, F_OK), 0);
}

static void a_lease_of_another_boot_is_swept(void **state)
{
	struct overlay_lease lease = {.target = "/t"};
	char path[PATH_MAX];

	(void)state;
	scratch_mkdir("overlays/old");
	scratch_file("overlays/old/lease", GOOD, strlen(GOOD));
	scratch_mkdir("overlays/unwritten");
	assert_int_equal(overlay_lease_new(scratch_dir, &lease, NULL), 0);
	snprintf(path, sizeof(path), "%s/overlays/old", scratch_dir);
	assert_int_not_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/overlays/unwritten", scratch_dir);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(leases(), 1);
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
		cmocka_unit_test(a_lease_is_read),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(a_directory_lives_as_long_as_its_lease),
		cmocka_unit_test(a_lease_of_another_boot_is_swept),
	};

	return cmocka_run_group_tests_name("tools/overlay_lease", tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0
 * fs/options: what -o means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/mount.h"

/* Parses good options and compares what is left for FUSE. */
static struct mount_options parse(const char *text, const char *want_rest)
{
	struct mount_options o = {0};
	auto_free char *rest = NULL;
	struct err err;

	assert_int_equal(mount_options_parse(&o, text, &rest, &err), 0);
	assert_string_equal(rest, want_rest);
	assert_ptr_equal(o.fuse_options, rest);
	o.fuse_options = NULL;
	return o;
}

static void refuse(const char *text)
{
	struct mount_options o = {0};
	char *rest = NULL;
	struct err err = {0};

	assert_int_equal(mount_options_parse(&o, text, &rest, &err), -ERR_USAGE);
	assert_null(rest);
	assert_true(err.msg[0]);
}

static void nothing_means_nothing(void **state)
{
	struct mount_options o = parse("", "");

	(void)state;
	assert_false(o.opaque_user || o.share_objects || o.private);
	assert_int_equal(o.cache_mib + o.trees_mib, 0);
	parse(",,", "");
}

static void ours_are_taken_and_the_rest_is_kept_in_order(void **state)
{
	struct mount_options o =
		parse("allow_root,opaque=user,suid,cache=128,share=objects,"
		      "trees=7,private,dev",
		      "allow_root,suid,dev");

	(void)state;
	assert_true(o.opaque_user);
	assert_true(o.share_objects);
	assert_true(o.private);
	assert_int_equal(o.cache_mib, 128);
	assert_int_equal(o.trees_mib, 7);
}

static void the_last_word_on_opaque_counts(void **state)
{
	(void)state;
	assert_false(parse("opaque=user,opaque=trusted", "").opaque_user);
}

static void what_mount_and_fstab_add_is_dropped(void **state)
{
	(void)state;
	parse("rw,defaults,noauto,nofail,_netdev,user,x-systemd.automount,comment=hi,noexec",
	      "noexec");
}

static void bad_values_are_refused(void **state)
{
	static const char *const bad[] = {"opaque=maybe",
					  "opaque=",
					  "share=all",
					  "cache=0",
					  "cache=-1",
					  "cache= 1",
					  "cache=1x",
					  "cache=",
					  "trees=9999999999999",
					  "trees=a",
					  "share=objects:podman2"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refuse(bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_means_nothing),
		cmocka_unit_test(ours_are_taken_and_the_rest_is_kept_in_order),
		cmocka_unit_test(the_last_word_on_opaque_counts),
		cmocka_unit_test(what_mount_and_fstab_add_is_dropped),
		cmocka_unit_test(bad_values_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

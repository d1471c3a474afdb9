/* SPDX-License-Identifier: Apache-2.0
 * Image configs: DiffIDs and platform, and configs that are made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/oci/config.h"

#include <string.h>

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"

static void refused(const char *text, size_t layers, const char *why)
{
	struct config c;
	struct err err = {0};

	if (config_parse(text, strlen(text), layers, &c, &err) == 0)
		fail_msg("taken: %s", text);
	if (!strstr(err.msg, why))
		fail_msg("%s: '%s' does not say '%s'", text, err.msg, why);
}

static void a_config_has_diffids_and_a_platform(void **state)
{
	const char text[] =
		"{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\","
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]},"
		"\"moby.buildkit.cache.v0\":\"x\"}";
	auto_config struct config c = {0};
	char formatted[PLATFORM_TEXT_SIZE];

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), 1, &c, NULL), 0);
	assert_int_equal(c.count, 1);
	assert_int_equal(c.diffids[0].bytes[31], 0x11);
	assert_string_equal(platform_format(&c.platform, formatted), "linux/arm64");
}

static void an_image_may_have_no_layers(void **state)
{
	const char text[] = "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null}}";
	auto_config struct config c = {0};

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), 0, &c, NULL), 0);
	assert_int_equal(c.count, 0);
}

static void what_does_not_fit_the_manifest_is_refused(void **state)
{
	(void)state;
	refused("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]}}", 2,
		"diff_ids");
	refused("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]}}", 0,
		"diff_ids");
	refused("{\"rootfs\":{}}", 1, "rootfs");
	refused("{}", 1, "rootfs");
	refused("[]", 1, "object");
	refused("{\"rootfs\":{\"type\":\"blocks\",\"diff_ids\":[]}}", 0, "layers");
	refused("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[5]}}", 1, "diff_ids");
	refused("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:..\"]}}", 1,
		"diff_ids");
	refused("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":{}}}", 0, "array");
	refused("{\"rootfs\":{},\"RootFS\":{}}", 0, "mistaken");
	refused("{\"os\":\"a/b\",\"rootfs\":{}}", 0, "os");
}

static void a_made_config_is_canonical(void **state)
{
	const struct platform p = {"linux", "arm", "v7"};
	auto_buf struct buf a, b;
	auto_config struct config c = {0};
	struct digest d;

	(void)state;
	digest_of("tar", 3, &d);
	buf_init(&a, 4096);
	buf_init(&b, 4096);
	assert_int_equal(config_make(&p, &d, 0, "by \"me\"", &a, NULL), 0);
	assert_int_equal(config_make(&p, &d, 0, "by \"me\"", &b, NULL), 0);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	assert_non_null(memmem(a.data, a.len, "1970-01-01T00:00:00Z", 20));
	assert_non_null(memmem(a.data, a.len, "by \\\"me\\\"", 9));
	assert_int_equal(config_parse(a.data, a.len, 1, &c, NULL), 0);
	assert_true(digest_equal(&c.diffids[0], &d));
	assert_string_equal(c.platform.variant, "v7");
	assert_int_equal(config_make(&p, &d, 0, "\xff", &b, NULL), -ERR_INVALID);
}

static void a_config_goes_on_in_the_one_above(void **state)
{
	static const char parent[] =
		"{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{\"Env\":[\"A=b\"]},"
		"\"container\":\"x\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},"
		"\"history\":[{\"created_by\":\"ENV A=b\",\"empty_layer\":true}]}";
	const struct digest diffids[2] = {{{1}}, {{2}}};
	struct config c;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_int_equal(config_derive(parent, strlen(parent), diffids, 2, 60, "RUN x",
				       NULL, &b, NULL),
			 0);
	assert_int_equal(config_parse(b.data, b.len, 2, &c, NULL), 0);
	assert_true(digest_equal(&c.diffids[0], &diffids[0]));
	assert_true(digest_equal(&c.diffids[1], &diffids[1]));
	assert_string_equal(c.platform.arch, "amd64");
	config_release(&c);
	assert_int_equal(buf_append_u8(&b, 0, NULL), 0);
	assert_non_null(strstr((const char *)b.data, "\"config\":{\"Env\":[\"A=b\"]}"));
	assert_non_null(
		strstr((const char *)b.data, "\"created\":\"1970-01-01T00:01:00Z\""));
	/* One step for each layer, and the old ones where they were. */
	assert_non_null(
		strstr((const char *)b.data,
		       "\"history\":[{\"comment\":\"not recorded\"},"
		       "{\"created_by\":\"ENV A=b\",\"empty_layer\":true},"
		       "{\"created\":\"1970-01-01T00:01:00Z\",\"created_by\":\"RUN "
		       "x\"}]"));
	assert_null(strstr((const char *)b.data, "container"));
	buf_release(&b);
	assert_int_equal(config_derive("[]", 2, diffids, 2, 0, NULL, NULL, &b, NULL),
			 -ERR_INVALID);
	assert_int_equal(config_derive(parent, strlen(parent), diffids, 2, 0, "\xff",
				       NULL, &b, NULL),
			 -ERR_INVALID);
	buf_release(&b);
}

static void a_step_changes_the_config(void **state)
{
	static const char parent[] =
		"{\"os\":\"linux\",\"architecture\":\"amd64\","
		"\"config\":{\"Env\":[\"A=b\",\"AB=c\"],\"User\":\"u\",\"Cmd\":[\"sh\"]},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";
	static const char *const env[] = {"A=new", "C=d"};
	static const char *const bad[] = {"A=\xff"};
	const struct digest diffids[1] = {{{1}}};
	struct config_change change = {
		.env = env, .env_count = 2, .workdir = "/w", .no_layer = true};
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_int_equal(config_derive(parent, strlen(parent), diffids, 1, 60, "ENV",
				       &change, &b, NULL),
			 0);
	assert_int_equal(buf_append_u8(&b, 0, NULL), 0);
	assert_non_null(strstr((const char *)b.data,
			       "\"config\":{\"Cmd\":[\"sh\"],"
			       "\"Env\":[\"A=new\",\"AB=c\",\"C=d\"],"
			       "\"User\":\"u\",\"WorkingDir\":\"/w\"}"));
	/* The layer is the parent's; the step made none. */
	assert_non_null(strstr((const char *)b.data,
			       "\"history\":[{\"comment\":\"not recorded\"},"
			       "{\"created\":\"1970-01-01T00:01:00Z\",\"created_by\":"
			       "\"ENV\",\"empty_layer\":true}]"));
	buf_clear(&b);
	change.env = bad;
	change.env_count = 1;
	assert_int_equal(config_derive(parent, strlen(parent), diffids, 1, 60, "ENV",
				       &change, &b, NULL),
			 -ERR_INVALID);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_config_goes_on_in_the_one_above),
		cmocka_unit_test(a_step_changes_the_config),
		cmocka_unit_test(a_config_has_diffids_and_a_platform),
		cmocka_unit_test(an_image_may_have_no_layers),
		cmocka_unit_test(what_does_not_fit_the_manifest_is_refused),
		cmocka_unit_test(a_made_config_is_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * From a root to its images: indexes, platforms, what is no image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/oci_fixture.h"
#include "tools/oci/image_set.h"

#define INDEX          "{\"schemaVersion\":2,\"manifests\":[%s]}"
#define INDEX2         "{\"schemaVersion\":2,\"manifests\":[%s,%s]}"
#define PLATFORM(arch) "\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch "\"}"

static const struct platform amd64 = {"linux", "amd64", ""};
static const struct platform arm64 = {"linux", "arm64", ""};

static struct image_set resolve(struct source *s, const struct descriptor *root,
				const struct platform *p, bool all)
{
	struct image_set set;
	struct err err = {0};

	if (image_set_resolve(s, root, p, all, &set, &err) < 0)
		fail_msg("%s", err.msg);
	return set;
}

static int refused(struct source *s, const struct descriptor *root,
		   const struct platform *p, const char *why)
{
	struct image_set set;
	struct err err = {0};
	int rc = image_set_resolve(s, root, p, false, &set, &err);

	if (rc == 0)
		fail_msg("taken");
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
	return rc;
}

static void a_manifest_is_one_image(void **state)
{
	auto_source struct source *s = memory_source();
	struct digest d0, d1, chain;
	struct descriptor root;
	struct image_set set;
	unsigned n = 0;

	(void)state;
	memory_image(s, "amd64", NULL, 2, &root);
	set = resolve(s, &root, NULL, false);
	assert_int_equal(set.count, 1);
	assert_true(digest_is_zero(&set.index));
	assert_true(digest_equal(&set.images[0].record.manifest, &root.digest));
	assert_string_equal(set.images[0].record.platform, "linux/amd64");
	digest_of(&n, sizeof(n), &d0);
	n = 1;
	digest_of(&n, sizeof(n), &d1);
	digest_chain(&d0, &d1, &chain);
	assert_true(digest_equal(&set.images[0].record.chainid, &chain));
	image_set_release(&set);
	refused(s, &root, &arm64, "only for linux/amd64");
}

static void an_image_without_layers_has_no_chain(void **state)
{
	auto_source struct source *s = memory_source();
	struct descriptor root;
	struct image_set set;

	(void)state;
	memory_image(s, "amd64", NULL, 0, &root);
	set = resolve(s, &root, NULL, false);
	assert_true(digest_is_zero(&set.images[0].record.chainid));
	image_set_release(&set);
}

static void an_index_gives_the_platform(void **state)
{
	auto_source struct source *s = memory_source();
	struct descriptor root, a, b;
	struct image_set set;
	const char *x = memory_image(s, "amd64", PLATFORM("amd64"), 1, &a);
	const char *y = memory_image(s, "arm64", PLATFORM("arm64"), 2, &b);

	(void)state;
	memory_add(s, DESCRIPTOR_OCI_INDEX, NULL, &root, INDEX2, x, y);
	set = resolve(s, &root, &arm64, false);
	assert_int_equal(set.count, 1);
	assert_true(digest_equal(&set.index, &root.digest));
	assert_true(digest_equal(&set.images[0].record.manifest, &b.digest));
	assert_int_equal(set.index_count, 1);
	image_set_release(&set);

	set = resolve(s, &root, &arm64, true);
	assert_int_equal(set.count, 2);
	assert_string_equal(set.images[0].record.platform, "linux/arm64");
	assert_string_equal(set.images[1].record.platform, "linux/amd64");
	image_set_release(&set);

	assert_int_equal(refused(s, &root, &(struct platform){"linux", "s390x", ""},
				 "linux/amd64, linux/arm64"),
			 -ERR_NOTFOUND);
}

static void platforms_come_from_configs_where_the_index_is_silent(void **state)
{
	auto_source struct source *s = memory_source();
	struct descriptor root, a, b;
	struct image_set set;
	const char *x = memory_image(s, "amd64", NULL, 1, &a);
	const char *y = memory_image(s, "arm64", NULL, 1, &b);

	(void)state;
	memory_add(s, DESCRIPTOR_OCI_INDEX, NULL, &root, INDEX2, x, y);
	set = resolve(s, &root, &arm64, false);
	assert_true(digest_equal(&set.images[0].record.manifest, &b.digest));
	image_set_release(&set);
}

static void attestations_are_no_images(void **state)
{
	auto_source struct source *s = memory_source();
	struct descriptor root, a;
	struct image_set set;
	const char *x = memory_image(s, "amd64", PLATFORM("amd64"), 1, &a);
	const char *y = memory_add(s, DESCRIPTOR_OCI_MANIFEST,
				   "\"platform\":{\"os\":\"unknown\",\"architecture\":"
				   "\"unknown\"}",
				   NULL, "{}");

	(void)state;
	memory_add(s, DESCRIPTOR_OCI_INDEX, NULL, &root, INDEX2, y, x);
	set = resolve(s, &root, &amd64, true);
	assert_int_equal(set.count, 1);
	assert_true(digest_equal(&set.images[0].record.manifest, &a.digest));
	image_set_release(&set);
}

static void the_first_of_equal_platforms_counts(void **state)
{
	auto_source struct source *s = memory_source();
	struct descriptor root, a, b;
	struct image_set set;
	const char *x = memory_image(s, "amd64", PLATFORM("amd64"), 1, &a);
	const char *y = memory_image(s, "amd64", PLATFORM("x86_64"), 2, &b);

	(void)state;
	memory_add(s, DESCRIPTOR_OCI_INDEX, NULL, &root, INDEX2, x, y);
	set = resolve(s, &root, &amd64, true);
	assert_int_equal(set.count, 1);
	assert_true(digest_equal(&set.images[0].record.manifest, &a.digest));
	image_set_release(&set);
}

static void nested_indexes_are_followed_to_a_depth(void **state)
{
	auto_source struct source *s = memory_source();
	struct descriptor root;
	struct image_set set;
	const char *x = memory_image(s, "amd64", NULL, 1, NULL);

	(void)state;
	for (int i = 0; i < IMAGE_SET_DEPTH_MAX; i++)
		x = memory_add(s, DESCRIPTOR_OCI_INDEX, NULL, &root, INDEX, x);
	set = resolve(s, &root, NULL, false);
	assert_int_equal(set.count, 1);
	assert_int_equal(set.index_count, IMAGE_SET_DEPTH_MAX);
	image_set_release(&set);
	memory_add(s, DESCRIPTOR_OCI_INDEX, NULL, &root, INDEX, x);
	assert_int_equal(refused(s, &root, NULL, "nested"), -ERR_LIMIT);
}

static void an_index_of_itself_many_times_ends(void **state)
{
	auto_source struct source *s = memory_source();
	struct descriptor root;
	const char *x = memory_image(s, "amd64", NULL, 1, NULL);

	(void)state;
	for (int i = 0; i < 3; i++) {
		char many[40 * 300] = "";

		for (int k = 0; k < 40; k++) {
			strcat(many, k ? "," : "");
			strcat(many, x);
		}
		x = memory_add(s, DESCRIPTOR_OCI_INDEX, NULL, &root, INDEX, many);
	}
	assert_int_equal(refused(s, &root, NULL, "nested"), -ERR_LIMIT);
}

static void what_is_no_image_is_told(void **state)
{
	auto_source struct source *s = memory_source();
	struct descriptor root;
	struct image_set set;
	const char *config = memory_add(s, "application/vnd.buildkit.cacheconfig.v0",
					NULL, NULL, "{}");

	(void)state;
	memory_add(s, DESCRIPTOR_OCI_INDEX, NULL, &root, INDEX, config);
	set = resolve(s, &root, NULL, false);
	assert_int_equal(set.count, 0);
	assert_non_null(strstr(set.not_image, "cache"));
	image_set_release(&set);
	memory_add(s, DESCRIPTOR_OCI_MANIFEST, NULL, &root,
		   "{\"schemaVersion\":2,\"config\":%s,\"layers\":[]}", config);
	set = resolve(s, &root, NULL, false);
	assert_non_null(strstr(set.not_image, "cache"));
	image_set_release(&set);
	config = memory_add(s, "text/x", NULL, NULL, "{}");
	memory_add(s, DESCRIPTOR_OCI_MANIFEST, NULL, &root,
		   "{\"schemaVersion\":2,\"config\":%s,\"layers\":[]}", config);
	set = resolve(s, &root, NULL, false);
	assert_non_null(strstr(set.not_image, "artifact"));
	image_set_release(&set);
}

static void missing_and_wrong_documents_are_refused(void **state)
{
	auto_source struct source *s = memory_source();
	struct descriptor root, wrong;

	(void)state;
	memory_image(s, "amd64", NULL, 1, &root);
	wrong = root;
	wrong.digest.bytes[0] ^= 1;
	refused(s, &wrong, NULL, "missing");
	wrong = root;
	wrong.size++;
	refused(s, &wrong, NULL, "");
	wrong = root;
	wrong.size = DOCUMENT_MAX + 1ull;
	assert_int_equal(refused(s, &wrong, NULL, "larger"), -ERR_LIMIT);
	wrong = root;
	wrong.media_type = DESCRIPTOR_OCI_INDEX;
	refused(s, &wrong, NULL, "media type");
}

static void layers_of_unknown_types_are_refused(void **state)
{
	auto_source struct source *s = memory_source();
	struct descriptor root;
	const char *config = memory_add(s, DESCRIPTOR_OCI_CONFIG, NULL, NULL, "{}");
	const char *layer =
		memory_add(s, DESCRIPTOR_OCI_LAYER "+encrypted", NULL, NULL, "x");

	(void)state;
	memory_add(s, DESCRIPTOR_OCI_MANIFEST, PLATFORM("amd64"), &root,
		   "{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s]}", config, layer);
	root.platform = amd64;
	refused(s, &root, NULL, "layer 1 of 1 has the unknown media type");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manifest_is_one_image),
		cmocka_unit_test(an_image_without_layers_has_no_chain),
		cmocka_unit_test(an_index_gives_the_platform),
		cmocka_unit_test(platforms_come_from_configs_where_the_index_is_silent),
		cmocka_unit_test(attestations_are_no_images),
		cmocka_unit_test(the_first_of_equal_platforms_counts),
		cmocka_unit_test(nested_indexes_are_followed_to_a_depth),
		cmocka_unit_test(an_index_of_itself_many_times_ends),
		cmocka_unit_test(what_is_no_image_is_told),
		cmocka_unit_test(missing_and_wrong_documents_are_refused),
		cmocka_unit_test(layers_of_unknown_types_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * tools/oci/manifest_edit: what changes in documents that go out, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "store/base/buf.h"
#include "tools/oci/manifest.h"
#include "tools/oci/manifest_edit.h"

#define HEX1   "1111111111111111111111111111111111111111111111111111111111111111"
#define HEX2   "2222222222222222222222222222222222222222222222222222222222222222"
#define DOCKER "application/vnd.docker."

static struct descriptor descriptor(const char *media_type, const char *hex,
				    uint64_t size)
{
	struct descriptor d = {.media_type = media_type, .size = size};

	assert_int_equal(digest_parse_hex(hex, 64, &d.digest, NULL), 0);
	return d;
}

static const char *text(struct buf *b)
{
	assert_int_equal(buf_append_u8(b, 0, NULL), 0);
	b->len--;
	return (const char *)b->data;
}

static void a_manifest_gets_new_layers_and_keeps_the_rest(void **state)
{
	static const char old[] =
		"{\"schemaVersion\":2,\"mediaType\":\"" DOCKER
		"distribution.manifest.v2+json\",\"config\":{\"mediaType\":\"" DOCKER
		"container.image.v1+json\",\"size\":7,\"digest\":\"sha256:" HEX1
		"\"},\"layers\":[{\"mediaType\":\"" DOCKER
		"image.rootfs.foreign.diff.tar.gzip\",\"size\":9,\"digest\":\"sha256:" HEX1
		"\",\"urls\":[\"https://x\"],\"annotations\":{\"containerd.io/snapshot/"
		"stargz/toc.digest\":\"y\",\"mine\":\"z\"}}],\"annotations\":{\"a\":\"b\"}}";
	struct descriptor layer =
		descriptor(DESCRIPTOR_OCI_LAYER "+zstd", HEX2, 4294967296);
	struct manifest m;
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	assert_int_equal(manifest_edit_layers(old, strlen(old), &layer, 1, &out, NULL),
			 0);
	assert_string_equal(
		text(&out),
		"{\"schemaVersion\":2,\"mediaType\":\"" DESCRIPTOR_OCI_MANIFEST
		"\",\"config\":{\"mediaType\":\"" DESCRIPTOR_OCI_CONFIG
		"\",\"size\":7,\"digest\":\"sha256:" HEX1
		"\"},\"layers\":[{\"mediaType\":\"" DESCRIPTOR_OCI_LAYER
		"+zstd\",\"size\":4294967296,\"digest\":\"sha256:" HEX2
		"\",\"annotations\":{\"mine\":\"z\"}}],\"annotations\":{\"a\":\"b\"}}");
	assert_int_equal(manifest_parse(out.data, out.len, NULL, &m, NULL), 0);
	manifest_release(&m);
	assert_int_equal(manifest_edit_layers(old, strlen(old), &layer, 2, &out, NULL),
			 -ERR_INVALID);
}

static void a_layer_that_stays_keeps_its_notes(void **state)
{
	static const char old[] =
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" DESCRIPTOR_OCI_CONFIG
		"\",\"size\":7,\"digest\":\"sha256:" HEX1
		"\"},\"layers\":[{\"mediaType\":\"" DESCRIPTOR_OCI_LAYER
		"+gzip\",\"size\":9,\"digest\":\"sha256:" HEX1
		"\",\"annotations\":{\"containerd.io/snapshot/stargz/toc.digest\":"
		"\"y\"}}]}";
	struct descriptor layer = descriptor(DESCRIPTOR_OCI_LAYER "+gzip", HEX1, 9);
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	assert_int_equal(manifest_edit_layers(old, strlen(old), &layer, 1, &out, NULL),
			 0);
	assert_non_null(strstr(text(&out), "stargz/toc.digest\":\"y\""));
}

static void an_index_has_platforms(void **state)
{
	struct descriptor images[2] = {
		descriptor(DESCRIPTOR_OCI_MANIFEST, HEX1, 10),
		descriptor(DESCRIPTOR_OCI_MANIFEST, HEX2, 11),
	};
	auto_buf struct buf out;
	struct manifest m;

	(void)state;
	assert_int_equal(platform_parse("linux/arm/v7", &images[1].platform, NULL), 0);
	buf_init(&out, 1 << 20);
	assert_int_equal(manifest_edit_index(images, 2, &out, NULL), 0);
	assert_int_equal(
		manifest_parse(out.data, out.len, DESCRIPTOR_OCI_INDEX, &m, NULL), 0);
	assert_int_equal(m.kind, MANIFEST_INDEX);
	assert_int_equal(m.count, 2);
	assert_string_equal(m.items[1].platform.variant, "v7");
	assert_int_equal(m.items[1].size, 11);
	manifest_release(&m);
}

/* "digest tag name|..." of a layout's index. */
static void expect_roots(struct buf *index, size_t count, const char *last_tag)
{
	struct manifest m;

	assert_int_equal(manifest_parse(index->data, index->len, NULL, &m, NULL), 0);
	assert_int_equal(m.count, count);
	if (last_tag)
		assert_string_equal(m.items[count - 1].tag, last_tag);
	else
		assert_null(m.items[count - 1].tag);
	manifest_release(&m);
}

static void a_tag_in_a_layout_moves_and_others_stay(void **state)
{
	struct manifest_edit_root root = {
		.desc = descriptor(DESCRIPTOR_OCI_MANIFEST, HEX1, 10), .tag = "v1"};
	auto_buf struct buf one, two, three, four;
	struct err err = {0};

	(void)state;
	buf_init(&one, 1 << 20);
	buf_init(&two, 1 << 20);
	buf_init(&three, 1 << 20);
	buf_init(&four, 1 << 20);
	assert_int_equal(manifest_edit_layout(NULL, 0, &root, &one, NULL), 0);
	expect_roots(&one, 1, "v1");
	root.tag = "v2";
	assert_int_equal(manifest_edit_layout(one.data, one.len, &root, &two, NULL), 0);
	expect_roots(&two, 2, "v2");
	root.tag = "v1";
	root.desc = descriptor(DESCRIPTOR_OCI_MANIFEST, HEX2, 12);
	assert_int_equal(manifest_edit_layout(two.data, two.len, &root, &three, NULL), 0);
	expect_roots(&three, 2, "v1");
	root.tag = NULL;
	assert_int_equal(manifest_edit_layout(three.data, three.len, &root, &four, NULL),
			 0);
	expect_roots(&four, 3, NULL);
	assert_int_equal(manifest_edit_layout("{}", 2, &root, &one, &err), -ERR_INVALID);
	assert_int_equal(manifest_edit_layout("nonsense", 8, &root, &one, &err),
			 -ERR_INVALID);
}

static void a_docker_archive_lists_its_files(void **state)
{
	struct digest one = descriptor("", HEX1, 0).digest;
	struct digest two = descriptor("", HEX2, 0).digest;
	auto_buf struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	assert_int_equal(manifest_edit_docker(&one, "host/a:b", &two, 1, &out, NULL), 0);
	assert_string_equal(text(&out),
			    "[{\"Config\":\"" HEX1 ".json\",\"RepoTags\":[\"host/a:b\"],"
			    "\"Layers\":[\"" HEX2 ".tar\"]}]");
	buf_clear(&out);
	assert_int_equal(manifest_edit_docker(&one, NULL, &two, 0, &out, NULL), 0);
	assert_string_equal(text(&out), "[{\"Config\":\"" HEX1
					".json\",\"RepoTags\":[],\"Layers\":[]}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manifest_gets_new_layers_and_keeps_the_rest),
		cmocka_unit_test(a_layer_that_stays_keeps_its_notes),
		cmocka_unit_test(an_index_has_platforms),
		cmocka_unit_test(a_tag_in_a_layout_moves_and_others_stay),
		cmocka_unit_test(a_docker_archive_lists_its_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

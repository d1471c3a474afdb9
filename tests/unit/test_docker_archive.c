/* SPDX-License-Identifier: Apache-2.0
 * Archives of docker save: the old form without image manifest, and layouts in archives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/oci_fixture.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tar_fixture.h"

static struct buf tar, layer;

static int setup(void **state)
{
	(void)state;
	scratch_make();
	buf_init(&tar, 16 << 20);
	buf_init(&layer, 1 << 20);
	tar_fixture_file(&layer, "file", "content", 7);
	tar_fixture_end(&layer);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_release(&tar);
	buf_release(&layer);
	scratch_remove();
	return 0;
}

static void add(const char *name, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add(const char *name, const char *fmt, ...)
{
	char text[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tar_fixture_file(&tar, name, text, strlen(text));
}

static void add_config(const char *name)
{
	char digest[DIGEST_TEXT_SIZE];
	struct digest d;

	digest_of(layer.data, layer.len, &d);
	add(name,
	    "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\","
	    "\"diff_ids\":[\"%s\"]}}",
	    digest_format(&d, digest));
}

static int try_open(struct source **ret, const char *ref, struct err *err)
{
	char text[512];

	tar_fixture_end(&tar);
	scratch_file("saved.tar", tar.data, tar.len);
	snprintf(text, sizeof(text), "docker-archive:%s%s", scratch_path("saved.tar"),
		 ref);
	return source_open(text, AT_FDCWD, ret, err);
}

static struct source *open_saved(const char *ref)
{
	struct err err = {0};
	struct source *s;

	if (try_open(&s, ref, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static void refused(const char *why)
{
	struct err err = {0};
	struct source *s;

	assert_int_not_equal(try_open(&s, "", &err), 0);
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
}

static void read_manifest(struct source *s, size_t root, struct manifest *ret)
{
	auto_buf struct buf bytes;
	struct err err = {0};

	buf_init(&bytes, DOCUMENT_MAX);
	if (source_read_document(s, &s->roots[root].desc, &bytes, &err) < 0 ||
	    manifest_parse(bytes.data, bytes.len, s->roots[root].desc.media_type, ret,
			   &err) < 0)
		fail_msg("%s", err.msg);
}

static void an_old_archive_gets_a_manifest(void **state)
{
	auto_source struct source *s = NULL;
	auto_manifest struct manifest m = {0};
	auto_stream struct stream *in = NULL;
	struct err err = {0};
	char bytes[4096];
	struct digest d;
	size_t len;

	(void)state;
	add_config("c.json");
	tar_fixture_file(&tar, "store/layer.tar", layer.data, layer.len);
	tar_fixture_header(&tar, TAR_SYMLINK, "id/layer.tar", "../store/layer.tar", 0);
	add("manifest.json",
	    "[{\"Config\":\"c.json\",\"RepoTags\":[\"app:1\",\"h.io/b:2\"],\"Layers\":["
	    "\"id/layer.tar\"]}]");
	s = open_saved("");
	assert_int_equal(s->root_count, 2);
	assert_string_equal(s->roots[0].name, "app:1");
	assert_string_equal(s->roots[1].name, "h.io/b:2");
	read_manifest(s, 1, &m);
	digest_of(layer.data, layer.len, &d);
	assert_int_equal(m.count, 1);
	assert_true(digest_equal(&m.items[0].digest, &d));
	assert_int_equal(m.items[0].size, layer.len);
	assert_int_equal(source_open_blob(s, &m.items[0], &in, &err), 0);
	assert_int_equal(stream_read_full(in, bytes, sizeof(bytes), &len, &err), 0);
	assert_int_equal(len, layer.len);
	assert_memory_equal(bytes, layer.data, len);
}

static void a_compressed_layer_is_named_by_its_own_digest(void **state)
{
	static const unsigned char gz[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3,
					   3,    0,    0, 0, 0, 0, 0, 0, 0, 0};
	auto_source struct source *s = NULL;
	auto_manifest struct manifest m = {0};
	struct digest d;

	(void)state;
	add_config("c.json");
	tar_fixture_file(&tar, "l.tar.gz", gz, sizeof(gz));
	add("manifest.json", "[{\"Config\":\"c.json\",\"Layers\":[\"l.tar.gz\"]}]");
	s = open_saved("");
	assert_null(s->roots[0].name);
	read_manifest(s, 0, &m);
	digest_of(gz, sizeof(gz), &d);
	assert_true(digest_equal(&m.items[0].digest, &d));
	assert_string_equal(m.items[0].media_type, DESCRIPTOR_OCI_LAYER "+gzip");
}

static void a_reference_chooses_an_image(void **state)
{
	auto_source struct source *s = NULL;

	(void)state;
	add_config("c.json");
	tar_fixture_file(&tar, "l", layer.data, layer.len);
	add("manifest.json",
	    "[{\"Config\":\"c.json\",\"RepoTags\":[\"app:1\"],\"Layers\":[\"l\"]},"
	    "{\"Config\":\"c.json\",\"RepoTags\":[\"h.io:5/b:2\"],\"Layers\":[\"l\"]}]");
	s = open_saved(":docker.io/library/app:1");
	assert_int_equal(s->root_count, 1);
	assert_string_equal(s->roots[0].name, "app:1");
	source_close(open_saved(":h.io:5/b:2"));
}

static void a_layout_inside_is_preferred(void **state)
{
	auto_source struct source *s = NULL;
	char digest[DIGEST_TEXT_SIZE], name[128];
	struct digest d;

	(void)state;
	digest_of("doc", 3, &d);
	digest_format(&d, digest);
	snprintf(name, sizeof(name), "blobs/sha256/%s", digest + 7);
	add(name, "doc");
	add("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	add("manifest.json", "[]");
	add("index.json",
	    "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" DESCRIPTOR_OCI_MANIFEST
	    "\",\"digest\":\"%s\",\"size\":3,\"annotations\":{\"io.containerd.image.name\":"
	    "\"docker.io/library/app:3\",\"org.opencontainers.image.ref.name\":\"3\"}}]}",
	    digest);
	s = open_saved("");
	assert_int_equal(s->root_count, 1);
	assert_string_equal(s->roots[0].name, "docker.io/library/app:3");
}

static void parts_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	add("x", "y");
	refused("manifest.json");
	buf_clear(&tar);
	add("manifest.json", "{}");
	refused("not a list");
	buf_clear(&tar);
	add("manifest.json", "[{\"Layers\":[]}]");
	refused("Config");
	buf_clear(&tar);
	add("manifest.json", "[{\"Config\":\"none\",\"Layers\":[]}]");
	refused("none");
	buf_clear(&tar);
	add_config("c.json");
	add("manifest.json", "[{\"Config\":\"c.json\",\"Layers\":[]}]");
	refused("diff_ids");
	buf_clear(&tar);
	add_config("c.json");
	add("manifest.json",
	    "[{\"Config\":\"c.json\",\"Layers\":[\"../../etc/passwd\"]}]");
	refused("layer 1 of 1");
	buf_clear(&tar);
	add_config("c.json");
	tar_fixture_header(&tar, TAR_SYMLINK, "l", "/etc/passwd", 0);
	add("manifest.json", "[{\"Config\":\"c.json\",\"Layers\":[\"l\"]}]");
	refused("layer 1 of 1");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_old_archive_gets_a_manifest),
		TEST(a_compressed_layer_is_named_by_its_own_digest),
		TEST(a_reference_chooses_an_image),
		TEST(a_layout_inside_is_preferred),
		TEST(parts_that_do_not_fit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

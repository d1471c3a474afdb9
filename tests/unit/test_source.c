/* SPDX-License-Identifier: Apache-2.0
 * Sources on disk: layouts and skopeo's directories, choice of an image, hostile files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/oci_fixture.h"
#include "tests/unit/scratch.h"

static int setup(void **state)
{
	(void)state;
	scratch_make();
	scratch_mkdir("img");
	scratch_mkdir("img/blobs");
	scratch_mkdir("img/blobs/sha256");
	scratch_file("img/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", 30);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove();
	return 0;
}

/* Writes a blob to DIR and returns its descriptor as JSON; MORE as in memory_add. */
static const char *blob(const char *dir, const char *media_type, const char *more,
			const char *content)
{
	static char texts[16][1024];
	static unsigned turn;
	char *text = texts[turn++ % 16], name[256], hex[DIGEST_HEX_SIZE];
	size_t len = strlen(content);
	struct digest d;

	digest_of(content, len, &d);
	snprintf(name, sizeof(name), "%s/%s", dir, digest_hex(&d, hex));
	scratch_file(name, content, len);
	snprintf(text, sizeof(texts[0]),
		 "{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":%zu%s%s}",
		 media_type, hex, len, more ? "," : "", more ? more : "");
	return text;
}

static const char *tagged(const char *tag, const char *content)
{
	char more[256];

	snprintf(more, sizeof(more),
		 "\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}", tag);
	return blob("img/blobs/sha256", DESCRIPTOR_OCI_MANIFEST, more, content);
}

static void write_index(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void write_index(const char *fmt, ...)
{
	char list[8192], text[8300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(list, sizeof(list), fmt, ap);
	va_end(ap);
	snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"manifests\":[%s]}", list);
	scratch_file("img/index.json", text, strlen(text));
}

static struct source *open_source(const char *fmt, ...) PRINTF_LIKE(1, 2);

static struct source *open_source(const char *fmt, ...)
{
	struct err err = {0};
	struct source *s;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (source_open(text, AT_FDCWD, &s, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return s;
}

static int refused(const char *why, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int refused(const char *why, const char *fmt, ...)
{
	struct err err = {0};
	struct source *s;
	char text[512];
	va_list ap;
	int rc;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rc = source_open(text, AT_FDCWD, &s, &err);
	if (rc == 0)
		fail_msg("%s is taken", text);
	if (!strstr(err.msg, why))
		fail_msg("%s: '%s' does not say '%s'", text, err.msg, why);
	return rc;
}

static void a_layout_has_its_tags_as_roots(void **state)
{
	auto_source struct source *s = NULL;

	(void)state;
	write_index("%s,%s", tagged("v1", "one"), tagged("h.io/app:v2", "two"));
	s = open_source("oci:%s", scratch_path("img"));
	assert_int_equal(s->root_count, 2);
	assert_string_equal(s->stem, "img");
	assert_string_equal(s->roots[0].tag, "v1");
	assert_null(s->roots[0].name);
	assert_string_equal(s->roots[1].name, "h.io/app:v2");
	assert_false(s->chosen);
}

static void containerd_s_name_goes_before_a_tag(void **state)
{
	auto_source struct source *s = NULL;

	(void)state;
	write_index("%s", blob("img/blobs/sha256", DESCRIPTOR_OCI_MANIFEST,
			       "\"annotations\":{\"org.opencontainers.image.ref.name\":"
			       "\"1\",\"io.containerd.image.name\":\"docker.io/a/b:1\"}",
			       "x"));
	s = open_source("oci:%s", scratch_path("img"));
	assert_string_equal(s->roots[0].name, "docker.io/a/b:1");
}

static void a_root_is_chosen_by_tag_name_or_digest(void **state)
{
	static const char *const refs[] = {"v2", "h.io/app:v2", "h.io/app:v2", NULL};
	char hex[DIGEST_HEX_SIZE];
	struct digest d;

	(void)state;
	write_index("%s,%s", tagged("v1", "one"), tagged("h.io/app:v2", "two"));
	digest_of("two", 3, &d);
	for (size_t i = 0; refs[i]; i++) {
		auto_source struct source *s =
			open_source("oci:%s:%s", scratch_path("img"), refs[i]);

		assert_int_equal(s->root_count, 1);
		assert_true(digest_equal(&s->roots[0].desc.digest, &d));
		assert_true(s->chosen);
	}
	source_close(open_source("oci:%s@sha256:%s", scratch_path("img"),
				 digest_hex(&d, hex)));
	assert_int_equal(refused("no image 'none'", "oci:%s:none", scratch_path("img")),
			 -ERR_NOTFOUND);
}

static void paths_may_have_colons(void **state)
{
	auto_source struct source *s = NULL;

	(void)state;
	write_index("%s", tagged("v1", "one"));
	assert_int_equal(rename(scratch_path("img"), scratch_path("a:b")), 0);
	s = open_source("oci:%s:v1", scratch_path("a:b"));
	assert_string_equal(s->stem, "a:b");
	assert_int_equal(refused("no image 'v2'", "oci:%s:v2", scratch_path("a:b")),
			 -ERR_NOTFOUND);
}

static void one_tag_for_two_images_is_refused_when_asked_for(void **state)
{
	(void)state;
	write_index("%s,%s", tagged("v1", "one"), tagged("v1", "two"));
	assert_int_equal(refused("several", "oci:%s:v1", scratch_path("img")),
			 -ERR_INVALID);
}

static void unnamed_images_for_platforms_are_one(void **state)
{
	auto_source struct source *s = NULL;
	const char *a =
		blob("img/blobs/sha256", DESCRIPTOR_OCI_MANIFEST,
		     "\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}", "one");
	const char *b =
		blob("img/blobs/sha256", DESCRIPTOR_OCI_MANIFEST,
		     "\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}", "two");

	(void)state;
	write_index("%s,%s", a, b);
	s = open_source("oci:%s", scratch_path("img"));
	assert_int_equal(s->root_count, 1);
	assert_int_equal(s->roots[0].desc.kind, DESCRIPTOR_INDEX);
}

static void what_is_missing_is_named(void **state)
{
	(void)state;
	assert_int_equal(refused("cannot open", "oci:%s", scratch_path("none")),
			 -ERR_SYSTEM);
	assert_int_equal(refused("index.json", "oci:%s", scratch_path("img")),
			 -ERR_INVALID);
	unlink(scratch_path("img/oci-layout"));
	assert_int_equal(refused("oci-layout", "oci:%s", scratch_path("img")),
			 -ERR_INVALID);
	scratch_file("img/oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}", 30);
	refused("version", "oci:%s", scratch_path("img"));
	assert_int_equal(refused("manifest.json", "dir:%s", scratch_path("img")),
			 -ERR_INVALID);
	refused("transport", "ftp:%s", scratch_path("img"));
	assert_false(source_is_known("ftp:x"));
	assert_false(source_is_known("oci:"));
	assert_true(source_is_known("oci-archive:x"));
}

static void bad_indexes_are_refused(void **state)
{
	static const char *const table[][2] = {
		{"{\"schemaVersion\":2,\"manifests\":[", "JSON"},
		{"{\"schemaVersion\":2,\"manifests\":[],\"manifests\":[]}", "duplicate"},
		{"{\"schemaVersion\":2,\"manifests\":[]}", "no images"},
		{"{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:../..\","
		 "\"size\":1}]}",
		 "digest"},
		{"[]", "object"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		scratch_file("img/index.json", table[i][0], strlen(table[i][0]));
		refused(table[i][1], "oci:%s", scratch_path("img"));
	}
}

/* Opens the only root's content as a document. */
static int read_root(struct source *s, struct err *err)
{
	auto_buf struct buf bytes;

	buf_init(&bytes, DOCUMENT_MAX);
	return source_read_document(s, &s->roots[0].desc, &bytes, err);
}

static const char *root_path(const char *content)
{
	static char name[256];
	char hex[DIGEST_HEX_SIZE];
	struct digest d;

	digest_of(content, strlen(content), &d);
	snprintf(name, sizeof(name), "img/blobs/sha256/%s", digest_hex(&d, hex));
	return scratch_path(name);
}

static void blobs_are_regular_files_inside(void **state)
{
	auto_source struct source *s = NULL;
	struct err err = {0};
	char target[512];

	(void)state;
	write_index("%s", tagged("v1", "one"));
	s = open_source("oci:%s", scratch_path("img"));
	assert_int_equal(read_root(s, &err), 0);

	scratch_file("img/elsewhere", "one", 3);
	unlink(root_path("one"));
	assert_int_equal(symlink("../../elsewhere", root_path("one")), 0);
	assert_int_equal(read_root(s, &err), 0);

	scratch_file("outside", "one", 3);
	unlink(root_path("one"));
	assert_int_equal(symlink("../../../outside", root_path("one")), 0);
	assert_int_equal(read_root(s, &err), -ERR_INVALID);
	assert_non_null(strstr(err.msg, "leads out"));

	snprintf(target, sizeof(target), "%s", scratch_path("outside"));
	unlink(root_path("one"));
	assert_int_equal(symlink(target, root_path("one")), 0);
	assert_int_equal(read_root(s, &err), -ERR_INVALID);

	unlink(root_path("one"));
	assert_int_equal(mkfifo(root_path("one"), 0600), 0);
	assert_int_equal(read_root(s, &err), -ERR_INVALID);
	assert_non_null(strstr(err.msg, "regular"));

	unlink(root_path("one"));
	assert_int_equal(read_root(s, &err), -ERR_INVALID);
	assert_non_null(strstr(err.msg, "missing"));
}

static void sizes_and_digests_of_documents_are_checked(void **state)
{
	auto_source struct source *s = NULL;
	struct err err = {0};

	(void)state;
	write_index("%s", tagged("v1", "one"));
	s = open_source("oci:%s", scratch_path("img"));
	scratch_file("img/x", "two", 3);
	assert_int_equal(rename(scratch_path("img/x"), root_path("one")), 0);
	assert_int_equal(read_root(s, &err), -ERR_INVALID);
	assert_non_null(strstr(err.msg, "digest mismatch"));
	scratch_file("img/x", "four", 4);
	assert_int_equal(rename(scratch_path("img/x"), root_path("one")), 0);
	assert_int_equal(read_root(s, &err), -ERR_INVALID);
	assert_non_null(strstr(err.msg, "size"));
}

static void skopeo_s_directory_has_one_root(void **state)
{
	auto_source struct source *s = NULL;
	struct err err = {0};
	const char *config;
	char text[1024];
	struct digest d;

	(void)state;
	scratch_mkdir("d");
	config = blob("d", DESCRIPTOR_OCI_CONFIG, NULL, "{}");
	snprintf(text, sizeof(text),
		 "{\"schemaVersion\":2,\"mediaType\":\"" DESCRIPTOR_OCI_MANIFEST
		 "\",\"config\":%s,\"layers\":[]}",
		 config);
	scratch_file("d/manifest.json", text, strlen(text));
	s = open_source("dir:%s", scratch_path("d"));
	assert_int_equal(s->root_count, 1);
	digest_of(text, strlen(text), &d);
	assert_true(digest_equal(&s->roots[0].desc.digest, &d));
	assert_int_equal(read_root(s, &err), 0);
}

static void stems_are_the_last_part_without_endings(void **state)
{
	static const char *const table[][2] = {
		{"/tmp/app.tar", "app"},
		{"/tmp/app.tar.gz", "app"},
		{"app-1.2.tar.zst", "app-1.2"},
		{"/a/b/", "b"},
		{"x.tgz", "x"},
		{".tar", ".tar"},
		{"-", "-"},
		{"no.gzip", "no.gzip"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		auto_free char *stem = source_stem(table[i][0]);

		assert_string_equal(stem, table[i][1]);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_layout_has_its_tags_as_roots),
		TEST(containerd_s_name_goes_before_a_tag),
		TEST(a_root_is_chosen_by_tag_name_or_digest),
		TEST(paths_may_have_colons),
		TEST(one_tag_for_two_images_is_refused_when_asked_for),
		TEST(unnamed_images_for_platforms_are_one),
		TEST(what_is_missing_is_named),
		TEST(bad_indexes_are_refused),
		TEST(blobs_are_regular_files_inside),
		TEST(sizes_and_digests_of_documents_are_checked),
		TEST(skopeo_s_directory_has_one_root),
		TEST(stems_are_the_last_part_without_endings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

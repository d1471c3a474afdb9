/* SPDX-License-Identifier: Apache-2.0
 * Manifests and indexes: good ones, and those that try to be two things. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/oci/manifest.h"

#include <string.h>

#define D1     "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2     "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define OCI    "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."
#define DESC(type, digest) \
	"{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":5}"
#define CONFIG "\"config\":" DESC(OCI "config.v1+json", D1)
#define LAYERS "\"layers\":[" DESC(OCI "layer.v1.tar+gzip", D2) "]"
#define V2     "\"schemaVersion\":2,"

static struct manifest parse(const char *text, const char *expected)
{
	struct manifest m;
	struct err err = {0};

	if (manifest_parse(text, strlen(text), expected, &m, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return m;
}

static void refused(const char *text, const char *expected, const char *why)
{
	struct err err = {0};
	struct manifest m;

	if (manifest_parse(text, strlen(text), expected, &m, &err) == 0)
		fail_msg("taken: %s", text);
	if (!strstr(err.msg, why))
		fail_msg("%s: '%s' does not say '%s'", text, err.msg, why);
}

static void an_image_has_config_and_layers(void **state)
{
	auto_manifest struct manifest m =
		parse("{" V2 CONFIG "," LAYERS ",\"x\":1}", NULL);
	char text[DIGEST_TEXT_SIZE];

	(void)state;
	assert_int_equal(m.kind, MANIFEST_IMAGE);
	assert_int_equal(m.config.kind, DESCRIPTOR_CONFIG);
	assert_int_equal(m.count, 1);
	assert_int_equal(m.items[0].kind, DESCRIPTOR_LAYER);
	assert_int_equal(m.items[0].size, 5);
	assert_string_equal(digest_format(&m.items[0].digest, text), D2);
	manifest_forget_texts(&m);
	assert_null(m.items[0].media_type);
	assert_string_equal(digest_format(&m.items[0].digest, text), D2);
}

static void docker_media_types_mean_the_same(void **state)
{
	auto_manifest struct manifest m = parse(
		"{" V2 "\"mediaType\":\"" DOCKER "distribution.manifest.v2+json\","
		"\"config\":" DESC(DOCKER "container.image.v1+json", D1) ",\"layers\":[" DESC(
			DOCKER "image.rootfs.diff.tar.gzip",
			D2) "," DESC(DOCKER "image.rootfs.foreign.diff.tar.gzip",
				     D1) "]}",
		DOCKER "distribution.manifest.v2+json");

	(void)state;
	assert_int_equal(m.kind, MANIFEST_IMAGE);
	assert_int_equal(m.items[0].kind, DESCRIPTOR_LAYER);
	assert_int_equal(m.items[1].kind, DESCRIPTOR_FOREIGN_LAYER);
}

static void an_index_has_platforms_and_annotations(void **state)
{
	auto_manifest struct manifest m = parse(
		"{" V2 "\"manifests\":[{\"mediaType\":\"" OCI
		"manifest.v1+json\",\"digest\":\"" D1
		"\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\","
		"\"variant\":\"v6\"},\"annotations\":{\"org.opencontainers.image.ref.name\":"
		"\"v1\",\"io.containerd.image.name\":\"h/a:v1\"},\"urls\":[\"http://u\"]},"
		"{\"mediaType\":\"" OCI "manifest.v1+json\",\"digest\":\"" D2
		"\",\"size\":1,"
		"\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"},"
		"\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\"}}]}",
		NULL);

	(void)state;
	assert_int_equal(m.kind, MANIFEST_INDEX);
	assert_int_equal(m.count, 2);
	assert_string_equal(m.items[0].platform.variant, "v6");
	assert_string_equal(m.items[0].tag, "v1");
	assert_string_equal(m.items[0].image_name, "h/a:v1");
	assert_string_equal(m.items[0].url, "http://u");
	assert_false(m.items[0].attestation);
	assert_true(m.items[1].attestation);
}

static void build_caches_and_artifacts_are_known(void **state)
{
	auto_manifest struct manifest a =
		parse("{" V2 "\"manifests\":[" DESC(OCI "layer.v1.tar+gzip", D1) "," DESC(
			      "application/vnd.buildkit.cacheconfig.v0", D2) "]}",
		      NULL);
	auto_manifest struct manifest b =
		parse("{" V2 "\"config\":" DESC("application/vnd.buildkit.cacheconfig.v0",
						D1) "," LAYERS "}",
		      NULL);
	auto_manifest struct manifest c = parse(
		"{" V2 "\"config\":" DESC("application/vnd.oci.empty.v1+json",
					  D1) "," LAYERS ",\"artifactType\":\"text/x\"}",
		NULL);

	(void)state;
	assert_int_equal(a.kind, MANIFEST_CACHE);
	assert_int_equal(b.kind, MANIFEST_CACHE);
	assert_int_equal(c.kind, MANIFEST_ARTIFACT);
	assert_string_equal(c.what, "text/x");
}

static void ambiguous_documents_are_refused(void **state)
{
	(void)state;
	refused("{" V2 CONFIG "," LAYERS ",\"manifests\":[]}", NULL, "ambiguous");
	refused("{" V2 LAYERS ",\"manifests\":[]}", NULL, "ambiguous");
	refused("{" V2 CONFIG "," LAYERS ",\"Manifests\":[]}", NULL, "mistaken");
	refused("{" V2 "\"mediaType\":\"" OCI "index.v1+json\"," CONFIG "," LAYERS "}",
		NULL, "media type");
	refused("{" V2 CONFIG "," LAYERS "}", OCI "index.v1+json", "media type");
	refused("{" V2 "\"manifests\":[]}", OCI "manifest.v1+json", "media type");
	refused("{" V2 "\"mediaType\":\"" OCI "manifest.v1+json\"," CONFIG "," LAYERS "}",
		DOCKER "distribution.manifest.v2+json", "media type");
	refused("{" V2 "\"layers\":[]}", NULL, "neither");
	refused("[]", NULL, "not an object");
}

static void schema_1_is_refused(void **state)
{
	(void)state;
	refused("{\"schemaVersion\":1,\"fsLayers\":[]}", NULL, "schema version 1");
	refused("{}", DOCKER "distribution.manifest.v1+prettyjws", "schema version 1");
	refused("{" CONFIG "," LAYERS "}", NULL, "schemaVersion");
	refused("{\"schemaVersion\":\"2\"," CONFIG "," LAYERS "}", NULL, "schemaVersion");
}

static void bad_descriptors_are_refused(void **state)
{
	static const char *const descs[] = {
		"5",
		"{}",
		"{\"digest\":\"" D1 "\"}",
		"{\"size\":1}",
		"{\"digest\":\"" D1 "\",\"size\":-1}",
		"{\"digest\":\"" D1 "\",\"size\":\"1\"}",
		"{\"digest\":\"" D1 "\",\"size\":1.5}",
		"{\"digest\":\"sha256:../../../etc/passwd\",\"size\":1}",
		"{\"digest\":\"sha256:12\",\"size\":1}",
		"{\"digest\":\"sha512:12\",\"size\":1}",
		"{\"digest\":7,\"size\":1}",
		"{\"digest\":\"" D1 "\",\"size\":1,\"Digest\":\"" D2 "\"}",
		"{\"digest\":\"" D1 "\",\"size\":1,\"mediaType\":1}",
		"{\"digest\":\"" D1 "\",\"size\":1,\"annotations\":[]}",
		"{\"digest\":\"" D1 "\",\"size\":1,\"platform\":{\"os\":\"../..\"}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(descs); i++) {
		char text[1024];

		snprintf(text, sizeof(text), "{" V2 CONFIG ",\"layers\":[%s]}", descs[i]);
		refused(text, NULL, "layer 1");
	}
}

static void a_made_manifest_is_canonical(void **state)
{
	auto_buf struct buf a, b;
	auto_manifest struct manifest m = {0};
	struct descriptor layer = {.media_type = DESCRIPTOR_OCI_LAYER, .size = 1024};
	struct digest config;

	(void)state;
	digest_of("config", 6, &config);
	digest_of("layer", 5, &layer.digest);
	buf_init(&a, 4096);
	buf_init(&b, 4096);
	assert_int_equal(manifest_make(&config, 6, &layer, 1, &a, NULL), 0);
	assert_int_equal(manifest_make(&config, 6, &layer, 1, &b, NULL), 0);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	assert_int_equal(manifest_parse(a.data, a.len, DESCRIPTOR_OCI_MANIFEST, &m, NULL),
			 0);
	assert_int_equal(m.kind, MANIFEST_IMAGE);
	assert_true(digest_equal(&m.config.digest, &config));
	assert_true(digest_equal(&m.items[0].digest, &layer.digest));
	assert_int_equal(m.items[0].size, 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_has_config_and_layers),
		cmocka_unit_test(docker_media_types_mean_the_same),
		cmocka_unit_test(an_index_has_platforms_and_annotations),
		cmocka_unit_test(build_caches_and_artifacts_are_known),
		cmocka_unit_test(ambiguous_documents_are_refused),
		cmocka_unit_test(schema_1_is_refused),
		cmocka_unit_test(bad_descriptors_are_refused),
		cmocka_unit_test(a_made_manifest_is_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

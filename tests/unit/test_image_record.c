/* SPDX-License-Identifier: Apache-2.0
 * Images in the store: documents, chains, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/scratch_store.h"
#include "tools/image_record.h"
#include "tools/oci/config.h"
#include "tools/oci/manifest.h"

/* Commits a layer of which there is only the record, and the image of it alone. */
static struct record_image commit_bare(const char *name, const char *content,
				       bool *ret_moved)
{
	struct record_item layer = {.type = RECORD_LAYER};
	struct image_bare bare = {.name = name, .tar_size = 1024, .created_by = "test"};
	struct record_image image;
	struct session *s;

	digest_of(content, strlen(content), &bare.diffid);
	layer.layer.diffid = bare.diffid;
	layer.layer.tar_size = 1024;
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(session_add(s, &layer, err));
	assert_ok(image_record_bare(s, &bare, &image, ret_moved, err));
	assert_ok(session_commit(s, err));
	return image;
}

static struct catalog_txn *begin(void)
{
	struct catalog_txn *t = NULL;

	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	return t;
}

static void a_bare_layer_is_an_image_with_documents(void **state)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_manifest struct manifest m = {0};
	auto_config struct config c = {0};
	auto_buf struct buf bytes;
	struct record_image image, found;
	struct record_chain chain;
	bool moved = true;

	(void)state;
	buf_init(&bytes, DOCUMENT_MAX);
	image = commit_bare("localhost/a:1", "layer", &moved);
	assert_false(moved);
	t = begin();
	assert_ok(catalog_image_get(t, &image.manifest, &found, err));
	assert_true(digest_equal(&found.chainid, &image.chainid));
	assert_true(*found.platform);
	assert_ok(catalog_chain_get(t, &image.chainid, &chain, err));
	assert_true(digest_is_zero(&chain.parent));

	assert_ok(objects_read_all(scratch_objects, &image.manifest, &bytes, err));
	assert_ok(
		manifest_parse(bytes.data, bytes.len, DESCRIPTOR_OCI_MANIFEST, &m, err));
	assert_true(digest_equal(&m.config.digest, &image.config));
	assert_true(digest_equal(&m.items[0].digest, &image.chainid));
	buf_clear(&bytes);
	assert_ok(objects_read_all(scratch_objects, &image.config, &bytes, err));
	assert_ok(config_parse(bytes.data, bytes.len, 1, &c, err));
	assert_true(digest_equal(&c.diffids[0], &image.chainid));
}

static void the_same_image_again_changes_nothing(void **state)
{
	struct record_image a, b;
	uint64_t before, after;
	bool moved;

	(void)state;
	a = commit_bare("localhost/a:1", "layer", &moved);
	assert_ok(store_generation(scratch_store, &before, err));
	b = commit_bare("localhost/a:1", "layer", &moved);
	assert_ok(store_generation(scratch_store, &after, err));
	assert_false(moved);
	assert_true(digest_equal(&a.manifest, &b.manifest));
	assert_int_equal(before, after);
}

static void a_name_moves_and_says_so(void **state)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_free void *memory = NULL;
	struct record_image b;
	struct record_ref ref;
	bool moved;

	(void)state;
	commit_bare("localhost/a:1", "one", &moved);
	b = commit_bare("localhost/a:1", "two", &moved);
	assert_true(moved);
	t = begin();
	assert_ok(catalog_ref_get(t, "localhost/a:1", &ref, &memory, err));
	assert_int_equal(ref.count, 1);
	assert_true(digest_equal(&ref.targets[0].manifest, &b.manifest));
	assert_true(digest_is_zero(&ref.index));
}

static void an_image_needs_no_name(void **state)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_image image, found;
	bool moved = false;

	(void)state;
	image = commit_bare(NULL, "layer", &moved);
	t = begin();
	assert_ok(catalog_image_get(t, &image.manifest, &found, err));
	assert_false(moved);
}

static void every_prefix_of_a_chain_is_recorded(void **state)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_image image = {.platform = "linux/amd64"};
	struct digest diffids[3], chains[3];
	struct image_parts parts = {.record = &image,
				    .manifest = "m",
				    .manifest_len = 1,
				    .config = "c",
				    .config_len = 1,
				    .diffids = diffids,
				    .count = 3};
	struct session *s;

	(void)state;
	digest_of("m", 1, &image.manifest);
	digest_of("c", 1, &image.config);
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	for (unsigned i = 0; i < 3; i++) {
		struct record_item layer = {.type = RECORD_LAYER};

		digest_of(&i, sizeof(i), &diffids[i]);
		digest_chain(i ? &chains[i - 1] : NULL, &diffids[i], &chains[i]);
		layer.layer.diffid = diffids[i];
		assert_ok(session_add(s, &layer, err));
	}
	image.chainid = chains[2];
	assert_ok(image_record_add(s, &parts, err));
	assert_ok(session_commit(s, err));
	t = begin();
	for (unsigned i = 0; i < 3; i++) {
		struct record_chain chain;

		assert_ok(catalog_chain_get(t, &chains[i], &chain, err));
		assert_true(digest_equal(&chain.diffid, &diffids[i]));
		if (i)
			assert_true(digest_equal(&chain.parent, &chains[i - 1]));
	}
}

int main(void)
{
#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_store_setup, scratch_store_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_bare_layer_is_an_image_with_documents),
		TEST(the_same_image_again_changes_nothing),
		TEST(a_name_moves_and_says_so),
		TEST(an_image_needs_no_name),
		TEST(every_prefix_of_a_chain_is_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

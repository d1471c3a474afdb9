/* SPDX-License-Identifier: Apache-2.0
 * store/session_commit: numbers, duplicates, names. */
#include "tests/unit/session_fixture.h"

static void layers_and_chains_get_numbers_and_come_only_once(void **state)
{
	struct fixture *f = *state;
	auto_catalog_txn struct catalog_txn *txn = NULL;
	struct record_item layer = {.type = RECORD_LAYER}, chain = {.type = RECORD_CHAIN};
	struct record_layer there;
	struct record_chain chain_there;
	struct session *s = begin(f);
	struct err err;

	digest_of("layer", 5, &layer.layer.diffid);
	digest_of("chain", 5, &chain.chain.chainid);
	chain.chain.diffid = layer.layer.diffid;
	layer.layer.tar_size = 10240;
	assert_int_equal(session_layer_get(s, &layer.layer.diffid, &there, NULL),
			 -ERR_NOTFOUND);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(session_add(s, &layer, &err), 0);
		assert_int_equal(session_add(s, &chain, &err), 0);
	}
	assert_int_equal(session_layer_get(s, &layer.layer.diffid, &there, &err), 0);
	assert_int_equal(session_commit(s, &err), 0);
	s = begin(f);
	layer.layer.tar_size = 99;
	assert_int_equal(session_add(s, &layer, &err), 0);
	assert_int_equal(session_commit(s, &err), 0);
	assert_int_equal(catalog_begin(store_catalog(f->store), false, &txn, &err), 0);
	assert_int_equal(catalog_layer_get(txn, &layer.layer.diffid, &there, &err), 0);
	assert_int_equal(catalog_chain_get(txn, &chain.chain.chainid, &chain_there, &err),
			 0);
	assert_int_equal(there.tar_size, 10240);
	assert_true(there.created > 0);
	assert_int_not_equal(there.number, chain_there.number);
}

static void set_name(struct session *s, const char *name, uint8_t value)
{
	struct record_ref_target targets[2] = {{.manifest.bytes = {value}},
					       {.platform = "a/b"}};
	struct record_item item = {
		.type = RECORD_REF,
		.ref = {.name = name, .count = 2, .targets = targets},
	};
	struct err err;

	if (session_add(s, &item, &err) < 0)
		fail_msg("%s", err.msg);
	memset(targets, 0xee, sizeof(targets)); /* it was copied */
}

static void expect_name(struct fixture *f, const char *name, uint8_t value)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	auto_free void *memory = NULL;
	struct record_ref ref;
	struct err err;

	assert_int_equal(catalog_begin(store_catalog(f->store), false, &txn, &err), 0);
	if (!value) {
		assert_int_equal(catalog_ref_get(txn, name, &ref, &memory, NULL),
				 -ERR_NOTFOUND);
		return;
	}
	assert_int_equal(catalog_ref_get(txn, name, &ref, &memory, &err), 0);
	assert_int_equal(ref.count, 2);
	assert_int_equal(ref.targets[0].manifest.bytes[0], value);
	assert_string_equal(ref.targets[1].platform, "a/b");
}

static void names_move_and_the_last_word_counts(void **state)
{
	struct fixture *f = *state;
	struct record_item unref = {.type = RECORD_UNREF, .unref = {.name = "h/r:a"}};
	struct session *s = begin(f);
	uint64_t before, after;
	struct err err;

	set_name(s, "h/r:a", 1);
	assert_int_equal(session_commit(s, &err), 0);
	expect_name(f, "h/r:a", 1);

	s = begin(f); /* there and back: nothing changes, nothing is written */
	set_name(s, "h/r:a", 2);
	set_name(s, "h/r:a", 1);
	assert_int_equal(store_generation(f->store, &before, &err), 0);
	assert_int_equal(session_commit(s, &err), 0);
	assert_int_equal(store_generation(f->store, &after, &err), 0);
	assert_int_equal(after, before);
	expect_name(f, "h/r:a", 1);

	s = begin(f);
	set_name(s, "h/r:b", 3);
	assert_int_equal(session_add(s, &unref, &err), 0);
	assert_int_equal(session_commit(s, &err), 0);
	expect_name(f, "h/r:a", 0);
	expect_name(f, "h/r:b", 3);

	s = begin(f);
	assert_int_equal(session_add(s, &unref, &err), 0);
	assert_int_equal(session_commit(s, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(layers_and_chains_get_numbers_and_come_only_once),
		TEST(names_move_and_the_last_word_counts),
	};

	return cmocka_run_group_tests_name("session_commit", tests, NULL, NULL);
}

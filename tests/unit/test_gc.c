/* SPDX-License-Identifier: Apache-2.0
 * store/gc: what nothing needs goes, all that is needed stays byte for byte, whatever runs at
 * the same time. */
#include "tests/unit/gc_fixture.h"

#include "store/artifact.h"
#include "store/gc_why.h"
#include "store/pins.h"

static uint32_t next_number(void)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct catalog_mark mark;

	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	assert_ok(catalog_mark_get(t, &mark, err));
	return mark.next_number;
}

static void what_has_a_name_stays(void **state)
{
	struct gc_result r;
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	r = collect();
	assert_int_equal(r.layers + r.chains + r.images + r.packs_dropped, 0);
	assert_int_equal(r.objects, r.live_objects);
	expect_layer(&a.layers[0]);
	expect_clean();
}

static void all_without_a_name_goes(void **state)
{
	struct gc_result r;
	struct image a;
	uint32_t next;

	(void)state;
	import_image("a", 1, &a);
	unname("a");
	next = next_number();
	r = collect();
	assert_int_equal(r.layers, 2);
	assert_int_equal(r.chains, 2);
	assert_int_equal(r.images, 1);
	assert_int_equal(r.live_objects, 0);
	assert_int_equal(r.bytes_after, 0);
	assert_false(has_layer(&a.layers[0]));
	expect_clean();
	/* Neither pack nor tree numbers come again. */
	import_image("a", 1, &a);
	assert_true(next_number() >= next + 4);
	assert_int_equal(access(scratch_path(PACK_ONE), F_OK), -1);
	expect_layer(&a.layers[1]);
	expect_clean();
}

static void a_pack_that_is_mostly_dead_is_rewritten(void **state)
{
	struct image images[5];
	struct gc_result r;
	char name[8];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "i%u", i);
		import_image(name, 10 * (i + 1), &images[i]);
		if (i != 2)
			unname(name);
	}
	r = collect();
	assert_int_equal(r.packs_rewritten, 1);
	assert_true(r.bytes_after < r.bytes_before / 2);
	assert_true(r.bytes_after > 0);
	expect_layer(&images[2].layers[0]);
	expect_layer(&images[2].layers[1]);
	assert_false(has_layer(&images[1].layers[0]));
	expect_clean();
	/* The journal alone gives the same. */
	close_store();
	remove_below("store/catalog");
	open_store(STORE_WRITE);
	expect_clean();
	r = collect();
	assert_int_equal(r.packs_rewritten + r.layers, 0);
}

static void a_gone_pack_that_is_still_a_file_does_not_count(void **state)
{
	struct image images[3];

	(void)state;
	import_image("a", 10, &images[0]);
	import_image("b", 20, &images[1]);
	import_image("c", 30, &images[2]);
	unname("a");
	unname("b");
	/* As if gc had been killed between its commit and the removal. */
	assert_int_equal(link(scratch_path(PACK_ONE), scratch_path("kept")), 0);
	assert_int_equal(collect().packs_rewritten, 1);
	assert_int_equal(rename(scratch_path("kept"), scratch_path(PACK_ONE)), 0);
	close_store();
	remove_below("store/catalog");
	open_store(STORE_WRITE);
	assert_ok(objects_new(scratch_store, 8 << 20, &scratch_objects, err));
	expect_clean();
	expect_layer(&images[2].layers[0]);
	collect();
	assert_int_equal(access(scratch_path(PACK_ONE), F_OK), -1);
	expect_clean();
}

static void grace_and_roots_keep(void **state)
{
	struct gc_options o = {.grace = 1000};
	struct image a, b;

	(void)state;
	import_image("a", 1, &a);
	import_image("b", 50, &b);
	unname("a");
	unname("b");
	assert_int_equal(collect_with(o).layers, 0);
	o = (struct gc_options){.roots = &a.chain, .root_count = 1};
	assert_int_equal(collect_with(o).layers, 2);
	assert_true(has_layer(&a.layers[0]));
	assert_false(has_layer(&b.layers[0]));
	expect_clean();
}

static void a_bound_on_the_size_overrules_grace(void **state)
{
	struct gc_options o = {.grace = 1000, .max_size = 1};
	struct gc_result r;
	struct image a, b;

	(void)state;
	import_image("a", 1, &a);
	import_image("b", 50, &b);
	unname("a");
	r = collect_with(o);
	assert_false(has_layer(&a.layers[0]));
	assert_true(has_layer(&b.layers[0]));
	assert_true(r.layers >= 2);
	expect_clean();
}

static void dry_run_changes_nothing(void **state)
{
	struct gc_options o = {.dry_run = true};
	uint64_t before;
	struct gc_result r;
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	unname("a");
	assert_ok(store_generation(scratch_store, &before, err));
	r = collect_with(o);
	assert_int_equal(r.layers, 2);
	assert_int_equal(r.live_objects, 0);
	assert_int_equal(r.packs_dropped, 1);
	assert_true(has_layer(&a.layers[0]));
	assert_int_equal(file_size(PACK_ONE), r.bytes_before);
	expect_layer(&a.layers[0]);
}

/* A session that has found a layer and content before gc ran commits after it. */
static void what_a_running_session_found_stays(void **state)
{
	struct record_item chain = {.type = RECORD_CHAIN};
	struct record_layer layer;
	struct session *s = NULL, *other = NULL;
	struct digest big, d;
	struct gc_result r;
	struct image a, b;
	auto_free uint8_t *data = malloc(900000);
	uint64_t fresh;

	(void)state;
	import_image("a", 1, &a);
	import_image("b", 50, &b);
	unname("a");
	unname("b");
	fill(data, 900000, 50);
	digest_of(data, 900000, &big);
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(session_layer_get(s, &a.layers[0], &layer, err));
	/* large content of b's first layer, so a list and its chunks */
	assert_ok(session_put_object(s, &big, data, 900000, "large.bin", &fresh, err));
	assert_int_equal(fresh, 0);
	r = collect();
	assert_true(has_layer(&a.layers[0]));
	assert_false(has_layer(&b.layers[0]));
	assert_true(r.live_objects < r.objects);
	chain.chain.diffid = a.layers[0];
	digest_chain(&chain.chain.parent, &chain.chain.diffid, &chain.chain.chainid);
	assert_ok(session_add(s, &chain, err));
	assert_ok(session_commit(s, err));
	expect_clean();
	/* The object is there though nothing refers to it: its session said it would. */
	assert_ok(session_begin(scratch_store, NULL, &other, err));
	assert_true(session_has_object(other, &big));
	session_abort(other);
	expect_layer(&a.layers[0]);
	digest_of("x", 1, &d);
	collect();
	expect_clean();
}

/* Keeps pack 1 busy from now until it is aborted. */
static struct session *hold_pack_one(void)
{
	struct session *s = NULL;
	struct pack_place place;

	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(session_put_frame(s, PACK_TREE, "x", 1, &place, err));
	assert_int_equal(place.pack, 1);
	return s;
}

static void put_bytes(struct session *s, const uint8_t *data, size_t len,
		      struct digest *ret)
{
	uint64_t fresh;

	digest_of(data, len, ret);
	assert_ok(session_put_object(s, ret, data, len, "x.bin", &fresh, err));
	assert_ok(session_flush(s, err));
}

/* Puts the content into a pack of its own, with an image that is needed. */
static void commit_beside(struct session *s, const char *name, uint64_t seed)
{
	struct record_ref_target target = {0};
	struct record_item image = {.type = RECORD_IMAGE};
	struct record_item ref = {.type = RECORD_REF};
	struct record_item chain = {.type = RECORD_CHAIN};

	put_layer(s, seed, &chain.chain.diffid);
	chain.chain.chainid = chain.chain.diffid;
	assert_ok(session_add(s, &chain, err));
	image.image.chainid = chain.chain.chainid;
	assert_ok(session_put_document(s, name, strlen(name), &image.image.config, err));
	assert_ok(session_put_document(s, "m", 1, &image.image.manifest, err));
	assert_ok(session_add(s, &image, err));
	ref.ref = (struct record_ref){.name = name, .count = 1, .targets = &target};
	target.manifest = image.image.manifest;
	assert_ok(session_add(s, &ref, err));
	assert_ok(session_commit(s, err));
}

static bool has_object(const struct digest *d)
{
	auto_session struct session *s = NULL;

	assert_ok(session_begin(scratch_store, NULL, &s, err));
	return session_has_object(s, d);
}

/* Two importers brought the same, one was first: what lies in the other's pack as well goes
 * with it. */
static void copies_of_what_is_dead_are_not_found(void **state)
{
	struct session *first = NULL, *second = NULL;
	struct record_item ref = {.type = RECORD_UNREF, .unref.name = "nothing"};
	uint8_t data[5000];
	struct digest d;
	struct image a;

	(void)state;
	fill(data, sizeof(data), 77);
	import_image("a", 1, &a);
	assert_ok(session_begin(scratch_store, NULL, &first, err));
	assert_ok(session_begin(scratch_store, NULL, &second, err));
	put_bytes(first, data, sizeof(data), &d);
	put_bytes(second, data, sizeof(data), &d);
	assert_ok(session_add(first, &ref, err));
	ref = (struct record_item){.type = RECORD_KEY, .key.key = {{1}}};
	ref.key.chainid = a.chain;
	assert_ok(session_add(first, &ref, err));
	assert_ok(session_commit(first, err));
	commit_beside(second, "b", 500);
	ref = (struct record_item){.type = RECORD_UNKEY, .unkey.key = {{1}}};
	assert_ok(session_begin(scratch_store, NULL, &first, err));
	assert_ok(session_add(first, &ref, err));
	assert_ok(session_commit(first, err));
	assert_true(has_object(&d));
	unname("a");
	collect();
	assert_int_equal(access(scratch_path(PACK_ONE), F_OK), -1);
	expect_clean();
	assert_false(has_object(&d));
	close_store();
	remove_below("store/catalog");
	open_store(STORE_WRITE);
	expect_clean();
	assert_false(has_object(&d));
}

static void put_artifact(const char *name, const struct digest *subject,
			 uint8_t fill_with, struct digest *ret_manifest,
			 struct digest *ret_blob)
{
	struct record_item ref = {.type = RECORD_REF};
	struct session *s = NULL;
	uint8_t data[5000];

	fill(data, sizeof(data), fill_with);
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	put_bytes(s, data, sizeof(data), ret_blob);
	assert_ok(artifact_put(s, data, 100, subject, ret_blob, 1, ret_manifest, err));
	ref.ref = (struct record_ref){.name = name, .index = *ret_manifest};
	if (name)
		assert_ok(session_add(s, &ref, err));
	assert_ok(session_commit(s, err));
}

static bool has_artifact(const struct digest *manifest)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct record_artifact there;

	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	return catalog_artifact_get(t, manifest, &there, NULL) == 0;
}

/* An index of artifacts keeps them; what is about something stays as long as that. */
static void artifacts_stay_with_what_leads_to_them(void **state)
{
	struct digest named, about, listed, index, lost, blob[4];
	struct session *s = NULL;
	struct record_item ref = {.type = RECORD_REF};
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	put_artifact("signature", NULL, 1, &named, &blob[0]);
	put_artifact(NULL, &a.manifest, 2, &about, &blob[1]);
	put_artifact(NULL, NULL, 3, &listed, &blob[2]);
	put_artifact(NULL, NULL, 4, &lost, &blob[3]);
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(artifact_put(s, "index", 5, NULL, &listed, 1, &index, err));
	ref.ref = (struct record_ref){.name = "index", .index = index};
	assert_ok(session_add(s, &ref, err));
	assert_ok(session_commit(s, err));
	collect();
	expect_clean();
	assert_true(has_object(&blob[0]));
	assert_true(has_object(&blob[1]));
	assert_true(has_object(&blob[2]));
	assert_true(has_artifact(&named) && has_artifact(&about) &&
		    has_artifact(&listed));
	assert_false(has_artifact(&lost));
	close_store();
	remove_below("store/catalog");
	open_store(STORE_WRITE);
	expect_clean();
	unname("a");
	unname("index");
	collect();
	expect_clean();
	assert_true(has_artifact(&named) && has_object(&named) && has_object(&blob[0]));
	assert_false(has_artifact(&about) || has_object(&about) || has_object(&blob[1]));
	assert_false(has_artifact(&listed) || has_object(&blob[2]));
	assert_false(has_artifact(&index) || has_object(&index));
}

struct reasons {
	unsigned count[GC_REASON_KINDS];
	struct digest artifact;
};

static int note_reason(void *arg, const struct gc_reason *reason, struct err *e)
{
	struct reasons *reasons = arg;

	(void)e;
	reasons->count[reason->kind]++;
	if (reason->kind == GC_BY_ARTIFACT)
		reasons->artifact = reason->id;
	return 0;
}

static struct reasons why(enum gc_why_kind kind, const struct digest *id)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	const struct gc_options o = {0};
	struct reasons reasons = {0};

	assert_ok(catalog_begin(store_catalog(scratch_store), false, &t, err));
	assert_ok(gc_why(scratch_store, t, &o, kind, id, note_reason, &reasons, err));
	return reasons;
}

/* The name, the key and the artifact keep it, each is told once, and what is told is so. */
static void an_artifact_is_a_reason(void **state)
{
	struct session *s = NULL;
	struct record_item ref = {.type = RECORD_REF};
	struct digest index;
	struct reasons reasons;
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(artifact_put(s, "index", 5, NULL, &a.manifest, 1, &index, err));
	ref.ref = (struct record_ref){.name = "index", .index = index};
	assert_ok(session_add(s, &ref, err));
	assert_ok(session_commit(s, err));
	reasons = why(GC_WHY_IMAGE, &a.manifest);
	assert_int_equal(reasons.count[GC_BY_NAME], 1);
	assert_int_equal(reasons.count[GC_BY_KEY], 1);
	assert_int_equal(reasons.count[GC_BY_ARTIFACT], 1);
	assert_true(digest_equal(&reasons.artifact, &index));
	unname("a");
	reasons = why(GC_WHY_IMAGE, &a.manifest);
	assert_int_equal(reasons.count[GC_BY_NAME] + reasons.count[GC_BY_KEY], 0);
	assert_int_equal(reasons.count[GC_BY_ARTIFACT], 1);
	assert_int_equal(collect().images, 0);
	unname_only("index");
	reasons = why(GC_WHY_IMAGE, &a.manifest);
	assert_int_equal(reasons.count[GC_BY_ARTIFACT], 0);
	assert_int_equal(collect().images, 1);
}

/* A dead list in a pack that stays, its chunks in one that goes. */
static void a_list_whose_chunks_go_is_not_found(void **state)
{
	auto_free uint8_t *data = malloc(900000);
	struct session *hold, *s = NULL;
	struct digest d;
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	fill(data, 900000, 1);
	data[450000] ^= 1;
	hold = hold_pack_one();
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	put_bytes(s, data, 900000, &d);
	commit_beside(s, "b", 500);
	session_abort(hold);
	unname("a");
	assert_true(has_object(&d));
	collect();
	assert_int_equal(access(scratch_path(PACK_ONE), F_OK), -1);
	expect_clean();
	assert_false(has_object(&d));
	close_store();
	remove_below("store/catalog");
	open_store(STORE_WRITE);
	expect_clean();
}

static void a_chain_whose_layer_went_is_refused(void **state)
{
	struct record_item chain = {.type = RECORD_CHAIN};
	struct session *s = NULL;
	struct err why = {0};
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	unname("a");
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	chain.chain.diffid = a.layers[0];
	digest_chain(&chain.chain.parent, &chain.chain.diffid, &chain.chain.chainid);
	assert_ok(session_add(s, &chain, err));
	collect();
	assert_int_equal(session_commit(s, &why), -ERR_BUSY);
	assert_non_null(strstr(why.msg, "try again"));
	expect_clean();
}

static void the_journal_becomes_one_record(void **state)
{
	struct image a = {0};
	uint64_t before;
	uint32_t next;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 120; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		import_image(name, 3, &a);
		unname(name);
	}
	for (unsigned i = 0; i < 900; i++) {
		import_image("n", 3, &a);
		unname("n");
	}
	import_image("n", 3, &a);
	before = file_size("store/journal");
	next = next_number();
	collect();
	assert_true(file_size("store/journal") < before / 4);
	assert_int_equal(next_number(), next);
	expect_clean();
	reopen_store(STORE_WRITE);
	expect_clean();
	close_store();
	remove_below("store/catalog");
	open_store(STORE_WRITE);
	expect_clean();
	assert_int_equal(next_number(), next);
}

static void a_stale_state_of_pins_is_put_right(void **state)
{
	struct pins_seen *seen = NULL;
	struct session *s = NULL;
	struct record_layer layer;
	struct image a;

	(void)state;
	import_image("a", 1, &a);
	/* A gc that was killed: frozen, and the store lock is free. */
	assert_ok(pins_see(scratch_store, true, &seen, err));
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(session_layer_get(s, &a.layers[0], &layer, err));
	session_abort(s);
	pins_thaw(seen);
	assert_ok(session_begin(scratch_store, NULL, &s, err));
	session_abort(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_has_a_name_stays),
		TEST(all_without_a_name_goes),
		TEST(a_pack_that_is_mostly_dead_is_rewritten),
		TEST(a_gone_pack_that_is_still_a_file_does_not_count),
		TEST(grace_and_roots_keep),
		TEST(a_bound_on_the_size_overrules_grace),
		TEST(dry_run_changes_nothing),
		TEST(what_a_running_session_found_stays),
		TEST(copies_of_what_is_dead_are_not_found),
		TEST(artifacts_stay_with_what_leads_to_them),
		TEST(an_artifact_is_a_reason),
		TEST(a_list_whose_chunks_go_is_not_found),
		TEST(a_chain_whose_layer_went_is_refused),
		TEST(the_journal_becomes_one_record),
		TEST(a_stale_state_of_pins_is_put_right),
	};

	return cmocka_run_group_tests_name("gc", tests, NULL, NULL);
}

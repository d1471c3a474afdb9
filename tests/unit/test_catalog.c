/* SPDX-License-Identifier: Apache-2.0
 * store/catalog: tables, sharing, damage, replacement under readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>

#include "tests/unit/catalog_fixture.h"

static void put_objects(struct catalog_txn *t, uint32_t from, uint32_t to, uint32_t pack)
{
	struct catalog_object *objects = calloc(to - from, sizeof(*objects));

	for (uint32_t i = from; i < to; i++)
		objects[i - from] = (struct catalog_object){
			.digest = numbered(i),
			.place = {.frame = {pack, 1000 + i, 1ull << 34},
				  .off = i,
				  .len = 5,
				  .kind = OBJECT_CHUNKED},
		};
	ok(catalog_object_put(t, objects, to - from, &err));
	free(objects);
}

static int in_order(void *arg, const struct digest *d, const struct object_place *place,
		    struct err *e)
{
	struct digest *last = arg;

	(void)e;
	assert_true(digest_cmp(last, d) < 0);
	assert_int_equal(place->len, 5);
	*last = *d;
	return 0;
}

static void objects_are_found_and_the_first_place_stays(void **state)
{
	struct catalog_txn *t = begin(true);
	struct object_place place;
	struct digest d, last = {0};

	(void)state;
	put_objects(t, 0, 2000, 1);
	put_objects(t, 1000, 3000, 2);
	ok(catalog_commit(t, &err));
	t = begin(false);
	for (uint32_t i = 0; i < 3000; i++) {
		d = numbered(i);
		ok(catalog_object_get(t, &d, &place, &err));
		assert_int_equal(place.frame.pack, i < 2000 ? 1 : 2);
		assert_int_equal(place.frame.len, 1000 + i);
		assert_int_equal(place.frame.off, 1ull << 34);
		assert_int_equal(place.off, i);
		assert_int_equal(place.kind, OBJECT_CHUNKED);
	}
	d = numbered(3000);
	assert_int_equal(catalog_object_get(t, &d, &place, NULL), -ERR_NOTFOUND);
	ok(catalog_object_each(t, in_order, &last, &err));
	catalog_abort(t);
}

static void objects_are_found_by_a_prefix(void **state)
{
	struct catalog_object objects[3] = {
		{.digest.bytes = {0xab, 0xcd, 0xe0}, .place.kind = OBJECT_WHOLE},
		{.digest.bytes = {0xab, 0xcd, 0xef}, .place.kind = OBJECT_WHOLE},
		{.digest.bytes = {0xff}, .place.kind = OBJECT_WHOLE},
	};
	struct catalog_txn *t = begin(true);
	struct digest found;

	(void)state;
	ok(catalog_object_put(t, objects, 3, &err));
	ok(catalog_object_by_prefix(t, 0xabcdef0000000000, 24, &found, &err));
	assert_int_equal(found.bytes[2], 0xef);
	ok(catalog_object_by_prefix(t, 0xf000000000000000, 4, &found, &err));
	assert_int_equal(found.bytes[0], 0xff);
	assert_int_equal(
		catalog_object_by_prefix(t, 0xabcde00000000000, 20, &found, &err),
		-ERR_FAILED);
	assert_int_equal(catalog_object_by_prefix(t, 0xac00000000000000, 8, &found, &err),
			 -ERR_NOTFOUND);
	ok(catalog_object_by_prefix(t, 0xabcde00000000000, 64, &found, &err));
	catalog_abort(t);
}

static int count_layer(void *arg, const struct record_layer *layer, struct err *e)
{
	(void)e;
	assert_int_equal(layer->entries, 42);
	return ++*(int *)arg == 3 ? 7 : 0;
}

static void layers_chains_blobs_and_images_come_back(void **state)
{
	struct digest a = numbered(1), b = numbered(2);
	struct record_layer layer = {.diffid = a, .entries = 42};
	struct record_chain chain = {a, {{0}}, b, 17};
	struct record_blob blob = {a, b, 5, 1};
	struct record_image image = {a, b, a, "linux/amd64"};
	struct catalog_txn *t = begin(true);
	int count = 0;

	(void)state;
	assert_int_equal(catalog_layer_get(t, &a, &layer, &err), -ERR_NOTFOUND);
	ok(catalog_chain_put(t, &chain, &err));
	ok(catalog_blob_put(t, &blob, &err));
	ok(catalog_image_put(t, &image, &err));
	for (uint32_t i = 0; i < 5; i++) {
		layer.diffid = numbered(i);
		ok(catalog_layer_put(t, &layer, &err));
	}
	ok(catalog_commit(t, &err));
	t = begin(false);
	ok(catalog_layer_get(t, &a, &layer, &err));
	assert_true(digest_equal(&layer.diffid, &a));
	ok(catalog_chain_get(t, &a, &chain, &err));
	assert_int_equal(chain.number, 17);
	ok(catalog_blob_get(t, &a, &blob, &err));
	assert_int_equal(blob.size, 5);
	ok(catalog_image_get(t, &a, &image, &err));
	assert_string_equal(image.platform, "linux/amd64");
	assert_int_equal(catalog_layer_each(t, NULL, count_layer, &count, &err), 7);
	assert_int_equal(count, 3);
	catalog_abort(t);
}

static int count_key(void *arg, const struct record_key *key, struct err *e)
{
	(void)e;
	assert_string_equal(key->scope, "ci");
	++*(int *)arg;
	return 0;
}

static void keys_come_back_and_go(void **state)
{
	struct digest a = numbered(1), b = numbered(2);
	struct record_key key = {a, b, {{0}}, b, "ci", 7};
	struct catalog_txn *t = begin(true);
	int count = 0;

	(void)state;
	assert_int_equal(catalog_key_get(t, &a, &key, &err), -ERR_NOTFOUND);
	ok(catalog_key_remove(t, &a, &err));
	ok(catalog_key_put(t, &key, &err));
	key.chainid = a; /* the last one stands */
	ok(catalog_key_put(t, &key, &err));
	key.key = b;
	ok(catalog_key_put(t, &key, &err));
	ok(catalog_commit(t, &err));
	t = begin(true);
	ok(catalog_key_get(t, &a, &key, &err));
	assert_true(digest_equal(&key.chainid, &a));
	assert_true(digest_equal(&key.parent, &b));
	assert_int_equal(key.created, 7);
	ok(catalog_key_each(t, NULL, count_key, &count, &err));
	assert_int_equal(count, 2);
	ok(catalog_key_remove(t, &a, &err));
	assert_int_equal(catalog_key_get(t, &a, &key, &err), -ERR_NOTFOUND);
	ok(catalog_key_get(t, &b, &key, &err));
	catalog_abort(t);
}

static int expect_names(void *arg, const struct record_ref *ref, struct err *e)
{
	const char ***next = arg;

	(void)e;
	assert_string_equal(ref->name, **next);
	++*next;
	return 0;
}

static void names_come_in_byte_order_from_anywhere(void **state)
{
	static const char *const names[] = {"b/x:1", "a:2", "a:10", "z"};
	const char *sorted[] = {"a:10", "a:2", "b/x:1", "z"}, **next = sorted;
	struct catalog_txn *t = begin(true);
	struct record_ref ref = {0};
	void *memory = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		ref.name = names[i];
		ref.created = (int64_t)i;
		ok(catalog_ref_put(t, &ref, &err));
	}
	ok(catalog_ref_each(t, NULL, expect_names, &next, &err));
	assert_ptr_equal(next, sorted + 4);
	next = sorted + 1;
	ok(catalog_ref_each(t, "a:11", expect_names, &next, &err));
	assert_ptr_equal(next, sorted + 4);
	ok(catalog_ref_get(t, "z", &ref, &memory, &err));
	assert_int_equal(ref.created, 3);
	free(memory);
	ok(catalog_ref_remove(t, "z", &err));
	ok(catalog_ref_remove(t, "z", &err));
	assert_int_equal(catalog_ref_get(t, "z", &ref, &memory, NULL), -ERR_NOTFOUND);
	catalog_abort(t);
}

static void names_of_full_length_are_kept_apart(void **state)
{
	char a[RECORD_REF_NAME_MAX + 1], b[RECORD_REF_NAME_MAX + 1];
	struct record_ref_target target = {.platform = "p"};
	struct record_ref ref = {.count = 1, .targets = &target};
	struct catalog_txn *t = begin(true);
	void *memory = NULL;

	(void)state;
	memset(a, 'n', sizeof(a));
	a[sizeof(a) - 1] = '\0';
	memcpy(b, a, sizeof(a));
	b[sizeof(b) - 2] = 'm';
	ref.name = a;
	ref.created = 1;
	ok(catalog_ref_put(t, &ref, &err));
	ref.name = b;
	ref.created = 2;
	ok(catalog_ref_put(t, &ref, &err));
	ok(catalog_ref_get(t, a, &ref, &memory, &err));
	assert_int_equal(ref.created, 1);
	assert_string_equal(ref.targets[0].platform, "p");
	free(memory);
	ok(catalog_ref_remove(t, a, &err));
	ok(catalog_ref_get(t, b, &ref, &memory, &err));
	assert_string_equal(ref.name, b);
	free(memory);
	catalog_abort(t);
}

static int sum_packs(void *arg, uint32_t number, uint64_t length, struct err *e)
{
	(void)e;
	*(uint64_t *)arg = *(uint64_t *)arg * 1000 + number + length;
	return 0;
}

static void trees_packs_and_the_mark_come_back(void **state)
{
	struct catalog_tree tree = {.number = 300,
				    .owner = TREE_OF_CHAIN,
				    .stale = true,
				    .version = 3,
				    .id = numbered(1),
				    .sha256 = numbered(2)};
	struct catalog_mark mark = {1ull << 40, 1ull << 39, 99, 1000}, again;
	struct catalog_txn *t = begin(true);
	uint64_t length, sum = 0;

	(void)state;
	ok(catalog_mark_get(t, &again, &err));
	assert_int_equal(again.journal_end, 0);
	assert_int_equal(again.next_number, 1);
	ok(catalog_mark_set(t, &mark, &err));
	ok(catalog_tree_put(t, &tree, &err));
	ok(catalog_pack_put(t, 256, 3, &err));
	ok(catalog_pack_put(t, 1, 2, &err));
	ok(catalog_commit(t, &err));
	t = begin(false);
	ok(catalog_mark_get(t, &again, &err));
	assert_int_equal(again.journal_end, mark.journal_end);
	assert_int_equal(again.journal_last, mark.journal_last);
	assert_int_equal(again.seq, 99);
	assert_int_equal(again.next_number, 1000);
	memset(&tree, 0, sizeof(tree));
	ok(catalog_tree_get(t, 300, &tree, &err));
	assert_int_equal(tree.owner, TREE_OF_CHAIN);
	assert_true(tree.stale);
	assert_int_equal(tree.version, 3);
	assert_int_equal(catalog_tree_get(t, 3, &tree, &err), -ERR_NOTFOUND);
	ok(catalog_pack_get(t, 256, &length, &err));
	assert_int_equal(length, 3);
	assert_int_equal(catalog_pack_get(t, 2, &length, &err), -ERR_NOTFOUND);
	ok(catalog_pack_each(t, sum_packs, &sum, &err));
	assert_int_equal(sum, 3 * 1000 + 259);
	catalog_abort(t);
}

static void an_open_catalog_is_shared_in_the_process(void **state)
{
	struct catalog *second = NULL;
	struct catalog_txn *t;
	uint64_t length;

	(void)state;
	ok(catalog_open(scratch_dir, false, &second, &err));
	t = begin(true);
	ok(catalog_pack_put(t, 1, 5, &err));
	ok(catalog_commit(t, &err));
	ok(catalog_begin(second, false, &t, &err));
	ok(catalog_pack_get(t, 1, &length, &err));
	catalog_abort(t);
	catalog_close(catalog);
	catalog = second;
	t = begin(true);
	catalog_abort(t);
	catalog_close(catalog);
	ok(catalog_open(scratch_dir, false, &catalog, &err));
	assert_int_equal(catalog_begin(catalog, true, &t, &err), -ERR_FAILED);
	assert_int_equal(catalog_open(scratch_dir, true, &second, &err), -ERR_BUSY);
}

static void a_reader_keeps_its_state_while_others_write(void **state)
{
	struct catalog_txn *old = begin(false), *t;
	uint64_t length;

	(void)state;
	for (uint32_t i = 0; i < 50; i++) {
		t = begin(true);
		put_objects(t, i * 100, i * 100 + 100, i);
		ok(catalog_pack_put(t, i, 1, &err));
		ok(catalog_commit(t, &err));
	}
	assert_int_equal(catalog_pack_get(old, 1, &length, &err), -ERR_NOTFOUND);
	catalog_abort(old);
	t = begin(false);
	ok(catalog_pack_get(t, 49, &length, &err));
	catalog_abort(t);
}

static void a_new_catalog_takes_the_place_of_the_old(void **state)
{
	struct catalog_txn *old, *t = begin(true);
	struct catalog *side = NULL;
	uint64_t length;

	(void)state;
	ok(catalog_pack_put(t, 1, 11, &err));
	ok(catalog_commit(t, &err));
	old = begin(false);
	ok(catalog_build(scratch_dir, &side, &err));
	ok(catalog_begin(side, true, &t, &err));
	ok(catalog_pack_put(t, 1, 22, &err));
	ok(catalog_commit(t, &err));
	ok(catalog_install(side, &err));
	ok(catalog_pack_get(old, 1, &length, &err));
	assert_int_equal(length, 11);
	ok(catalog_refresh(catalog, &err));
	t = begin(false);
	ok(catalog_pack_get(t, 1, &length, &err));
	assert_int_equal(length, 22);
	catalog_abort(t);
	catalog_abort(old);
	assert_int_equal(access(scratch_path("catalog.new"), F_OK), -1);
	ok(catalog_build(scratch_dir, &side, &err));
	catalog_discard(side);
	assert_int_equal(access(scratch_path("catalog.new"), F_OK), -1);
}

static void what_is_damaged_says_so(void **state)
{
	struct stat st;

	(void)state;
	struct catalog_txn *t = begin(true);
	put_objects(t, 0, 1000, 1);
	ok(catalog_commit(t, &err));
	catalog_close(catalog);
	catalog = NULL;
	assert_int_equal(stat(scratch_path("catalog/data.mdb"), &st), 0);
	assert_int_equal(truncate(scratch_path("catalog/data.mdb"), st.st_size - 4096),
			 0);
	for (unsigned writable = 0; writable < 2; writable++)
		assert_int_equal(catalog_open(scratch_dir, writable, &catalog, &err),
				 -ERR_CORRUPT);
	scratch_file("catalog/data.mdb", "no database at all, but some bytes", 34);
	for (unsigned writable = 0; writable < 2; writable++)
		assert_int_equal(catalog_open(scratch_dir, writable, &catalog, &err),
				 -ERR_CORRUPT);
	unlink(scratch_path("catalog/data.mdb"));
	assert_int_equal(catalog_open(scratch_dir, false, &catalog, &err), -ERR_NOTFOUND);
	assert_null(catalog);
}

/* In a process of its own, without the power to write. */
static int read_unprivileged(void)
{
	struct catalog_txn *t = NULL;
	uint64_t length = 0;

	if (geteuid() == 0 && (setegid(65534) < 0 || seteuid(65534) < 0))
		return 1;
	if (catalog_open(scratch_dir, false, &catalog, &err) < 0 ||
	    catalog_begin(catalog, false, &t, &err) < 0 ||
	    catalog_pack_get(t, 1, &length, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	catalog_abort(t);
	catalog_close(catalog);
	return length == 5 ? 0 : 3;
}

static void a_directory_that_we_may_not_write_can_be_read(void **state)
{
	struct catalog_txn *t = begin(true);
	int status;
	pid_t pid;

	(void)state;
	ok(catalog_pack_put(t, 1, 5, &err));
	ok(catalog_commit(t, &err));
	catalog_close(catalog);
	catalog = NULL;
	scratch_file("lock", "", 0);
	chmod(scratch_path("catalog/data.mdb"), 0444);
	chmod(scratch_path("catalog/lock.mdb"), 0444);
	chmod(scratch_path("catalog"), 0555);
	chmod(scratch_dir, 0555);
	pid = fork();
	if (pid == 0)
		_exit(read_unprivileged());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	chmod(scratch_dir, 0755);
	chmod(scratch_path("catalog"), 0755);
	assert_int_equal(status, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(objects_are_found_and_the_first_place_stays),
		T(objects_are_found_by_a_prefix),
		T(layers_chains_blobs_and_images_come_back),
		T(keys_come_back_and_go),
		T(names_come_in_byte_order_from_anywhere),
		T(names_of_full_length_are_kept_apart),
		T(trees_packs_and_the_mark_come_back),
		T(an_open_catalog_is_shared_in_the_process),
		T(a_reader_keeps_its_state_while_others_write),
		T(a_new_catalog_takes_the_place_of_the_old),
		T(what_is_damaged_says_so),
		T(a_directory_that_we_may_not_write_can_be_read),
	};

	return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}

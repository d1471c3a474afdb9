/* SPDX-License-Identifier: Apache-2.0
 * store/session: content in and out again, dedup, abort, poison, commit, many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "store/chunk.h"
#include "store/object.h"
#include "store/session.h"

struct fixture {
	char dir[64];
	struct store *store;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_store(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	snprintf(f->dir, sizeof(f->dir), "/tmp/layercache-session-XXXXXX");
	if (!mkdtemp(f->dir) || store_open(f->dir, STORE_CREATE, &f->store, &err) < 0)
		return -1;
	*state = f;
	return 0;
}

static int remove_store(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* ---- material ---- */

/* Content NUMBER, always the same: text that compresses, with a part that does not. */
static uint8_t *content(uint32_t number, size_t len, struct digest *ret)
{
	uint8_t *data = malloc(len + 1);
	uint64_t seed = number * 2654435761u + 1;

	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		data[i] = (i >> 12) % 3 ? (uint8_t)('a' + (seed >> 61))
					: (uint8_t)(seed >> 56);
	}
	digest_of(data, len, ret);
	return data;
}

static uint64_t put(struct session *s, uint32_t number, size_t len, struct digest *ret)
{
	auto_free uint8_t *data = content(number, len, ret);
	uint64_t fresh = 0;
	struct err err;

	if (session_put_object(s, ret, data, len, "name.txt", &fresh, &err) < 0)
		fail_msg("%s", err.msg);
	return fresh;
}

static struct session *begin(struct fixture *f)
{
	struct session *s = NULL;
	struct err err;

	if (session_begin(f->store, NULL, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static void add_image(struct session *s, uint32_t number)
{
	struct record_item item = {.type = RECORD_IMAGE};
	struct err err;

	digest_of(&number, sizeof(number), &item.image.manifest);
	if (session_add(s, &item, &err) < 0)
		fail_msg("%s", err.msg);
}

/* A commit needs something to say. */
static void commit(struct session *s, uint32_t image)
{
	struct err err;

	add_image(s, image);
	if (session_commit(s, &err) < 0)
		fail_msg("%s", err.msg);
}

static void expect_content(struct fixture *f, uint32_t number, size_t len)
{
	auto_objects struct objects *o = NULL;
	struct digest d;
	auto_free uint8_t *data = content(number, len, &d);
	auto_buf struct buf buf;
	struct err err;

	buf_init(&buf, len);
	assert_int_equal(objects_new(f->store, 1 << 20, &o, &err), 0);
	if (objects_read_all(o, &d, &buf, &err) < 0)
		fail_msg("content %u: %s", number, err.msg);
	assert_int_equal(buf.len, len);
	if (len)
		assert_memory_equal(buf.data, data, len);
}

static uint64_t packs_total;

static int add_size(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	if (type == FTW_F)
		packs_total += (uint64_t)st->st_size;
	return 0;
}

static uint64_t packs_bytes(struct fixture *f)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/packs", f->dir);
	packs_total = 0;
	nftw(path, add_size, 16, FTW_PHYS);
	return packs_total;
}

/* ---- tests ---- */

static void what_was_put_can_be_read_after_the_commit(void **state)
{
	static const size_t sizes[] = {
		0, 1, 511, 4096, 100000, CHUNK_THRESHOLD, CHUNK_THRESHOLD + 1, 3000000};
	struct session *s = begin(*state);
	struct digest d;

	for (uint32_t i = 0; i < ARRAY_LEN(sizes); i++)
		assert_int_equal(put(s, i, sizes[i], &d), sizes[i]);
	commit(s, 1);
	for (uint32_t i = 0; i < ARRAY_LEN(sizes); i++)
		expect_content(*state, i, sizes[i]);
}

static void known_content_is_not_stored_again(void **state)
{
	struct session *s = begin(*state);
	uint64_t before;
	struct digest d;

	assert_int_equal(put(s, 1, 5000, &d), 5000);
	assert_int_equal(put(s, 1, 5000, &d), 0);
	assert_true(put(s, 2, 2000000, &d) > 0);
	assert_int_equal(put(s, 2, 2000000, &d), 0);
	assert_true(session_has_object(s, &d));
	commit(s, 1);
	before = packs_bytes(*state);
	s = begin(*state);
	assert_true(session_has_object(s, &d));
	assert_int_equal(put(s, 1, 5000, &d), 0);
	assert_int_equal(put(s, 2, 2000000, &d), 0);
	commit(s, 2);
	assert_int_equal(packs_bytes(*state), before);
}

static void a_changed_large_file_stores_only_what_changed(void **state)
{
	const size_t len = 4 << 20;
	struct session *s = begin(*state);
	struct digest d;
	auto_free uint8_t *data = content(7, len, &d);
	uint64_t fresh;
	struct err err;

	assert_int_equal(session_put_object(s, &d, data, len, NULL, &fresh, &err), 0);
	assert_int_equal(fresh, len);
	data[len / 2] ^= 1;
	digest_of(data, len, &d);
	assert_int_equal(session_put_object(s, &d, data, len, NULL, &fresh, &err), 0);
	assert_in_range(fresh, 1, 2 * CHUNK_MAX);
	session_abort(s);
}

static void an_abort_leaves_the_store_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct session *s = begin(f);
	uint64_t before, generation, after;
	struct digest d;
	struct err err;

	put(s, 1, 300000, &d);
	commit(s, 1);
	before = packs_bytes(f);
	assert_int_equal(store_generation(f->store, &generation, &err), 0);
	s = begin(f);
	for (uint32_t i = 10; i < 60; i++)
		put(s, i, 90000, &d);
	assert_int_equal(session_flush(s, &err), 0);
	assert_true(packs_bytes(f) > before);
	session_abort(s);
	assert_int_equal(packs_bytes(f), before);
	assert_int_equal(store_generation(f->store, &after, &err), 0);
	assert_int_equal(after, generation);
	s = begin(f);
	assert_false(session_has_object(s, &d));
	session_abort(s);
	session_abort(NULL);
}

static void a_first_session_that_is_aborted_leaves_no_pack(void **state)
{
	struct session *s = begin(*state);
	struct digest d;
	struct err err;

	put(s, 1, 900000, &d);
	assert_int_equal(session_flush(s, &err), 0);
	session_abort(s);
	assert_int_equal(packs_bytes(*state), 0);
}

static void a_commit_without_items_writes_nothing(void **state)
{
	struct session *s = begin(*state);
	struct digest d;
	struct err err;

	put(s, 1, 900000, &d);
	assert_int_equal(session_commit(s, &err), 0);
	assert_int_equal(packs_bytes(*state), 0);
	s = begin(*state);
	assert_int_equal(session_commit(s, &err), 0);
	assert_int_equal(packs_bytes(*state), 0);
}

static void what_another_session_committed_meanwhile_is_dropped(void **state)
{
	struct session *a = begin(*state), *b = begin(*state);
	uint64_t before;
	struct digest d;
	struct err err;

	put(a, 1, 400000, &d);
	assert_int_equal(session_flush(a, &err), 0);
	before = packs_bytes(*state);
	put(b, 1, 400000, &d);
	commit(a, 1);
	commit(b, 1); /* the same image: nothing is left to say */
	assert_int_equal(packs_bytes(*state), before);
	expect_content(*state, 1, 400000);
}

static void sessions_at_the_same_time_use_packs_of_their_own(void **state)
{
	struct session *a = begin(*state), *b = begin(*state);
	struct digest d;

	put(a, 1, 400000, &d);
	put(b, 2, 500000, &d);
	commit(b, 2);
	put(a, 3, 400000, &d);
	commit(a, 1);
	expect_content(*state, 1, 400000);
	expect_content(*state, 2, 500000);
	expect_content(*state, 3, 400000);
}

static void later_sessions_append_to_the_pack_that_is_there(void **state)
{
	struct fixture *f = *state;
	uint32_t *numbers = NULL;
	size_t count;
	struct digest d;
	struct err err;

	for (uint32_t i = 0; i < 5; i++) {
		struct session *s = begin(f);

		put(s, i, 50000, &d);
		commit(s, i);
	}
	assert_int_equal(packs_list(store_packs(f->store), &numbers, &count, &err), 0);
	assert_int_equal(count, 1);
	free(numbers);
	for (uint32_t i = 0; i < 5; i++)
		expect_content(f, i, 50000);
}

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

static void documents_and_frames_come_back_verbatim(void **state)
{
	static const char text[] = "{\"schemaVersion\": 2}";
	struct fixture *f = *state;
	struct session *s = begin(f);
	auto_objects struct objects *o = NULL;
	struct digest d, again;
	struct pack_place place;
	auto_codec struct codec *codec = NULL;
	auto_buf struct buf scratch, raw, read;
	enum pack_frame_type type;
	struct err err;

	buf_init(&scratch, 1 << 20);
	buf_init(&raw, 1 << 20);
	buf_init(&read, 1 << 20);
	assert_int_equal(session_put_document(s, text, sizeof(text), &d, &err), 0);
	assert_int_equal(session_put_document(s, text, sizeof(text), &again, &err), 0);
	assert_true(digest_equal(&d, &again));
	assert_int_equal(
		session_put_frame(s, PACK_TREE, text, sizeof(text), &place, &err), 0);
	assert_int_equal(session_flush(s, &err), 0);
	assert_int_equal(codec_new(&codec, &err), 0);
	assert_int_equal(pack_read_body(store_packs(f->store), &place, codec, &scratch,
					&raw, &type, &err),
			 0);
	assert_int_equal(type, PACK_TREE);
	assert_memory_equal(raw.data, text, sizeof(text));
	commit(s, 1);
	assert_int_equal(objects_new(f->store, 1 << 20, &o, &err), 0);
	assert_int_equal(objects_read_all(o, &d, &read, &err), 0);
	assert_int_equal(read.len, sizeof(text));
	assert_memory_equal(read.data, text, sizeof(text));
}

static void a_document_that_is_a_file_too_is_kept_as_both(void **state)
{
	struct fixture *f = *state;
	struct session *s = begin(f);
	struct digest d, document;
	auto_free uint8_t *data = content(5, 5000, &d);
	struct err err;

	assert_int_equal(put(s, 5, 5000, &d), 5000);
	assert_int_equal(session_put_document(s, data, 5000, &document, &err), 0);
	assert_true(digest_equal(&d, &document));
	commit(s, 1);
	expect_content(f, 5, 5000);
}

/* ---- streamed content ---- */

static void write_streamed(struct session *s, const uint8_t *data, size_t len,
			   size_t step, struct digest *ret, uint64_t *ret_new)
{
	auto_session_writer struct session_writer *w = NULL;
	uint64_t size;
	struct err err;

	assert_int_equal(session_writer_new(s, "x.bin", &w, &err), 0);
	for (size_t off = 0; off < len; off += step) {
		size_t n = len - off < step ? len - off : step;

		if (session_write(w, data + off, n, &err) < 0)
			fail_msg("%s", err.msg);
	}
	assert_int_equal(session_writer_finish(w, ret, &size, ret_new, &err), 0);
	assert_int_equal(size, len);
}

static void streamed_content_equals_content_put_at_once(void **state)
{
	static const size_t sizes[] = {0, 1, CHUNK_THRESHOLD, CHUNK_THRESHOLD + 1,
				       5000000};
	static const size_t steps[] = {1000, 65536, 1 << 20, 7 << 20};
	struct session *s = begin(*state);

	for (uint32_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (uint32_t k = 0; k < ARRAY_LEN(steps); k++) {
			struct digest d, streamed;
			auto_free uint8_t *data = content(i, sizes[i], &d);
			uint64_t fresh;

			write_streamed(s, data, sizes[i], steps[k], &streamed, &fresh);
			assert_true(digest_equal(&d, &streamed));
			assert_int_equal(fresh, k ? 0 : sizes[i]);
			assert_int_equal(put(s, i, sizes[i], &d), 0);
		}
	commit(s, 1);
	for (uint32_t i = 0; i < ARRAY_LEN(sizes); i++)
		expect_content(*state, i, sizes[i]);
}

static void holes_take_no_space_and_read_as_zeros(void **state)
{
	struct fixture *f = *state;
	struct session *s = begin(f);
	auto_session_writer struct session_writer *w = NULL;
	auto_objects struct objects *o = NULL;
	const uint64_t gap = 200ull << 20;
	uint8_t data[5000], got[6000];
	struct digest d;
	uint64_t size, fresh;
	size_t n;
	struct err err;

	memset(data, 'x', sizeof(data));
	assert_int_equal(session_writer_new(s, NULL, &w, &err), 0);
	assert_int_equal(session_write(w, data, sizeof(data), &err), 0);
	assert_int_equal(session_write_zeros(w, gap, &err), 0);
	assert_int_equal(session_write(w, data, sizeof(data), &err), 0);
	assert_int_equal(session_write_zeros(w, 100, &err), 0);
	assert_int_equal(session_writer_finish(w, &d, &size, &fresh, &err), 0);
	assert_int_equal(size, gap + 2 * sizeof(data) + 100);
	assert_in_range(fresh, 1, 2 * sizeof(data) + 100);
	commit(s, 1);
	assert_in_range(packs_bytes(f), 1, 4096);
	assert_int_equal(objects_new(f->store, 1 << 20, &o, &err), 0);
	assert_int_equal(
		objects_read(o, &d, sizeof(data) + gap - 500, got, 6000, &n, &err), 0);
	assert_int_equal(n, 5600);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(got[i], i >= 500 && i < 5500 ? 'x' : 0);
	assert_int_equal(objects_size(o, &d, &size, &err), 0);
	assert_int_equal(size, gap + 2 * sizeof(data) + 100);
}

static void zeros_in_plain_content_are_holes_too(void **state)
{
	const size_t len = 8 << 20;
	auto_free uint8_t *data = calloc(1, len);
	struct session *s = begin(*state);
	struct digest d;
	uint64_t fresh;
	struct err err;

	digest_of(data, len, &d);
	assert_int_equal(session_put_object(s, &d, data, len, NULL, &fresh, &err), 0);
	assert_int_equal(fresh, 0);
	commit(s, 1);
	assert_in_range(packs_bytes(*state), 1, 1024);
}

/* ---- failure ---- */

static void a_full_disk_gives_one_error_and_the_store_as_before(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, small;
	struct session *s = begin(f);
	uint64_t before;
	struct digest d;
	struct err err = {0}, again = {0};
	int r = 0;

	put(s, 1, 100000, &d);
	commit(s, 1);
	before = packs_bytes(f);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){.rlim_cur = before + 1000000, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	s = begin(f);
	for (uint32_t i = 100; i < 200 && r == 0; i++) {
		auto_free uint8_t *data = content(i, 200000, &d);

		r = session_put_object(s, &d, data, 200000, NULL, NULL, &err);
	}
	if (r == 0)
		r = session_flush(s, &err);
	assert_int_equal(r, -ERR_SYSTEM);
	assert_int_equal(err.sys, EFBIG);
	assert_int_equal(session_flush(s, &again), r);
	assert_string_equal(again.msg, err.msg);
	assert_int_equal(session_commit(s, &again), r);
	assert_string_equal(again.msg, err.msg);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(packs_bytes(f), before);
	expect_content(f, 1, 100000);
	s = begin(f);
	put(s, 2, 2000000, &d);
	commit(s, 2);
	expect_content(f, 2, 2000000);
}

/* ---- threads ---- */

#define THREADS 8
#define OBJECTS 400

struct worker {
	struct session *session;
	uint32_t seed;
	_Atomic uint64_t *fresh;
};

static size_t size_of(uint32_t number)
{
	return number % 40 ? (number * 7919u) % 9000 : 300000 + number * 100;
}

static void *put_overlapping(void *arg)
{
	struct worker *w = arg;
	struct digest d;

	for (uint32_t i = 0; i < OBJECTS; i++) {
		uint32_t number = (i * 37 + w->seed * 11) % OBJECTS;

		*w->fresh += put(w->session, number, size_of(number), &d);
	}
	return NULL;
}

static void threads_put_overlapping_content_once(void **state)
{
	struct fixture *f = *state;
	struct session *s = begin(f);
	_Atomic uint64_t fresh = 0;
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	uint64_t total = 0;

	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){s, i, &fresh};
		assert_int_equal(
			pthread_create(&threads[i], NULL, put_overlapping, &workers[i]),
			0);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	commit(s, 1);
	for (uint32_t i = 0; i < OBJECTS; i++)
		total += size_of(i);
	assert_int_equal(fresh, total);
	for (uint32_t i = 0; i < OBJECTS; i++)
		expect_content(f, i, size_of(i));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_store, remove_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_can_be_read_after_the_commit),
		TEST(known_content_is_not_stored_again),
		TEST(a_changed_large_file_stores_only_what_changed),
		TEST(an_abort_leaves_the_store_as_it_was),
		TEST(a_first_session_that_is_aborted_leaves_no_pack),
		TEST(a_commit_without_items_writes_nothing),
		TEST(what_another_session_committed_meanwhile_is_dropped),
		TEST(sessions_at_the_same_time_use_packs_of_their_own),
		TEST(later_sessions_append_to_the_pack_that_is_there),
		TEST(layers_and_chains_get_numbers_and_come_only_once),
		TEST(names_move_and_the_last_word_counts),
		TEST(documents_and_frames_come_back_verbatim),
		TEST(a_document_that_is_a_file_too_is_kept_as_both),
		TEST(streamed_content_equals_content_put_at_once),
		TEST(holes_take_no_space_and_read_as_zeros),
		TEST(zeros_in_plain_content_are_holes_too),
		TEST(a_full_disk_gives_one_error_and_the_store_as_before),
		TEST(threads_put_overlapping_content_once),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}

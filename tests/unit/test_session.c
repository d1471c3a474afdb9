/* SPDX-License-Identifier: Apache-2.0
 * store/session: content in and out again, dedup, abort, poison, commit, many threads. */
#include "tests/unit/session_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

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
	s = begin(f);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){.rlim_cur = before + 1000000, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
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
		TEST(documents_and_frames_come_back_verbatim),
		TEST(a_document_that_is_a_file_too_is_kept_as_both),
		TEST(a_full_disk_gives_one_error_and_the_store_as_before),
		TEST(threads_put_overlapping_content_once),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * store/pack: appending, committing, cutting back; reading by place. */
#include "tests/unit/pack_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static void frames_come_back_by_their_place(void **state)
{
	struct pack_writer *w = pack_open(3, 0);
	struct pack_place at[20];

	(void)state;
	assert_int_equal(pack_writer_length(w), PACK_FILE_HEADER_SIZE);
	for (uint32_t i = 0; i < 20; i++)
		pack_put(w, i, &at[i]);
	assert_int_equal(pack_writer_sync(w, NULL), 0);
	assert_int_equal(pack_writer_number(w), 3);
	assert_int_equal(pack_writer_length(w), at[19].off + at[19].len);
	for (uint32_t i = 0; i < 20; i++)
		pack_expect(&at[i], i);
	pack_writer_close(w);
}

static void bodies_are_decompressed(void **state)
{
	static uint8_t text[10000];
	auto_codec struct codec *codec = NULL;
	auto_buf struct buf out, scratch, raw;
	struct pack_writer *w = pack_open(1, 0);
	enum codec_method method;
	enum pack_frame_type type;
	struct pack_place at;
	struct err err;

	(void)state;
	memset(text, 'x', sizeof(text));
	buf_init(&out, sizeof(text));
	buf_init(&scratch, 1 << 20);
	buf_init(&raw, sizeof(text));
	assert_int_equal(codec_new(&codec, &err), 0);
	assert_int_equal(
		codec_compress(codec, text, sizeof(text), 3, &out, &method, &err), 0);
	assert_int_equal(pack_append(w, PACK_RECIPE, method, NULL, 0, out.data,
				     (uint32_t)out.len, sizeof(text), &at, &err),
			 0);
	pack_writer_close(w);
	assert_int_equal(pack_read_body(packs, &at, codec, &scratch, &raw, &type, &err),
			 0);
	assert_int_equal(type, PACK_RECIPE);
	assert_int_equal(raw.len, sizeof(text));
	assert_memory_equal(raw.data, text, sizeof(text));
}

static void what_was_not_committed_is_cut_by_the_next_writer(void **state)
{
	struct pack_writer *w = pack_open(1, 0);
	struct pack_place at[3], again;
	uint64_t committed;

	(void)state;
	pack_put(w, 0, &at[0]);
	committed = pack_writer_length(w);
	pack_put(w, 1, &at[1]);
	pack_writer_close(w);
	w = pack_open(1, committed);
	pack_put(w, 2, &again);
	assert_int_equal(again.off, committed);
	pack_writer_close(w);
	pack_expect(&at[0], 0);
	pack_expect(&again, 2);
}

static void an_abort_cuts_back_and_removes_what_is_new(void **state)
{
	struct pack_writer *w = pack_open(1, 0);
	struct pack_place at, other;
	uint64_t committed;
	struct stat st;

	(void)state;
	pack_put(w, 0, &at);
	committed = pack_writer_length(w);
	pack_writer_close(w);
	w = pack_open(1, committed);
	pack_put(w, 1, &other);
	pack_writer_abort(w);
	assert_int_equal(stat(scratch_path("00000001.pack"), &st), 0);
	assert_int_equal(st.st_size, committed);
	pack_expect(&at, 0);
	w = pack_open(2, 0);
	pack_put(w, 1, &other);
	pack_writer_abort(w);
	assert_int_equal(stat(scratch_path("00000002.pack"), &st), -1);
}

static void a_pack_has_one_writer_at_a_time(void **state)
{
	struct pack_writer *w = pack_open(1, 0), *second = NULL;

	(void)state;
	assert_int_equal(pack_writer_open(pack_dirfd, 1, 0, true, &second, NULL),
			 -ERR_BUSY);
	pack_writer_close(w);
	assert_int_equal(pack_writer_open(pack_dirfd, 1, 0, true, &second, NULL), 0);
	pack_writer_close(second);
	assert_int_equal(pack_writer_open(pack_dirfd, 9, 100, false, &second, NULL),
			 -ERR_NOTFOUND);
}

static void a_pack_shorter_than_its_commits_is_damaged(void **state)
{
	struct pack_writer *w = pack_open(1, 0), *second;
	struct pack_place at;
	uint64_t length;
	struct stat st;

	(void)state;
	pack_put(w, 0, &at);
	length = pack_writer_length(w);
	pack_writer_close(w);
	assert_int_equal(
		pack_writer_open(pack_dirfd, 1, length + 1, false, &second, NULL),
		-ERR_CORRUPT);
	assert_int_equal(stat(scratch_path("00000001.pack"), &st), 0);
	assert_int_equal(st.st_size, length);
	pack_flip(1, 3, 1);
	assert_int_equal(pack_writer_open(pack_dirfd, 1, length, false, &second, NULL),
			 -ERR_CORRUPT);
}

static void a_full_disk_leaves_the_writer_usable(void **state)
{
	struct pack_writer *w = pack_open(1, 0);
	struct rlimit old, limit;
	struct pack_place at, lost;
	uint64_t length;
	struct err err;

	(void)state;
	pack_put(w, 5, &at);
	length = pack_writer_length(w);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = length + 60;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(pack_try_put(w, 6, &lost, &err), -ERR_SYSTEM);
	assert_int_equal(err.sys, EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(pack_writer_length(w), length);
	pack_put(w, 7, &lost);
	assert_int_equal(lost.off, length);
	pack_expect(&at, 5);
	pack_expect(&lost, 7);
	pack_writer_abort(w);
}

struct appender {
	struct pack_writer *writer;
	uint32_t first;
	struct pack_place at[50];
};

static void *append_many(void *arg)
{
	struct appender *a = arg;

	for (uint32_t i = 0; i < 50; i++)
		if (pack_try_put(a->writer, a->first + i, &a->at[i], NULL) < 0)
			return a;
	return NULL;
}

static void threads_append_to_one_pack(void **state)
{
	struct pack_writer *w = pack_open(1, 0);
	struct appender a[4];
	pthread_t threads[4];
	uint64_t total = PACK_FILE_HEADER_SIZE;

	(void)state;
	for (uint32_t t = 0; t < 4; t++) {
		a[t] = (struct appender){.writer = w, .first = t * 50};
		assert_int_equal(pthread_create(&threads[t], NULL, append_many, &a[t]),
				 0);
	}
	for (uint32_t t = 0; t < 4; t++) {
		void *failed;

		pthread_join(threads[t], &failed);
		assert_null(failed);
		for (uint32_t i = 0; i < 50; i++) {
			pack_expect(&a[t].at[i], t * 50 + i);
			total += a[t].at[i].len;
		}
	}
	assert_int_equal(pack_writer_length(w), total);
	pack_writer_close(w);
}

static void a_pack_made_anew_is_read_anew(void **state)
{
	struct pack_writer *w = pack_open(1, 0);
	struct pack_place first, second;

	(void)state;
	pack_put(w, 1, &first);
	pack_expect(&first, 1);
	pack_writer_abort(w);
	w = pack_open(1, 0);
	pack_put(w, 2, &second);
	pack_expect(&second, 2);
	pack_writer_close(w);
}

static void packs_that_share_a_slot_are_read_in_turn(void **state)
{
	struct pack_place at[3];
	uint32_t *numbers;
	size_t count;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct pack_writer *w = pack_open(7 + i * 512, 0);

		pack_put(w, i, &at[i]);
		pack_writer_close(w);
	}
	for (uint32_t i = 0; i < 9; i++)
		pack_expect(&at[i % 3], i % 3);
	scratch_file("0000000A.pack", "", 0);
	scratch_file("1.pack", "", 0);
	scratch_file("00000007.pack.old", "", 0);
	assert_int_equal(packs_list(packs, &numbers, &count, NULL), 0);
	assert_int_equal(count, 3);
	assert_int_equal(numbers[0], 7);
	assert_int_equal(numbers[2], 7 + 1024);
	free(numbers);
}

static void every_flipped_bit_of_a_frame_is_found(void **state)
{
	struct pack_writer *w = pack_open(1, 0);
	auto_buf struct buf buf;
	struct pack_frame f;
	struct pack_place at;
	struct err err;

	(void)state;
	buf_init(&buf, 1 << 20);
	pack_put(w, 1, &at);
	pack_writer_close(w);
	for (uint64_t i = 0; i < at.len; i++) {
		pack_flip(1, at.off + i, (uint8_t)(1u << i % 8));
		if (pack_read(packs, &at, &buf, &f, &err) != -ERR_CORRUPT)
			fail_msg("byte %llu", (unsigned long long)i);
		pack_flip(1, at.off + i, (uint8_t)(1u << i % 8));
	}
	pack_expect(&at, 1);
}

static void places_that_are_no_frame_are_damage(void **state)
{
	struct pack_writer *w = pack_open(1, 0);
	auto_buf struct buf buf;
	struct pack_place at, other;
	struct pack_frame f;

	(void)state;
	buf_init(&buf, 1 << 20);
	pack_put(w, 1, &at);
	pack_put(w, 1, &other);
	pack_writer_close(w);
	other = at;
	other.len--;
	assert_int_equal(pack_read(packs, &other, &buf, &f, NULL), -ERR_CORRUPT);
	other = at;
	other.off++;
	assert_int_equal(pack_read(packs, &other, &buf, &f, NULL), -ERR_CORRUPT);
	other = at;
	other.len = 10;
	assert_int_equal(pack_read(packs, &other, &buf, &f, NULL), -ERR_CORRUPT);
	other.len = UINT32_MAX;
	assert_int_equal(pack_read(packs, &other, &buf, &f, NULL), -ERR_LIMIT);
	other = at;
	other.off = 1ull << 40;
	assert_int_equal(pack_read(packs, &other, &buf, &f, NULL), -ERR_CORRUPT);
	other.pack = 77;
	assert_int_equal(pack_read(packs, &other, &buf, &f, NULL), -ERR_NOTFOUND);
}

static void a_frame_that_is_too_large_is_refused(void **state)
{
	struct pack_writer *w = pack_open(1, 0);
	struct pack_place at;

	(void)state;
	assert_int_equal(pack_append(w, PACK_DATA, CODEC_ZSTD, NULL, 0, "", 1,
				     PACK_BODY_MAX + 1, &at, NULL),
			 -ERR_LIMIT);
	assert_int_equal(pack_append(w, PACK_DATA, CODEC_ZSTD, NULL, PACK_TABLE_MAX + 1,
				     "", 1, 1, &at, NULL),
			 -ERR_LIMIT);
	pack_writer_abort(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PACK_TEST(frames_come_back_by_their_place),
		PACK_TEST(bodies_are_decompressed),
		PACK_TEST(what_was_not_committed_is_cut_by_the_next_writer),
		PACK_TEST(an_abort_cuts_back_and_removes_what_is_new),
		PACK_TEST(a_pack_has_one_writer_at_a_time),
		PACK_TEST(a_pack_shorter_than_its_commits_is_damaged),
		PACK_TEST(a_full_disk_leaves_the_writer_usable),
		PACK_TEST(threads_append_to_one_pack),
		PACK_TEST(a_pack_made_anew_is_read_anew),
		PACK_TEST(packs_that_share_a_slot_are_read_in_turn),
		PACK_TEST(every_flipped_bit_of_a_frame_is_found),
		PACK_TEST(places_that_are_no_frame_are_damage),
		PACK_TEST(a_frame_that_is_too_large_is_refused),
	};

	return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}

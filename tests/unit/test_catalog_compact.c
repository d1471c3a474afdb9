/* SPDX-License-Identifier: Apache-2.0
 * store/catalog_compact: what is copied, what it gains, who reads meanwhile, what fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/catalog_fixture.h"

#define BATCHES 40
#define BATCH   500

static void put_objects(struct catalog_txn *t, uint32_t from, uint32_t to)
{
	struct catalog_object *objects = calloc(to - from, sizeof(*objects));

	for (uint32_t i = from; i < to; i++)
		objects[i - from] = (struct catalog_object){
			.digest = numbered(i),
			.place = {.frame = {.pack = 3, .off = i, .len = 1000 + i},
				  .off = i,
				  .len = 5,
				  .kind = OBJECT_WHOLE},
		};
	ok(catalog_object_put(t, objects, to - from, &err));
	free(objects);
}

static void put_ref(struct catalog_txn *t, const char *name)
{
	struct record_ref_target target = {.platform = "linux/amd64"};
	struct record_ref ref = {.name = name, .count = 1, .targets = &target};

	target.manifest = numbered(7);
	ok(catalog_ref_put(t, &ref, &err));
}

static const struct catalog_mark mark = {
	.journal_end = 1000, .journal_last = 900, .seq = 17, .next_number = 5};

static void fill(void)
{
	struct catalog_txn *t;

	for (uint32_t i = 0; i < BATCHES; i++) {
		t = begin(true);
		put_objects(t, i * BATCH, (i + 1) * BATCH);
		ok(catalog_commit(t, &err));
	}
	t = begin(true);
	put_ref(t, "localhost/a:1");
	put_ref(t, "localhost/b:1");
	ok(catalog_pack_put(t, 3, 33, &err));
	ok(catalog_mark_set(t, &mark, &err));
	ok(catalog_commit(t, &err));
}

static int count_ref(void *arg, const struct record_ref *ref, struct err *e)
{
	(void)e;
	assert_string_equal(ref->targets[0].platform, "linux/amd64");
	++*(unsigned *)arg;
	return 0;
}

static void is_complete(void)
{
	struct catalog_txn *t = begin(false);
	struct catalog_mark there;
	uint64_t length;
	unsigned refs = 0;

	for (uint32_t i = 0; i < BATCHES * BATCH; i++) {
		struct object_place place;
		struct digest d = numbered(i);

		ok(catalog_object_get(t, &d, &place, &err));
		assert_int_equal(place.frame.off, i);
		assert_int_equal(place.frame.len, 1000 + i);
	}
	ok(catalog_ref_each(t, NULL, count_ref, &refs, &err));
	assert_int_equal(refs, 2);
	ok(catalog_pack_get(t, 3, &length, &err));
	assert_int_equal(length, 33);
	ok(catalog_mark_get(t, &there, &err));
	assert_int_equal(there.journal_end, mark.journal_end);
	assert_int_equal(there.journal_last, mark.journal_last);
	assert_int_equal(there.seq, mark.seq);
	assert_int_equal(there.next_number, mark.next_number);
	catalog_abort(t);
}

static uint64_t file_size(void)
{
	struct stat st;

	assert_int_equal(stat(scratch_path("catalog/data.mdb"), &st), 0);
	return (uint64_t)st.st_size;
}

static bool gains_grown(unsigned percent, unsigned grown, size_t least)
{
	const struct catalog_waste limits = {percent, grown, least};
	bool ret = false;

	ok(catalog_compact_gains(catalog, &limits, &ret, &err));
	return ret;
}

static bool gains(unsigned percent, size_t least)
{
	return gains_grown(percent, 0, least);
}

static void all_is_there_and_takes_less(void **state)
{
	struct catalog_txn *t;
	uint64_t before;

	(void)state;
	assert_false(gains(10, 256u << 10)); /* an empty one */
	fill();
	before = file_size();
	assert_true(gains(25, 1u << 20));
	assert_false(gains(25, before + 1));
	ok(catalog_compact(catalog, &err));
	assert_true(file_size() * 2 < before);
	/* 32 bytes of digest, 9 to 11 of place, 10 of LMDB's */
	assert_true(file_size() < BATCHES * BATCH * 58 + (64u << 10));
	assert_false(gains(2, 0));
	is_complete();
	assert_int_equal(access(scratch_path("catalog.new"), F_OK), -1);

	t = begin(true);
	put_objects(t, BATCHES * BATCH, (BATCHES + 1) * BATCH);
	ok(catalog_commit(t, &err));
	assert_true(gains(25, 0));
	catalog_close(catalog);
	catalog = NULL;
	ok(catalog_open(scratch_dir, true, &catalog, &err));
	is_complete();
	ok(catalog_compact(catalog, &err));
	is_complete();
}

static void removed_entries_give_their_room_back(void **state)
{
	struct catalog_txn *t;
	uint64_t full;

	(void)state;
	fill();
	ok(catalog_compact(catalog, &err));
	full = file_size();
	t = begin(true);
	for (uint32_t i = 0; i < BATCHES * BATCH; i++) {
		struct digest d = numbered(i);

		if (i % 16)
			ok(catalog_object_remove(t, &d, &err));
	}
	ok(catalog_commit(t, &err));
	assert_true(gains(25, 256u << 10));
	ok(catalog_compact(catalog, &err));
	assert_true(file_size() * 8 < full);
}

/* Full pages are split by the next entries: that is waste, but not yet worth a copy. */
static void it_has_to_grow_before_it_is_copied_again(void **state)
{
	struct catalog_txn *t;

	(void)state;
	fill();
	assert_true(gains_grown(25, 10, 0));
	for (uint32_t i = BATCHES; i < BATCHES + 4; i++) {
		ok(catalog_compact(catalog, &err));
		t = begin(true);
		put_objects(t, i * BATCH, (i + 1) * BATCH);
		ok(catalog_commit(t, &err));
		assert_true(gains(25, 0));
		assert_false(gains_grown(25, 10, 0));
		assert_true(gains_grown(25, 1, 0));
	}
	t = begin(true);
	put_objects(t, (BATCHES + 4) * BATCH, (BATCHES + 9) * BATCH);
	ok(catalog_commit(t, &err));
	assert_true(gains_grown(25, 10, 0));
	catalog_close(catalog);
	catalog = NULL;
	ok(catalog_open(scratch_dir, true, &catalog, &err));
	assert_true(gains_grown(25, 10, 0));
	ok(catalog_compact(catalog, &err));
	assert_false(gains_grown(25, 10, 0));
}

static void an_old_state_is_read_to_its_end(void **state)
{
	struct catalog_txn *old, *t;
	struct digest last = numbered(BATCHES * BATCH);
	struct object_place place;

	(void)state;
	fill();
	old = begin(false);
	for (unsigned i = 0; i < 3; i++) {
		t = begin(true);
		put_objects(t, (BATCHES + i) * BATCH, (BATCHES + i + 1) * BATCH);
		ok(catalog_commit(t, &err));
		ok(catalog_compact(catalog, &err));
	}
	assert_int_equal(catalog_object_get(old, &last, &place, NULL), -ERR_NOTFOUND);
	for (uint32_t i = 0; i < BATCHES * BATCH; i += 7) {
		struct digest d = numbered(i);

		ok(catalog_object_get(old, &d, &place, &err));
		assert_int_equal(place.frame.off, i);
	}
	catalog_abort(old);
	t = begin(false);
	ok(catalog_object_get(t, &last, &place, &err));
	catalog_abort(t);
}

/* ---- another process ---- */

/* Answers every byte with the length of pack 1. */
static int answer(int in, int out)
{
	struct catalog *own;
	char question;

	if (catalog_open(scratch_dir, false, &own, &err) < 0)
		return 1;
	while (read(in, &question, 1) == 1) {
		struct catalog_txn *t;
		uint64_t length = 0;

		if (catalog_begin(own, false, &t, &err) < 0)
			return 2;
		(void)!catalog_pack_get(t, 1, &length, &err);
		catalog_abort(t);
		if (write(out, &length, sizeof(length)) != sizeof(length))
			return 3;
	}
	catalog_close(own);
	return 0;
}

static void set_length(uint64_t length)
{
	struct catalog_txn *t = begin(true);

	ok(catalog_pack_put(t, 1, length, &err));
	ok(catalog_commit(t, &err));
}

static void other_processes_go_over_at_once(void **state)
{
	int question[2], reply[2], status;
	pid_t pid;

	(void)state;
	catalog_close(catalog); /* nothing of LMDB's may be open across fork */
	catalog = NULL;
	assert_int_equal(pipe(question) + pipe(reply), 0);
	pid = fork();
	if (pid == 0) {
		close(question[1]);
		_exit(answer(question[0], reply[1]));
	}
	close(question[0]);
	ok(catalog_open(scratch_dir, true, &catalog, &err));
	for (uint64_t i = 1; i <= 60; i++) {
		uint64_t length;

		set_length(i);
		assert_int_equal(write(question[1], "?", 1), 1);
		assert_int_equal(read(reply[0], &length, 8), 8);
		assert_int_equal(length, i);
		if (i % 3 == 0)
			ok(catalog_compact(catalog, &err));
	}
	close(question[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(reply[0]);
	close(reply[1]);
}

/* Opens and reads as often as it can until it is told to stop. */
static int open_often(int in)
{
	fcntl(in, F_SETFL, O_NONBLOCK);
	for (char c; read(in, &c, 1) < 0;) {
		struct catalog *own;
		struct catalog_txn *t;
		struct object_place place;
		struct digest d = numbered(BATCH);

		if (catalog_open(scratch_dir, false, &own, &err) < 0)
			return 1;
		if (catalog_begin(own, false, &t, &err) < 0)
			return 2;
		if (catalog_object_get(t, &d, &place, &err) < 0)
			return 3;
		catalog_abort(t);
		catalog_close(own);
	}
	return 0;
}

static void it_can_be_opened_at_any_moment(void **state)
{
	int in[2], status;
	pid_t pid;

	(void)state;
	fill();
	catalog_close(catalog);
	catalog = NULL;
	assert_int_equal(pipe(in), 0);
	pid = fork();
	if (pid == 0) {
		close(in[1]);
		_exit(open_often(in[0]));
	}
	close(in[0]);
	ok(catalog_open(scratch_dir, true, &catalog, &err));
	for (uint64_t i = 1; i <= 40; i++) {
		set_length(i);
		ok(catalog_compact(catalog, &err));
	}
	close(in[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	is_complete();
}

/* ---- no room ---- */

static void without_room_the_old_one_stays(void **state)
{
	struct rlimit was, small;
	uint64_t before;
	int r;

	(void)state;
	fill();
	before = file_size();
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	small = was;
	for (rlim_t size = 0; size < (1u << 20); size += 100 * 1024) {
		small.rlim_cur = size;
		setrlimit(RLIMIT_FSIZE, &small);
		r = catalog_compact(catalog, &err);
		setrlimit(RLIMIT_FSIZE, &was);
		assert_true(r < 0);
		assert_int_equal(file_size(), before);
		assert_int_equal(access(scratch_path("catalog.new"), F_OK), -1);
	}
	signal(SIGXFSZ, SIG_DFL);
	is_complete();
	ok(catalog_compact(catalog, &err));
	is_complete();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_is_there_and_takes_less),
		T(removed_entries_give_their_room_back),
		T(it_has_to_grow_before_it_is_copied_again),
		T(an_old_state_is_read_to_its_end),
		T(other_processes_go_over_at_once),
		T(it_can_be_opened_at_any_moment),
		T(without_room_the_old_one_stays),
	};

	return cmocka_run_group_tests_name("catalog_compact", tests, NULL, NULL);
}

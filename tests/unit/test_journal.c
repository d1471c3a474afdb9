/* SPDX-License-Identifier: Apache-2.0
 * store/journal: append and replay; torn tails, damage, salvage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "store/base/io.h"
#include "store/journal.h"
#include "tests/unit/scratch.h"

static int dirfd_ = -1;
static struct journal *journal;
static uint64_t ends[8]; /* of record I at [I], of the file header at [0] */

static int setup(void **state)
{
	struct err err;

	(void)state;
	scratch_make();
	dirfd_ = open(scratch_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal_open(dirfd_, true, true, &journal, &err) < 0)
		fail_msg("%s", err.msg);
	ends[0] = journal_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	journal_close(journal);
	close(dirfd_);
	scratch_remove();
	return 0;
}

/* The items of record SEQ: of all lengths modulo the alignment. */
static size_t items_of(uint64_t seq, uint8_t items[64])
{
	size_t len = 20 + (size_t)seq * 3;

	memset(items, (int)seq, len);
	return len;
}

static int try_append(uint64_t seq, struct err *err)
{
	uint8_t items[64];
	size_t len = items_of(seq, items);

	return journal_append(journal, ends[seq - 1], seq, items, len, &ends[seq], err);
}

static void append(uint64_t seq)
{
	struct err err;

	if (try_append(seq, &err) < 0)
		fail_msg("%s", err.msg);
}

static int expect_record(void *arg, uint64_t seq, const uint8_t *items, size_t len,
			 uint64_t end, struct err *err)
{
	uint8_t right[64];

	(void)err;
	assert_int_equal(len, items_of(seq, right));
	assert_memory_equal(items, right, len);
	assert_int_equal(end, ends[seq]);
	++*(unsigned *)arg;
	return 0;
}

static unsigned replay(uint64_t from, uint64_t after, uint64_t *ret_end)
{
	unsigned count = 0;
	uint64_t seq;
	struct err err;

	if (journal_replay(journal, from, after, expect_record, &count, ret_end, &seq,
			   &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(seq, after + count);
	return count;
}

static int replay_code(void)
{
	unsigned count = 0;
	uint64_t end, seq;

	return journal_replay(journal, journal_start(), 0, expect_record, &count, &end,
			      &seq, NULL);
}

static void flip(uint64_t off)
{
	auto_fd int fd = open(scratch_path("journal"), O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, (off_t)off), 1);
	byte ^= 0x20;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)off), 1);
}

static void cut(uint64_t size)
{
	assert_int_equal(truncate(scratch_path("journal"), (off_t)size), 0);
}

static void records_are_replayed_in_order(void **state)
{
	uint64_t end;

	(void)state;
	assert_int_equal(replay(journal_start(), 0, &end), 0);
	assert_int_equal(end, journal_start());
	for (uint64_t seq = 1; seq < 8; seq++)
		append(seq);
	assert_int_equal(replay(journal_start(), 0, &end), 7);
	assert_int_equal(end, ends[7]);
	assert_int_equal(replay(ends[4], 4, &end), 3);
	assert_int_equal(replay(ends[7], 7, &end), 0);
	journal_close(journal);
	assert_int_equal(journal_open(dirfd_, false, false, &journal, NULL), 0);
	assert_int_equal(replay(journal_start(), 0, &end), 7);
}

static void a_record_cut_anywhere_never_happened(void **state)
{
	uint64_t end;

	(void)state;
	append(1);
	append(2);
	append(3);
	for (uint64_t size = ends[3] - 1; size >= ends[2]; size--) {
		cut(size);
		assert_int_equal(replay(journal_start(), 0, &end), 2);
		assert_int_equal(end, ends[2]);
	}
	append(3);
	for (uint64_t size = ends[3] - 1; size > ends[2]; size -= 5) {
		cut(size);
		append(3);
		assert_int_equal(replay(journal_start(), 0, &end), 3);
	}
}

/* What was written in full and is wrong now may be a commit: it is no torn tail. */
static void damage_in_the_last_record_is_reported(void **state)
{
	uint64_t end;

	(void)state;
	append(1);
	append(2);
	for (uint64_t off = ends[1]; off < ends[1] + 24 + 26; off++) {
		bool len = off >= ends[1] + 4 && off < ends[1] + 8;

		flip(off);
		/* A length that leads beyond the end looks like a cut. */
		if (!len)
			assert_int_equal(replay_code(), -ERR_CORRUPT);
		flip(off);
	}
	assert_int_equal(replay(journal_start(), 0, &end), 2);
}

static void what_is_cut_off_is_kept_aside(void **state)
{
	struct stat st;

	(void)state;
	append(1);
	append(2);
	cut(ends[2] - 9);
	append(2);
	assert_int_equal(stat(scratch_path("journal.cut"), &st), 0);
	assert_int_equal(st.st_size, ends[2] - 9 - ends[1]);
}

static void zeros_at_the_end_are_a_torn_tail(void **state)
{
	uint64_t end;

	(void)state;
	append(1);
	cut(ends[1] + 100000);
	assert_int_equal(replay(journal_start(), 0, &end), 1);
	append(2);
	assert_int_equal(replay(journal_start(), 0, &end), 2);
}

static void damage_before_valid_records_is_reported(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq < 5; seq++)
		append(seq);
	for (uint64_t off = ends[1]; off < ends[1] + 24 + 26; off++) {
		flip(off);
		assert_int_equal(replay_code(), -ERR_CORRUPT);
		flip(off);
	}
	assert_int_equal(replay_code(), 0);
}

static void a_missing_record_in_between_is_reported(void **state)
{
	(void)state;
	append(1);
	ends[2] = ends[1];
	append(3);
	assert_int_equal(replay_code(), -ERR_CORRUPT);
}

static void a_journal_that_lost_its_end_is_reported(void **state)
{
	unsigned count = 0;
	uint64_t end, seq;
	bool fits;

	(void)state;
	append(1);
	append(2);
	assert_int_equal(journal_fits(journal, ends[1], ends[2], 2, &fits, NULL), 0);
	assert_true(fits);
	assert_int_equal(journal_fits(journal, ends[1], ends[2], 3, &fits, NULL), 0);
	assert_false(fits);
	assert_int_equal(journal_fits(journal, ends[0], ends[2], 2, &fits, NULL), 0);
	assert_false(fits);
	cut(ends[1]);
	assert_int_equal(journal_replay(journal, ends[2], 2, expect_record, &count, &end,
					&seq, NULL),
			 -ERR_CORRUPT);
	assert_int_equal(journal_fits(journal, ends[1], ends[2], 2, &fits, NULL), 0);
	assert_false(fits);
}

static void count_gap(void *arg, uint64_t from, uint64_t to)
{
	(void)arg;
	assert_int_equal(from, ends[1]);
	assert_int_equal(to, ends[2]);
}

static void salvage_gives_what_is_around_the_damage(void **state)
{
	unsigned count = 0;

	(void)state;
	for (uint64_t seq = 1; seq < 6; seq++)
		append(seq);
	flip(ends[1] + 30);
	assert_int_equal(journal_salvage(journal, expect_record, &count, count_gap, NULL),
			 0);
	assert_int_equal(count, 4);
}

static void a_full_disk_leaves_the_journal_as_it_was(void **state)
{
	struct rlimit old, limit;
	struct stat st;
	uint64_t end;
	struct err err;

	(void)state;
	append(1);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	for (uint64_t room = 0; room < 50; room += 7) {
		limit.rlim_cur = ends[1] + room;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_int_equal(try_append(2, &err), -ERR_SYSTEM);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		assert_int_equal(stat(scratch_path("journal"), &st), 0);
		assert_int_equal(st.st_size, ends[1]);
	}
	append(2);
	assert_int_equal(replay(journal_start(), 0, &end), 2);
}

static void a_replaced_journal_is_noticed(void **state)
{
	uint8_t items[64];
	bool replaced;
	unsigned count = 0;
	uint64_t end, seq;

	(void)state;
	append(1);
	assert_int_equal(journal_refresh(journal, &replaced, NULL), 0);
	assert_false(replaced);
	assert_int_equal(journal_replace(dirfd_, items, items_of(7, items), 7, NULL), 0);
	assert_int_equal(journal_refresh(journal, &replaced, NULL), 0);
	assert_true(replaced);
	ends[7] = journal_start() + 24 + 48;
	assert_int_equal(journal_replay(journal, journal_start(), 0, expect_record,
					&count, &end, &seq, NULL),
			 0);
	assert_int_equal(count, 1);
	assert_int_equal(seq, 7);
}

static void what_is_no_journal_is_refused(void **state)
{
	struct journal *other;

	(void)state;
	scratch_file("journal", "LCJRNL01\0\0\0\0\0\0\0", 15);
	assert_int_equal(journal_open(dirfd_, true, true, &other, NULL), -ERR_CORRUPT);
	scratch_file("journal", "LCJRNL02\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(journal_open(dirfd_, true, true, &other, NULL), -ERR_CORRUPT);
	unlink(scratch_path("journal"));
	assert_int_equal(journal_open(dirfd_, false, true, &other, NULL), -ERR_NOTFOUND);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(records_are_replayed_in_order),
		T(a_record_cut_anywhere_never_happened),
		T(damage_in_the_last_record_is_reported),
		T(what_is_cut_off_is_kept_aside),
		T(zeros_at_the_end_are_a_torn_tail),
		T(damage_before_valid_records_is_reported),
		T(a_missing_record_in_between_is_reported),
		T(a_journal_that_lost_its_end_is_reported),
		T(salvage_gives_what_is_around_the_damage),
		T(a_full_disk_leaves_the_journal_as_it_was),
		T(a_replaced_journal_is_noticed),
		T(what_is_no_journal_is_refused),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}

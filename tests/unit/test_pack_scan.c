/* SPDX-License-Identifier: Apache-2.0
 * store/pack_scan: a pack read in order, and read on behind damage. */
#include "tests/unit/pack_fixture.h"

#define FRAMES 12u

static struct pack_place places[FRAMES];
static uint64_t end;

static int setup(void **state)
{
	struct pack_writer *w;

	pack_setup(state);
	w = pack_open(1, 0);
	for (uint32_t i = 0; i < FRAMES; i++)
		pack_put(w, i, &places[i]);
	end = pack_writer_length(w);
	pack_writer_close(w);
	return 0;
}

struct seen {
	bool frames[FRAMES];
	unsigned count, stray;
	bool body;
	uint64_t damaged;  /* bytes */
	uint64_t from, to; /* of the last damage */
};

static int see(void *arg, const struct pack_place *at, const struct pack_frame *f,
	       struct err *err)
{
	struct seen *s = arg;
	unsigned i = 0;

	(void)err;
	while (i < FRAMES && places[i].off != at->off)
		i++;
	if (i == FRAMES || places[i].len != at->len || f->count != 2 ||
	    s->body != (f->body != NULL)) {
		s->stray++;
		return 0;
	}
	s->frames[i] = true;
	s->count++;
	return 0;
}

static void see_damage(void *arg, uint32_t pack, uint64_t from, uint64_t to)
{
	struct seen *s = arg;

	assert_int_equal(pack, 1);
	assert_true(from < to);
	s->damaged += to - from;
	s->from = from;
	s->to = to;
}

static int scan(bool body, bool resync, struct seen *ret, struct err *err)
{
	*ret = (struct seen){.body = body};
	return pack_scan(packs, 1, 0, end, body, resync, see, see_damage, ret, err);
}

static void all_frames_are_seen_in_order(void **state)
{
	struct seen s;

	(void)state;
	for (unsigned body = 0; body < 2; body++) {
		assert_int_equal(scan(body, false, &s, NULL), 0);
		assert_int_equal(s.count, FRAMES);
		assert_int_equal(s.stray, 0);
	}
	s = (struct seen){0};
	assert_int_equal(pack_scan(packs, 1, places[3].off, places[7].off, false, false,
				   see, NULL, &s, NULL),
			 0);
	assert_int_equal(s.count, 4);
	assert_true(s.frames[3] && !s.frames[7]);
	assert_int_equal(pack_scan(packs, 5, 0, 100, false, true, see, NULL, &s, NULL),
			 -ERR_NOTFOUND);
}

static void a_damaged_frame_costs_only_itself(void **state)
{
	struct err err;
	struct seen s;

	(void)state;
	for (uint64_t i = 0; i < places[4].len; i++) {
		pack_flip(1, places[4].off + i, 0x40);
		assert_int_equal(scan(true, false, &s, &err), -ERR_CORRUPT);
		assert_int_equal(scan(true, true, &s, &err), 0);
		assert_int_equal(s.count, FRAMES - 1);
		assert_false(s.frames[4]);
		assert_int_equal(s.stray, 0);
		assert_int_equal(s.from, places[4].off);
		assert_int_equal(s.to, places[5].off);
		pack_flip(1, places[4].off + i, 0x40);
	}
}

static void without_bodies_headers_and_tables_are_still_checked(void **state)
{
	uint32_t checked = PACK_FRAME_HEADER_SIZE + 2 * PACK_TABLE_ENTRY_SIZE;
	struct seen s;

	(void)state;
	for (uint64_t i = 0; i < checked; i++) {
		pack_flip(1, places[4].off + i, 0x02);
		assert_int_equal(scan(false, false, &s, NULL), -ERR_CORRUPT);
		assert_int_equal(scan(false, true, &s, NULL), 0);
		assert_int_equal(s.count, FRAMES - 1);
		pack_flip(1, places[4].off + i, 0x02);
	}
	pack_flip(1, places[4].off + checked, 0x02);
	assert_int_equal(scan(false, false, &s, NULL), 0);
	assert_int_equal(s.count, FRAMES);
}

static void a_pack_cut_short_gives_what_is_left(void **state)
{
	struct seen s;

	(void)state;
	for (uint64_t size = end - 1; size > places[FRAMES - 2].off; size -= 7) {
		assert_int_equal(truncate(scratch_path("00000001.pack"), (off_t)size), 0);
		assert_int_equal(scan(true, false, &s, NULL), -ERR_CORRUPT);
		assert_int_equal(scan(true, true, &s, NULL), 0);
		assert_int_equal(s.count, size >= places[FRAMES - 1].off ? FRAMES - 1
									 : FRAMES - 2);
		assert_int_equal(s.to, end);
	}
}

static void a_lost_beginning_is_skipped(void **state)
{
	static const uint8_t zeros[PACK_FILE_HEADER_SIZE];
	auto_fd int fd = open(scratch_path("00000001.pack"), O_WRONLY);
	struct seen s;

	(void)state;
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
	assert_int_equal(scan(true, false, &s, NULL), -ERR_CORRUPT);
	assert_int_equal(scan(true, true, &s, NULL), 0);
	assert_int_equal(s.count, FRAMES);
	assert_int_equal(s.damaged, sizeof(zeros));
}

static void a_frame_copied_elsewhere_is_not_taken_for_one(void **state)
{
	uint8_t bytes[4096];
	auto_fd int fd = open(scratch_path("00000001.pack"), O_RDWR);
	struct seen s;

	(void)state;
	assert_true(places[2].len <= sizeof(bytes));
	assert_int_equal(pread(fd, bytes, places[2].len, (off_t)places[2].off),
			 places[2].len);
	assert_int_equal(pwrite(fd, bytes, places[2].len, (off_t)places[6].off),
			 places[2].len);
	assert_int_equal(scan(true, true, &s, NULL), 0);
	assert_false(s.frames[6]);
	assert_int_equal(s.stray, 0);
	assert_true(s.frames[5]);
	assert_true(s.frames[FRAMES - 1]);
}

static int stop(void *arg, const struct pack_place *at, const struct pack_frame *f,
		struct err *err)
{
	(void)at;
	(void)f;
	++*(unsigned *)arg;
	return err_set(err, ERR_CANCELED, "enough");
}

static void the_callback_can_stop_it(void **state)
{
	unsigned calls = 0;

	(void)state;
	assert_int_equal(
		pack_scan(packs, 1, 0, end, false, true, stop, NULL, &calls, NULL),
		-ERR_CANCELED);
	assert_int_equal(calls, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, pack_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_frames_are_seen_in_order),
		T(a_damaged_frame_costs_only_itself),
		T(without_bodies_headers_and_tables_are_still_checked),
		T(a_pack_cut_short_gives_what_is_left),
		T(a_lost_beginning_is_skipped),
		T(a_frame_copied_elsewhere_is_not_taken_for_one),
		T(the_callback_can_stop_it),
	};

	return cmocka_run_group_tests_name("pack_scan", tests, NULL, NULL);
}

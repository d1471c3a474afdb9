/* SPDX-License-Identifier: Apache-2.0
 * store/session_writer: pieces of any size, holes. */
#include "tests/unit/session_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(streamed_content_equals_content_put_at_once),
		TEST(holes_take_no_space_and_read_as_zeros),
		TEST(zeros_in_plain_content_are_holes_too),
	};

	return cmocka_run_group_tests_name("session_writer", tests, NULL, NULL);
}

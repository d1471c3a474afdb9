/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of recipes through a real store: what is written is read back exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store/recipe.h"
#include "tests/unit/scratch_store.h"

#define BYTES (4u << 20)
static uint8_t *bytes;

static int make_bytes(void **state)
{
	uint64_t x = 88172645463325252u;

	(void)state;
	bytes = malloc(BYTES);
	if (!bytes)
		return -1;
	for (size_t i = 0; i < BYTES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[i] = (uint8_t)x;
	}
	return 0;
}

static int free_bytes(void **state)
{
	(void)state;
	free(bytes);
	return 0;
}

struct steps {
	struct {
		enum recipe_op op;
		uint64_t len;
	} step[64];
	size_t count;
};

static int keep(void *arg, const struct recipe_step *step, struct err *err)
{
	struct steps *s = arg;

	(void)err;
	if (s->count < ARRAY_LEN(s->step)) {
		s->step[s->count].op = step->op;
		s->step[s->count].len = step->len;
	}
	s->count++;
	return 0;
}

static void assert_step(const struct steps *s, size_t i, enum recipe_op op, uint64_t len)
{
	assert_true(i < s->count);
	assert_int_equal(s->step[i].op, op);
	assert_int_equal(s->step[i].len, len);
}

/* The rest of the tar, from some places in it and behind its end. */
static void assert_reads_from(const struct pack_place *at, struct objects *objects,
			      const struct buf *expected)
{
	size_t len = expected->len;
	const size_t from[] = {1, len / 3, len / 2, len - 1, len, len + 5};

	for (size_t i = 0; i < ARRAY_LEN(from) && len; i++) {
		auto_free uint8_t *got = malloc(len + 1);
		struct stream *in = NULL;
		size_t want = from[i] < len ? len - from[i] : 0, n;

		assert_non_null(got);
		assert_ok(recipe_open_at(scratch_store, objects, at, from[i], &in, err));
		assert_ok(stream_read_full(in, got, len + 1, &n, err));
		assert_int_equal(n, want);
		assert_memory_equal(got, expected->data + len - want, want);
		stream_close(in);
	}
}

static void assert_reads(const struct pack_place *at, struct objects *objects,
			 const struct buf *expected, size_t step)
{
	auto_stream struct stream *in = NULL;
	auto_buf struct buf got;

	buf_init(&got, expected->len + step);
	assert_ok(recipe_open(scratch_store, objects, at, &in, err));
	for (;;) {
		size_t n;

		assert_ok(buf_reserve(&got, step, err));
		assert_ok(in->read(in, got.data + got.len, step, &n, err));
		if (n == 0)
			break;
		got.len += n;
	}
	assert_int_equal(got.len, expected->len);
	assert_memory_equal(got.data, expected->data, expected->len);
	assert_reads_from(at, objects, expected);
}

/* Commits, so that objects can be read; opens recipe_writer W. */
static struct session *begin(struct recipe_writer **w)
{
	struct session *s = NULL;

	assert_ok(session_begin(scratch_store, NULL, &s, err));
	assert_ok(recipe_writer_new(s, w, err));
	return s;
}

static struct pack_place end(struct session *s, struct recipe_writer *w, uint64_t size)
{
	/* Only what an item refers to is committed. */
	struct record_item item = {.type = RECORD_LAYER};
	struct pack_place at;
	uint64_t tar_size;

	assert_ok(recipe_finish(w, &at, &tar_size, err));
	assert_int_equal(tar_size, size);
	recipe_writer_free(w);
	item.layer.recipe = at;
	digest_of(&at, sizeof(at), &item.layer.diffid);
	assert_ok(session_add(s, &item, err));
	assert_ok(session_commit(s, err));
	return at;
}

static struct digest put(struct session *s, const void *data, size_t len)
{
	struct digest d;

	digest_of(data, len, &d);
	assert_ok(session_put_object(s, &d, data, len, "name", NULL, err));
	return d;
}

static void literals_objects_and_zeros_come_back(void **state)
{
	struct recipe_writer *w = NULL;
	struct session *s = begin(&w);
	struct pack_place at;
	struct steps seen = {.count = 0};
	auto_buf struct buf tar;
	struct digest d = put(s, bytes, 10000);

	(void)state;
	buf_init(&tar, 1 << 20);
	assert_ok(buf_append(&tar, bytes + 20000, 700, err));
	assert_ok(buf_append(&tar, bytes, 10000, err));
	assert_ok(buf_append_zeros(&tar, 240, err));
	assert_ok(buf_append(&tar, bytes + 30000, 512, err));
	assert_ok(buf_append_zeros(&tar, 10240, err));
	assert_ok(recipe_literal(w, tar.data, 700, err));
	assert_ok(recipe_object(w, &d, 0, 4000, err));
	assert_ok(recipe_object(w, &d, 4000, 6000, err));
	assert_ok(recipe_literal(w, tar.data + 10700, tar.len - 10700, err));
	at = end(s, w, tar.len);

	assert_ok(recipe_each(scratch_store, &at, keep, &seen, err));
	assert_int_equal(seen.count, 4);
	assert_step(&seen, 0, RECIPE_LITERAL, 700);
	assert_step(&seen, 1, RECIPE_OBJECT, 10000);
	assert_step(&seen, 2, RECIPE_LITERAL, 240 + 512);
	assert_step(&seen, 3, RECIPE_ZEROS, 10240);
	assert_reads(&at, scratch_objects, &tar, 65536);
	assert_reads(&at, scratch_objects, &tar, 13);
	memset(tar.data + 700, 0, 10000);
	assert_reads(&at, NULL, &tar, 65536);
}

static void how_a_literal_was_cut_into_calls_does_not_matter(void **state)
{
	struct steps whole = {.count = 0}, cut = {.count = 0};
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 1 << 20);
	for (int i = 0; i < 20; i++) {
		assert_ok(buf_append(&tar, bytes + i * 1000, 100 + 37 * (size_t)i, err));
		assert_ok(buf_append_zeros(&tar, 300 + 50 * (size_t)i, err));
	}
	for (int pass = 0; pass < 2; pass++) {
		struct recipe_writer *w = NULL;
		struct session *s = begin(&w);
		struct pack_place at;
		size_t step = pass ? 1 : tar.len;

		for (size_t i = 0; i < tar.len; i += step)
			assert_ok(recipe_literal(w, tar.data + i, step, err));
		at = end(s, w, tar.len);
		assert_ok(
			recipe_each(scratch_store, &at, keep, pass ? &cut : &whole, err));
		assert_reads(&at, scratch_objects, &tar, 4096);
	}
	assert_int_equal(whole.count, cut.count);
	assert_memory_equal(whole.step, cut.step, sizeof(whole.step));
}

static void a_long_literal_becomes_many_steps(void **state)
{
	struct recipe_writer *w = NULL;
	struct session *s = begin(&w);
	struct steps seen = {.count = 0};
	struct pack_place at;
	struct buf tar = {bytes, 600000, 600000, 600000};

	(void)state;
	assert_ok(recipe_literal(w, bytes, 600000, err));
	at = end(s, w, 600000);
	assert_ok(recipe_each(scratch_store, &at, keep, &seen, err));
	assert_int_equal(seen.count, 10);
	assert_step(&seen, 0, RECIPE_LITERAL, 64 << 10);
	assert_step(&seen, 9, RECIPE_LITERAL, 600000 - 9 * (64 << 10));
	assert_reads(&at, NULL, &tar, 100000);
}

static void a_long_run_of_zeros_is_one_step(void **state)
{
	struct recipe_writer *w = NULL;
	struct session *s = begin(&w);
	struct steps seen = {.count = 0};
	struct pack_place at;
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 8 << 20);
	assert_ok(buf_append(&tar, bytes, 5, err));
	assert_ok(buf_append_zeros(&tar, 3 << 20, err));
	assert_ok(buf_append(&tar, bytes, 5, err));
	assert_ok(recipe_literal(w, tar.data, tar.len, err));
	at = end(s, w, tar.len);
	assert_ok(recipe_each(scratch_store, &at, keep, &seen, err));
	assert_int_equal(seen.count, 3);
	assert_step(&seen, 1, RECIPE_ZEROS, 3 << 20);
	assert_reads(&at, scratch_objects, &tar, 1 << 20);
}

static void a_long_recipe_has_many_segments(void **state)
{
	struct recipe_writer *w = NULL;
	struct session *s = begin(&w);
	struct steps seen = {.count = 0};
	struct pack_place at;
	auto_buf struct buf tar;

	(void)state;
	buf_init(&tar, 16 << 20);
	for (size_t i = 0; i < 900; i++) {
		const uint8_t *content = bytes + i * 4000;
		struct digest d = put(s, content, 50);

		assert_ok(recipe_literal(w, content, 4000, err));
		assert_ok(recipe_object(w, &d, 0, 50, err));
		assert_ok(buf_append(&tar, content, 4000, err));
		assert_ok(buf_append(&tar, content, 50, err));
	}
	at = end(s, w, tar.len);
	assert_ok(recipe_each(scratch_store, &at, keep, &seen, err));
	assert_int_equal(seen.count, 1800);
	assert_reads(&at, scratch_objects, &tar, 100000);
}

static void an_empty_slice_keeps_its_place_and_its_digest(void **state)
{
	struct recipe_writer *w = NULL;
	struct session *s = begin(&w);
	struct steps seen = {.count = 0};
	struct pack_place at;
	struct buf tar = {bytes, 600, 600, 600};
	struct digest d = put(s, bytes + 500, 100);

	(void)state;
	assert_ok(recipe_literal(w, bytes, 500, err));
	assert_ok(recipe_object(w, &d, 0, 0, err));
	assert_ok(recipe_object(w, &d, 0, 100, err));
	at = end(s, w, 600);
	assert_ok(recipe_each(scratch_store, &at, keep, &seen, err));
	assert_int_equal(seen.count, 3);
	assert_step(&seen, 1, RECIPE_OBJECT, 0);
	assert_step(&seen, 2, RECIPE_OBJECT, 100);
	assert_reads(&at, scratch_objects, &tar, 64);
}

static void an_empty_tar_has_an_empty_recipe(void **state)
{
	struct recipe_writer *w = NULL;
	struct session *s = begin(&w);
	struct pack_place at;
	struct buf tar = {bytes, 0, 0, 0};

	(void)state;
	put(s, "x", 1);
	at = end(s, w, 0);
	assert_reads(&at, scratch_objects, &tar, 10);
}

static void a_missing_or_short_object_is_damage(void **state)
{
	for (int pass = 0; pass < 2; pass++) {
		struct recipe_writer *w = NULL;
		struct session *s = begin(&w);
		auto_stream struct stream *in = NULL;
		struct err why = {0};
		struct pack_place at;
		struct digest d = put(s, bytes, 100);
		size_t n;

		(void)state;
		if (pass == 0)
			d.bytes[0] ^= 1;
		assert_ok(recipe_object(w, &d, 0, 200, err));
		at = end(s, w, 200);
		assert_ok(recipe_open(scratch_store, scratch_objects, &at, &in, err));
		assert_int_equal(in->read(in, bytes + 1000, 200, &n, &why), -ERR_CORRUPT);
		assert_non_null(strstr(why.msg, "sha256:"));
	}
}

struct watched {
	uint64_t read; /* by the reader when a step was told */
	uint64_t at[8];
	size_t count;
};

static int watch(void *arg, const struct recipe_step *step, struct err *err)
{
	struct watched *seen = arg;

	(void)err;
	assert_true(step->at >= seen->read);
	assert_true(seen->count < 8);
	seen->at[seen->count++] = step->at;
	return 0;
}

static void a_replay_tells_each_step_before_its_bytes(void **state)
{
	struct recipe_writer *w = NULL;
	struct session *s = begin(&w);
	auto_stream struct stream *in = NULL;
	struct watched seen = {.count = 0};
	struct digest d = put(s, bytes, 1000);
	struct pack_place at;
	uint8_t data[100];
	size_t n;

	(void)state;
	assert_ok(recipe_literal(w, bytes, 300, err));
	assert_ok(recipe_object(w, &d, 0, 1000, err));
	assert_ok(recipe_literal(w, bytes, 300, err));
	at = end(s, w, 1600);
	assert_ok(recipe_replay(scratch_store, &at, watch, &seen, &in, err));
	do {
		assert_ok(in->read(in, data, sizeof(data), &n, err));
		seen.read += n;
	} while (n);
	assert_int_equal(seen.read, 1600);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.at[1], 300);
	assert_int_equal(seen.at[2], 1300);
}

int main(void)
{
#define CASE(f) \
	cmocka_unit_test_setup_teardown(f, scratch_store_setup, scratch_store_teardown)
	const struct CMUnitTest tests[] = {
		CASE(literals_objects_and_zeros_come_back),
		CASE(how_a_literal_was_cut_into_calls_does_not_matter),
		CASE(a_long_literal_becomes_many_steps),
		CASE(a_long_run_of_zeros_is_one_step),
		CASE(a_long_recipe_has_many_segments),
		CASE(an_empty_slice_keeps_its_place_and_its_digest),
		CASE(an_empty_tar_has_an_empty_recipe),
		CASE(a_missing_or_short_object_is_damage),
		CASE(a_replay_tells_each_step_before_its_bytes),
	};

	return cmocka_run_group_tests(tests, make_bytes, free_bytes);
}

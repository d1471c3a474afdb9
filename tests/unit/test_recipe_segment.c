/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the decoders of recipe bytes, which take nothing for granted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "store/recipe_segment.h"

/* Two objects, four ops: "abc", object 0 [0, 512), 1000 zeros, object 1 [5, 5 + 300). */
static const uint8_t ops[] = {
	0x00, 3,    'a',  'b',  'c',  /* literal */
	0x01, 0,    0,    0x80, 0x04, /* object */
	0x02, 0xe8, 0x07,             /* zeros */
	0x01, 1,    5,    0xac, 0x02, /* object */
};

static void segment_make(struct buf *b, const void *op_bytes, uint32_t len,
			 uint32_t objects)
{
	buf_init(b, 1 << 20);
	assert_int_equal(buf_append(b, RECIPE_SEGMENT_MAGIC, 8, NULL), 0);
	assert_int_equal(buf_append_le32(b, len, NULL), 0);
	assert_int_equal(buf_append_le32(b, objects, NULL), 0);
	assert_int_equal(buf_append(b, op_bytes, len, NULL), 0);
	for (uint32_t i = 0; i < objects; i++)
		for (int j = 0; j < DIGEST_SIZE; j++)
			assert_int_equal(buf_append_u8(b, (uint8_t)(i + 1), NULL), 0);
}

struct seen {
	struct recipe_step steps[8];
	size_t count;
};

static int keep(void *arg, const struct recipe_step *step, struct err *err)
{
	struct seen *seen = arg;

	(void)err;
	if (seen->count < 8)
		seen->steps[seen->count++] = *step;
	return 0;
}

static int ignore(void *arg, const struct recipe_step *step, struct err *err)
{
	(void)arg;
	(void)step;
	(void)err;
	return 0;
}

static void a_segment_gives_its_steps_with_tar_offsets(void **state)
{
	struct seen seen = {.count = 0};
	auto_buf struct buf b;

	(void)state;
	segment_make(&b, ops, sizeof(ops), 2);
	assert_int_equal(recipe_segment_decode(b.data, b.len, 4096, keep, &seen, NULL),
			 0);
	assert_int_equal(seen.count, 4);
	assert_int_equal(seen.steps[0].op, RECIPE_LITERAL);
	assert_int_equal(seen.steps[0].at, 4096);
	assert_memory_equal(seen.steps[0].literal, "abc", 3);
	assert_int_equal(seen.steps[1].op, RECIPE_OBJECT);
	assert_int_equal(seen.steps[1].at, 4099);
	assert_int_equal(seen.steps[1].len, 512);
	assert_int_equal(seen.steps[1].object.bytes[0], 1);
	assert_int_equal(seen.steps[2].op, RECIPE_ZEROS);
	assert_int_equal(seen.steps[2].len, 1000);
	assert_int_equal(seen.steps[3].at, 4099 + 512 + 1000);
	assert_int_equal(seen.steps[3].object_off, 5);
	assert_int_equal(seen.steps[3].len, 300);
	assert_int_equal(seen.steps[3].object.bytes[0], 2);
}

static void assert_damaged(const void *op_bytes, uint32_t len, uint32_t objects)
{
	struct err err = {0};
	auto_buf struct buf b;

	segment_make(&b, op_bytes, len, objects);
	assert_int_equal(recipe_segment_decode(b.data, b.len, 0, ignore, NULL, &err),
			 -ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "damaged recipe"));
}

static void ops_that_make_no_sense_are_damage(void **state)
{
	static const uint8_t unknown[] = {3, 1};
	static const uint8_t empty_literal[] = {0, 0};
	static const uint8_t empty_zeros[] = {2, 0};
	static const uint8_t long_literal[] = {0, 5, 'a'};
	static const uint8_t skips_an_object[] = {1, 1, 0, 1};
	static const uint8_t no_such_object[] = {1, 0, 0, 1, 1, 1, 0, 1};
	static const uint8_t empty_slice_inside[] = {1, 0, 7, 0};
	static const uint8_t wide_varint[] = {2, 0x80, 0};
	static const uint8_t huge_varint[] = {2,    0xff, 0xff, 0xff, 0xff, 0xff,
					      0xff, 0xff, 0xff, 0xff, 0x02};
	static const uint8_t slice_overflow[] = {1,    0,    0xff, 0xff, 0xff, 0xff, 0xff,
						 0xff, 0xff, 0xff, 0xff, 0x01, 1};
	static const uint8_t tar_overflow[] = {2,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					       0xff, 0xff, 0xff, 0x01, 2,    1};

	(void)state;
	assert_damaged(unknown, sizeof(unknown), 0);
	assert_damaged(empty_literal, sizeof(empty_literal), 0);
	assert_damaged(empty_zeros, sizeof(empty_zeros), 0);
	assert_damaged(long_literal, sizeof(long_literal), 0);
	assert_damaged(skips_an_object, sizeof(skips_an_object), 2);
	assert_damaged(no_such_object, sizeof(no_such_object), 1);
	assert_damaged(empty_slice_inside, sizeof(empty_slice_inside), 1);
	assert_damaged(wide_varint, sizeof(wide_varint), 0);
	assert_damaged(huge_varint, sizeof(huge_varint), 0);
	assert_damaged(slice_overflow, sizeof(slice_overflow), 1);
	assert_damaged(tar_overflow, sizeof(tar_overflow), 0);
	assert_damaged(ops, sizeof(ops), 3); /* an object that nothing uses */
}

static void every_truncation_of_a_segment_is_damage(void **state)
{
	auto_buf struct buf b;

	(void)state;
	segment_make(&b, ops, sizeof(ops), 2);
	for (size_t len = 0; len < b.len; len++) {
		/* An exact copy, so that a read beyond it is seen. */
		auto_free uint8_t *copy = malloc(len ? len : 1);

		memcpy(copy, b.data, len);
		assert_int_equal(recipe_segment_decode(copy, len, 0, ignore, NULL, NULL),
				 -ERR_CORRUPT);
	}
}

static void no_changed_byte_leads_astray(void **state)
{
	auto_buf struct buf b;

	(void)state;
	segment_make(&b, ops, sizeof(ops), 2);
	for (size_t i = 0; i < b.len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			int r;

			b.data[i] ^= (uint8_t)(1u << bit);
			r = recipe_segment_decode(b.data, b.len, 0, ignore, NULL, NULL);
			assert_true(r == 0 || r == -ERR_CORRUPT);
			b.data[i] ^= (uint8_t)(1u << bit);
		}
}

struct segments {
	uint64_t at[4], len[4];
	uint32_t pack[4];
	size_t count;
};

static int keep_segment(void *arg, const struct pack_place *p, uint64_t at, uint64_t len,
			struct err *err)
{
	struct segments *s = arg;

	(void)err;
	assert_true(s->count < 4);
	s->at[s->count] = at;
	s->len[s->count] = len;
	s->pack[s->count++] = p->pack;
	return 0;
}

static void index_make(struct buf *b, uint64_t size, const uint64_t *at, uint32_t count)
{
	buf_init(b, 4096);
	assert_int_equal(buf_append(b, RECIPE_INDEX_MAGIC, 8, NULL), 0);
	assert_int_equal(buf_append_le64(b, size, NULL), 0);
	assert_int_equal(buf_append_le32(b, count, NULL), 0);
	assert_int_equal(buf_append_le32(b, 0, NULL), 0);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(buf_append_le64(b, at[i], NULL), 0);
		assert_int_equal(buf_append_le32(b, i + 1, NULL), 0);
		assert_int_equal(buf_append_le32(b, 100, NULL), 0);
		assert_int_equal(buf_append_le64(b, 4096, NULL), 0);
	}
}

static void an_index_tells_what_each_segment_covers(void **state)
{
	static const uint64_t at[] = {0, 1000, 5000};
	struct segments s = {.count = 0};
	auto_buf struct buf b;
	uint64_t size;

	(void)state;
	index_make(&b, 6000, at, 3);
	assert_int_equal(
		recipe_index_decode(b.data, b.len, keep_segment, &s, &size, NULL), 0);
	assert_int_equal(size, 6000);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.at[1], 1000);
	assert_int_equal(s.len[1], 4000);
	assert_int_equal(s.len[2], 1000);
	assert_int_equal(s.pack[2], 3);
}

static void an_index_out_of_order_is_damage(void **state)
{
	static const uint64_t back[] = {0, 5000, 1000}, late[] = {1},
			      beyond[] = {0, 7000};
	auto_buf struct buf a, b, c;
	struct segments s = {.count = 0};
	uint64_t size;

	(void)state;
	index_make(&a, 6000, back, 3);
	index_make(&b, 6000, late, 1);
	index_make(&c, 6000, beyond, 2);
	assert_int_equal(
		recipe_index_decode(a.data, a.len, keep_segment, &s, &size, NULL),
		-ERR_CORRUPT);
	assert_int_equal(
		recipe_index_decode(b.data, b.len, keep_segment, &s, &size, NULL),
		-ERR_CORRUPT);
	assert_int_equal(
		recipe_index_decode(c.data, c.len, keep_segment, &s, &size, NULL),
		-ERR_CORRUPT);
	for (size_t len = 0; len < c.len; len++)
		assert_int_equal(
			recipe_index_decode(c.data, len, keep_segment, &s, &size, NULL),
			-ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_gives_its_steps_with_tar_offsets),
		cmocka_unit_test(ops_that_make_no_sense_are_damage),
		cmocka_unit_test(every_truncation_of_a_segment_is_damage),
		cmocka_unit_test(no_changed_byte_leads_astray),
		cmocka_unit_test(an_index_tells_what_each_segment_covers),
		cmocka_unit_test(an_index_out_of_order_is_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

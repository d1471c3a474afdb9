/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of tree images in packs: they come back, and pieces that do not fit together
 * are damage. */
#include "tests/unit/session_fixture.h"

#include "store/tree_frames.h"

#define MAX (16u << 20)

static void image_fill(struct buf *image, size_t len)
{
	struct err err;

	buf_init(image, MAX);
	assert_int_equal(buf_append_zeros(image, len, &err), 0);
	for (size_t i = 0; i < len; i++)
		image->data[i] = (uint8_t)(i * 31 + (i >> 12) * 7);
}

static void assert_comes_back(struct fixture *f, size_t len)
{
	auto_buf struct buf image, got;
	struct session *s = begin(f);
	struct pack_place at;
	struct err err = {0};

	image_fill(&image, len);
	buf_init(&got, MAX);
	assert_int_equal(buf_append(&got, "before", 6, &err), 0);
	assert_int_equal(tree_frames_put(s, image.data, len, &at, &err), 0);
	commit(s, (uint32_t)len + 1);
	assert_int_equal(tree_frames_get(store_packs(f->store), &at, &got, &err), 0);
	assert_int_equal(got.len, len + 6);
	if (len)
		assert_memory_equal(got.data + 6, image.data, len);
}

static void images_of_any_length_come_back(void **state)
{
	static const size_t lengths[] = {0,
					 1,
					 4096,
					 TREE_FRAME_PIECE - 1,
					 TREE_FRAME_PIECE,
					 TREE_FRAME_PIECE + 1,
					 3 * TREE_FRAME_PIECE,
					 5 * TREE_FRAME_PIECE + 77};

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		assert_comes_back(*state, lengths[i]);
}

static void no_place_is_not_found(void **state)
{
	const struct pack_place none = {0}, gone = {0x7fffffff, 100, 16};
	struct fixture *f = *state;
	auto_buf struct buf got;

	buf_init(&got, MAX);
	assert_int_equal(tree_frames_get(store_packs(f->store), &none, &got, NULL),
			 -ERR_NOTFOUND);
	assert_int_equal(tree_frames_get(store_packs(f->store), &gone, &got, NULL),
			 -ERR_NOTFOUND);
}

static void an_image_over_the_bound_is_refused(void **state)
{
	struct fixture *f = *state;
	struct session *s = begin(f);
	auto_buf struct buf image, got;
	struct pack_place at;
	struct err err = {0};

	image_fill(&image, 3 * TREE_FRAME_PIECE);
	buf_init(&got, 2 * TREE_FRAME_PIECE + 5);
	assert_int_equal(tree_frames_put(s, image.data, image.len, &at, &err), 0);
	commit(s, 1);
	assert_int_equal(tree_frames_get(store_packs(f->store), &at, &got, NULL),
			 -ERR_LIMIT);
	assert_int_equal(got.len, 0);
}

/* Puts a frame as tree_frames_put would not. */
static void put_piece(struct session *s, enum pack_frame_type type, const char *magic,
		      uint64_t left, size_t len, const struct pack_place *next,
		      struct pack_place *ret)
{
	auto_buf struct buf body;
	struct err err = {0};

	buf_init(&body, MAX);
	assert_int_equal(buf_append(&body, magic, 8, &err), 0);
	assert_int_equal(buf_append_le64(&body, left, &err), 0);
	assert_int_equal(buf_append_le32(&body, next->pack, &err), 0);
	assert_int_equal(buf_append_le32(&body, next->len, &err), 0);
	assert_int_equal(buf_append_le64(&body, next->off, &err), 0);
	assert_int_equal(buf_append_zeros(&body, len, &err), 0);
	assert_int_equal(session_put_frame(s, type, body.data, body.len, ret, &err), 0);
}

static void pieces_that_do_not_fit_are_damage(void **state)
{
	const struct pack_place none = {0};
	struct fixture *f = *state;
	struct session *s = begin(f);
	struct pack_place good, bad[8];
	auto_buf struct buf got;
	struct err err = {0};

	put_piece(s, PACK_TREE, TREE_FRAME_MAGIC, 100, 100, &none, &good);
	put_piece(s, PACK_RECIPE, TREE_FRAME_MAGIC, 100, 100, &none, &bad[0]);
	put_piece(s, PACK_TREE, "LCTF0002", 100, 100, &none, &bad[1]);
	put_piece(s, PACK_TREE, TREE_FRAME_MAGIC, 100, 99, &none, &bad[2]);
	put_piece(s, PACK_TREE, TREE_FRAME_MAGIC, 100, 101, &none, &bad[3]);
	put_piece(s, PACK_TREE, TREE_FRAME_MAGIC, 100, 100, &good, &bad[4]);
	put_piece(s, PACK_TREE, TREE_FRAME_MAGIC, 201, 100, &good, &bad[5]);
	put_piece(s, PACK_TREE, TREE_FRAME_MAGIC, 100, 0, &good, &bad[6]);
	put_piece(s, PACK_TREE, TREE_FRAME_MAGIC, UINT64_MAX, 1, &good, &bad[7]);
	commit(s, 1);
	buf_init(&got, MAX);
	assert_int_equal(tree_frames_get(store_packs(f->store), &good, &got, &err), 0);
	buf_clear(&got);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
			tree_frames_get(store_packs(f->store), &bad[i], &got, &err),
			-ERR_CORRUPT);
	assert_int_equal(got.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(images_of_any_length_come_back),
		TEST(no_place_is_not_found),
		TEST(an_image_over_the_bound_is_refused),
		TEST(pieces_that_do_not_fit_are_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * store/record: every item there and back; hostile bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "store/record.h"

static const struct pack_place place = {7, 4242, 1ull << 40};

static struct digest name_of(const char *text)
{
	struct digest d;

	digest_of(text, strlen(text), &d);
	return d;
}

static struct buf encode(const struct record_item *item)
{
	struct buf b;
	struct err err;

	buf_init(&b, 1 << 20);
	if (record_encode(&b, item, &err) < 0)
		fail_msg("%s", err.msg);
	return b;
}

/* Encodes an item, decodes it, encodes it again: the bytes tell whether all came back. */
static int encode_again(void *arg, const struct record_item *item, struct err *err)
{
	return record_encode(arg, item, err);
}

static void expect_round_trip(const struct record_item *item)
{
	auto_buf struct buf once = encode(item), twice;
	struct err err;

	buf_init(&twice, 1 << 20);
	if (record_decode(once.data, once.len, encode_again, &twice, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(once.len, twice.len);
	assert_memory_equal(once.data, twice.data, once.len);
}

static const struct record_ref_target targets[2] = {
	{.manifest.bytes = {1, 2, 3}, .platform = "linux/amd64"},
	{.manifest.bytes = {4}, .platform = ""},
};

static struct record_item items[13];

static int make_items(void **state)
{
	struct digest a = name_of("a"), b = name_of("b"), c = name_of("c");

	(void)state;
	items[0] = (struct record_item){.type = RECORD_PACK, .pack = {1, 16, 1ull << 33}};
	items[1] = (struct record_item){
		.type = RECORD_LAYER,
		.layer = {.diffid = a,
			  .recipe = place,
			  .tree = place,
			  .number = 12,
			  .flags = LAYER_IMPLIED_DIRS,
			  .tar_size = 1ull << 35,
			  .content_size = 77,
			  .new_size = 66,
			  .entries = 55,
			  .created = -44},
	};
	items[2] = (struct record_item){.type = RECORD_CHAIN, .chain = {a, b, c, 9}};
	items[3] = (struct record_item){.type = RECORD_BLOB, .blob = {a, b, 5, 2}};
	items[4] = (struct record_item){.type = RECORD_IMAGE,
					.image = {a, b, c, "linux/arm/v7"}};
	items[5] = (struct record_item){
		.type = RECORD_REF,
		.ref = {"docker.io/library/app:latest", a, 2, targets, 1700000000}};
	items[6] = (struct record_item){.type = RECORD_UNREF, .unref = {"x"}};
	items[7] = (struct record_item){.type = RECORD_TREE, .tree = {3, 2, 1, b}};
	items[8] = (struct record_item){.type = RECORD_KEY,
					.key = {a, b, c, a, "scope", -1}};
	items[9] = (struct record_item){.type = RECORD_UNKEY, .unkey = {c}};
	items[10] = (struct record_item){.type = RECORD_GONE, .gone = {GONE_CHAIN, 9, a}};
	items[11] = (struct record_item){.type = RECORD_PACK_GONE, .pack_gone = {7}};
	items[12] =
		(struct record_item){.type = RECORD_ARTIFACT, .artifact = {a, b, c, 9}};
	return 0;
}

static void every_item_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		expect_round_trip(&items[i]);
}

static int compare_ref(void *arg, const struct record_item *item, struct err *err)
{
	(void)err;
	++*(unsigned *)arg;
	if (item->type == RECORD_REF) {
		assert_string_equal(item->ref.name, "docker.io/library/app:latest");
		assert_int_equal(item->ref.count, 2);
		assert_string_equal(item->ref.targets[0].platform, "linux/amd64");
		assert_int_equal(item->ref.targets[1].manifest.bytes[0], 4);
		assert_int_equal(item->ref.created, 1700000000);
	} else if (item->type == RECORD_LAYER) {
		assert_int_equal(item->layer.created, -44);
		assert_int_equal(item->layer.recipe.off, place.off);
		assert_int_equal(item->layer.entries, 55);
	}
	return 0;
}

static void a_record_is_a_list_of_items(void **state)
{
	auto_buf struct buf all;
	unsigned count = 0;

	(void)state;
	buf_init(&all, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		assert_int_equal(record_encode(&all, &items[i], NULL), 0);
	assert_int_equal(record_decode(all.data, all.len, compare_ref, &count, NULL), 0);
	assert_int_equal(count, ARRAY_LEN(items));
	assert_int_equal(record_decode(all.data, 0, compare_ref, &count, NULL), 0);
}

static int ignore(void *arg, const struct record_item *item, struct err *err)
{
	(void)arg;
	(void)item;
	(void)err;
	return 0;
}

static void bytes_cut_anywhere_are_damage(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		auto_buf struct buf b = encode(&items[i]);

		for (size_t len = 1; len < b.len; len++) {
			auto_free uint8_t *exact = malloc(len);

			memcpy(exact, b.data, len);
			assert_int_equal(record_decode(exact, len, ignore, NULL, NULL),
					 -ERR_CORRUPT);
			/* Also where the item itself claims to be that short. */
			if (len < 6)
				continue;
			put_le32(exact + 2, (uint32_t)(len - 6));
			assert_int_equal(record_decode(exact, len, ignore, NULL, NULL),
					 -ERR_CORRUPT);
		}
	}
}

static void changed_bytes_never_do_more_than_fail(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		auto_buf struct buf b = encode(&items[i]);

		for (size_t bit = 0; bit < b.len * 8; bit++) {
			int r;

			b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			r = record_decode(b.data, b.len, ignore, NULL, NULL);
			assert_true(r == 0 || r == -ERR_CORRUPT);
			b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void names_have_a_limit(void **state)
{
	char name[RECORD_REF_NAME_MAX + 2];
	struct record_item item = items[5];
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	memset(name, 'n', sizeof(name));
	name[RECORD_REF_NAME_MAX] = '\0';
	item.ref.name = name;
	expect_round_trip(&item);
	name[RECORD_REF_NAME_MAX] = 'n';
	name[RECORD_REF_NAME_MAX + 1] = '\0';
	assert_int_equal(record_encode(&b, &item, NULL), -ERR_LIMIT);
	item.ref.name = "";
	assert_int_equal(record_encode(&b, &item, NULL), -ERR_LIMIT);
	item.ref.name = "n";
	item.ref.count = RECORD_REF_TARGETS_MAX + 1;
	assert_int_equal(record_encode(&b, &item, NULL), -ERR_LIMIT);
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_item_comes_back),
		cmocka_unit_test(a_record_is_a_list_of_items),
		cmocka_unit_test(bytes_cut_anywhere_are_damage),
		cmocka_unit_test(changed_bytes_never_do_more_than_fail),
		cmocka_unit_test(names_have_a_limit),
	};

	return cmocka_run_group_tests_name("record", tests, make_items, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * tools/chunked: tables of contents and tar-split from outside, annotations, the plan of
 * ranges, the checksum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tools/chunked/crc64.h"
#include "tools/chunked/range_plan.h"
#include "tools/chunked/tarsplit_read.h"
#include "tools/chunked/toc_read.h"
#include "tools/oci/descriptor.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"

static void the_checksum_is_that_of_go(void **state)
{
	(void)state;
	assert_true(crc64(0, "hello\n", 6) == 0x614c3eeee2d81000ull);
	assert_true(crc64(crc64(0, "he", 2), "llo\n", 4) == 0x614c3eeee2d81000ull);
	assert_true(crc64(0, "0123456789abcdefg", 17) ==
		    crc64(crc64(0, "01234", 5), "56789abcdefg", 12));
	assert_true(crc64(0, "", 0) == 0);
}

/* ---- tables ---- */

/* Reads a table of a blob of 1000 bytes; *ret_count: its entries. */
static int read_table(const char *text, uint64_t size, unsigned *ret_count,
		      struct err *err)
{
	struct toc_read *r = NULL;
	const struct toc_entry *e = NULL;
	int rc = toc_read_open(text, strlen(text), size, 1000, &r, err);

	*ret_count = 0;
	while (!rc) {
		rc = toc_read_next(r, &e, err);
		if (rc || !e)
			break;
		++*ret_count;
	}
	toc_read_close(r);
	return rc;
}

static void good_tables_are_read(void **state)
{
	static const struct {
		const char *text;
		unsigned count;
	} good[] = {
		{"{\"version\":1,\"entries\":[]}", 0},
		{" { \"entries\" : [ ] , \"version\" : 1 , \"more\" : {\"x\":[1]} } \n",
		 0},
		{"{\"version\":1,\"entries\":[{\"type\":\"dir\",\"name\":\"a/\"},"
		 "{\"type\":\"reg\",\"name\":\"a/e\"}],\"tarSplitDigest\":\"" D1 "\"}",
		 2},
		{"{\"version\":1,\"entries\":[{\"type\":\"reg\",\"name\":\"f\",\"size\":9,"
		 "\"digest\":\"" D1 "\",\"offset\":5,\"endOffset\":1000}]}",
		 1},
		{"{\"version\":1,\"entries\":[{\"type\":\"reg\",\"name\":\"f\",\"size\":9,"
		 "\"digest\":\"" D1 "\",\"offset\":5,\"endOffset\":50,\"chunkSize\":4,"
		 "\"chunkDigest\":\"" D2 "\"},{\"type\":\"chunk\",\"name\":\"f\","
		 "\"offset\":20,\"chunkOffset\":4,\"chunkSize\":5,\"chunkType\":"
		 "\"zeros\"},{\"type\":\"symlink\",\"name\":\"l\"}]}",
		 2},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct err err = {0};
		unsigned count;

		if (read_table(good[i].text, 1 << 20, &count, &err))
			fail_msg("table %zu: %s", i, err.msg);
		assert_int_equal(count, good[i].count);
	}
}

#define FILE_OF(members) \
	"{\"version\":1,\"entries\":[{\"type\":\"reg\",\"name\":\"f\",\"size\":9," members \
	"}]}"

static void bad_tables_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"version\":1}",
		"{\"version\":2,\"entries\":[]}",
		"{\"version\":1,\"entries\":{}}",
		"{\"version\":1,\"entries\":[1]}",
		"{\"version\":1,\"entries\":[]",
		"{\"version\":1,\"entries\":[],}",
		"{\"version\":1,\"entries\":[]} x",
		"{\"version\":1,\"entries\":[],\"entries\":[]}",
		"{1:1,\"entries\":[]}",
		"{\"entries\":[],\"tarSplitDigest\":\"sha256:1\"}",
		"{\"entries\":[{\"type\":\"what\",\"name\":\"f\"}]}",
		"{\"entries\":[{\"type\":\"chunk\",\"name\":\"f\"}]}",
		"{\"entries\":[{\"name\":\"f\"}]}",
		"{\"entries\":[{\"type\":\"reg\",\"name\":\"f\",\"size\":-1}]}",
		"{\"entries\":[{\"type\":\"reg\",\"name\":\"f\",\"size\":1.5}]}",
		"{\"entries\":[{\"type\":\"reg\",\"name\":\"f\",\"name\":\"g\"}]}",
		FILE_OF("\"offset\":5,\"endOffset\":6"),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":5,\"endOffset\":5"),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":6,\"endOffset\":5"),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":6,\"endOffset\":1001"),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":6,\"endOffset\":8,"
			"\"chunkSize\":10"),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":6,\"endOffset\":8,"
			"\"chunkSize\":4,\"chunkDigest\":\"" D1 "\""),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":6,\"endOffset\":8,"
			"\"chunkOffset\":4"),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":6,\"endOffset\":8,"
			"\"chunkType\":\"ones\""),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":6,\"endOffset\":8},"
			"{\"type\":\"reg\",\"name\":\"g\",\"size\":9,\"digest\":\"" D1
			"\",\"offset\":7,\"endOffset\":9"),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":6,\"endOffset\":8,"
			"\"chunkSize\":4,\"chunkDigest\":\"" D1 "\"},{\"type\":\"chunk\","
			"\"name\":\"g\",\"offset\":7,\"chunkOffset\":4,\"chunkSize\":5"),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":6,\"endOffset\":8,"
			"\"chunkSize\":4,\"chunkDigest\":\"" D1 "\"},{\"type\":\"chunk\","
			"\"name\":\"f\",\"offset\":7,\"chunkOffset\":4,\"chunkSize\":5"),
		FILE_OF("\"digest\":\"" D1 "\",\"offset\":6,\"endOffset\":8,"
			"\"chunkSize\":4,\"chunkDigest\":\"" D1 "\"},{\"type\":\"chunk\","
			"\"name\":\"f\",\"offset\":9,\"chunkOffset\":4,\"chunkSize\":5,"
			"\"chunkDigest\":\"" D2 "\""),
	};
	unsigned count;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = {0};

		if (read_table(bad[i], 1 << 20, &count, &err) != -ERR_INVALID)
			fail_msg("taken: %s (%s)", bad[i], err.msg);
	}
	assert_int_equal(read_table("{\"entries\":[{\"type\":\"reg\",\"name\":\"f\","
				    "\"size\":99999999,\"digest\":\"" D1
				    "\",\"offset\":1,\"endOffset\":9}]}",
				    1 << 20, &count, NULL),
			 -ERR_LIMIT);
	/* Longer than was said. */
	assert_int_equal(read_table("{\"version\":1,\"entries\":[]}", 10, &count, NULL),
			 -ERR_INVALID);
}

static void depth_and_length_are_bounded(void **state)
{
	static char text[40 << 20];
	size_t at = (size_t)sprintf(text, "{\"entries\":[{\"x\":");
	unsigned count;

	(void)state;
	memset(text + at, '[', 1 << 20);
	assert_int_equal(read_table(text, sizeof(text), &count, NULL), -ERR_INVALID);
	text[at] = '"';
	memset(text + at + 1, 'x', sizeof(text) - at - 2);
	assert_int_equal(read_table(text, sizeof(text), &count, NULL), -ERR_INVALID);
}

/* ---- tar-split ---- */

static int read_split(const char *text, unsigned *ret_lines, uint64_t *ret_bytes)
{
	struct tarsplit_read *r = NULL;
	struct tarsplit_line line;
	bool end = false;
	int rc = tarsplit_read_open(text, strlen(text), 1 << 20, &r, NULL);

	*ret_lines = 0;
	*ret_bytes = 0;
	while (!rc && !end) {
		rc = tarsplit_read_next(r, &line, &end, NULL);
		if (rc || end)
			break;
		++*ret_lines;
		*ret_bytes += line.file ? line.size : line.bytes->len;
	}
	tarsplit_read_close(r);
	return rc;
}

static void tar_split_is_read_line_by_line(void **state)
{
	static const char *const bad[] = {
		"{\"type\":1}",
		"{\"type\":3,\"name\":\"x\"}",
		"{\"type\":1,\"name\":\"x\",\"size\":-4}",
		"{\"type\":1,\"name\":\"x\",\"size\":\"4\"}",
		"{\"type\":1,\"name_raw\":\"/w==\"}",
		"{\"type\":2,\"payload\":\"!\"}",
		"{\"type\":2,\"payload\":5}",
		"{\"type\":2",
		"nothing",
	};
	unsigned lines;
	uint64_t bytes;

	(void)state;
	assert_int_equal(
		read_split("{\"type\":2,\"payload\":\"aGVsbG8K\",\"position\":0}\n"
			   "{\"type\":1,\"name\":\"x\",\"size\":100,\"payload\":"
			   "\"YUw+7uLYEAA=\",\"position\":1}\n"
			   "{\"type\":1,\"name\":\"y\",\"payload\":null,\"position\":2}\n"
			   "{\"type\":2,\"payload\":\"\",\"position\":3}\n"
			   "{\"type\":2,\"payload\":null,\"position\":4}\n",
			   &lines, &bytes),
		0);
	assert_int_equal(lines, 5);
	assert_int_equal(bytes, 106);
	assert_int_equal(read_split("", &lines, &bytes), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(read_split(bad[i], &lines, &bytes), -ERR_INVALID);
}

/* ---- ranges ---- */

static void near_ranges_are_joined_and_far_ones_are_not(void **state)
{
	struct range_plan p = {0};

	(void)state;
	assert_int_equal(range_plan_add(&p, 10, 20, NULL), 0);
	assert_int_equal(range_plan_add(&p, 20, 30, NULL), 0);
	assert_int_equal(p.count, 1);
	assert_int_equal(range_plan_add(&p, 600, 700, NULL), 0);
	assert_int_equal(range_plan_add(&p, 1000000, 1000100, NULL), 0);
	range_plan_join(&p);
	assert_int_equal(p.count, 2);
	assert_int_equal(p.items[0].until, 700);
	assert_int_equal(range_plan_bytes(&p), 690 + 100);
	range_plan_release(&p);
}

static void gaps_stay_a_small_part(void **state)
{
	struct range_plan p = {0};

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(range_plan_add(&p, i * 50000, i * 50000 + 100, NULL), 0);
	range_plan_join(&p);
	assert_int_equal(p.count, 1000);
	range_plan_release(&p);
	/* The same gaps between large parts are worth it. */
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(
			range_plan_add(&p, i << 20, ((i + 1) << 20) - 50000, NULL), 0);
	range_plan_join(&p);
	assert_int_equal(p.count, 1);
	range_plan_release(&p);
}

/* ---- annotations ---- */

static bool toc_given(const char *sum, const char *table, const char *split)
{
	json_t *o = json_pack("{s:s, s:s, s:i, s:{s:s, s:s, s:s}}", "mediaType",
			      DESCRIPTOR_OCI_LAYER "+zstd", "digest", D1, "size", 10,
			      "annotations", DESCRIPTOR_NOTE_CHECKSUM, sum,
			      DESCRIPTOR_NOTE_POSITION, table, DESCRIPTOR_NOTE_TARSPLIT,
			      split);
	struct descriptor d;

	assert_int_equal(descriptor_parse(o, &d, NULL), 0);
	json_decref(o);
	assert_true(!d.toc.given || (d.toc.at == 1 && d.toc.len == 22 &&
				     d.toc.size == 333 && d.toc.split_at == 4 &&
				     d.toc.split_len == 5 && d.toc.split_size == 6));
	return d.toc.given;
}

static void annotations_say_where_the_table_is(void **state)
{
	(void)state;
	assert_true(toc_given(D2, "1:22:333:1", "4:5:6"));
	assert_false(toc_given("sha256:2", "1:22:333:1", "4:5:6"));
	assert_false(toc_given(D2, "1:22:333:2", "4:5:6"));
	assert_false(toc_given(D2, "1:22:333", "4:5:6"));
	assert_false(toc_given(D2, "1:22:333:1:", "4:5:6"));
	assert_false(toc_given(D2, "1:22:333:1", "4:5:"));
	assert_false(toc_given(D2, "1:22:333:1", " 4:5:6"));
	assert_false(toc_given(D2, "-1:22:333:1", "4:5:6"));
	assert_false(toc_given(D2, "1:22:99999999999999999999:1", "4:5:6"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_checksum_is_that_of_go),
		cmocka_unit_test(good_tables_are_read),
		cmocka_unit_test(bad_tables_are_refused),
		cmocka_unit_test(depth_and_length_are_bounded),
		cmocka_unit_test(tar_split_is_read_line_by_line),
		cmocka_unit_test(near_ranges_are_joined_and_far_ones_are_not),
		cmocka_unit_test(gaps_stay_a_small_part),
		cmocka_unit_test(annotations_say_where_the_table_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

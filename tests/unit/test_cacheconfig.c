/* SPDX-License-Identifier: Apache-2.0
 * BuildKit's cache document: read, written again as it was, and every hostile shape refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/buildkit/cacheconfig.h"

#include <string.h>

#define D(c)  "sha256:" c c c c c c c c
#define A     D("aaaaaaaa")
#define B     D("bbbbbbbb")
#define C     D("cccccccc")
#define T     "2026-11-24T11:32:00.357142804Z"
#define LAYER "{\"blob\":\"" A "\",\"parent\":-1}"

static const char measured[] =
	"{\"layers\":[{\"blob\":\"" A "\",\"parent\":1},{\"blob\":\"" B
	"\",\"parent\":-1},{\"blob\":\"" C "\"}],\"records\":["
	"{\"layers\":[{\"layer\":0,\"createdAt\":\"" T "\"}],\"digest\":\"" A
	"\",\"inputs\":[[{\"link\":1}],[{\"selector\":\"" B
	"\",\"link\":2},{\"link\":3}]]},"
	"{\"chains\":[{\"layers\":[0,2],\"createdAt\":\"" T "\"}],\"digest\":\"" B
	"\",\"inputs\":[[{\"link\":2}]]},"
	"{\"digest\":\"" C "\"},{\"digest\":\"" B "\"}]}";

static void refused(const char *text, const char *why)
{
	struct err err = {0};
	struct cacheconfig c;

	if (cacheconfig_parse(text, strlen(text), &c, &err) == 0)
		fail_msg("taken: %s", text);
	if (!strstr(err.msg, why))
		fail_msg("%s: '%s' does not say '%s'", text, err.msg, why);
}

static void what_was_read_is_written_again_as_it_was(void **state)
{
	auto_cacheconfig struct cacheconfig c = {0};
	auto_buf struct buf out;
	struct err err = {0};

	(void)state;
	buf_init(&out, CACHECONFIG_MAX);
	if (cacheconfig_parse(measured, strlen(measured), &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(cacheconfig_format(&c, &out, NULL), 0);
	assert_int_equal(out.len, strlen(measured));
	assert_memory_equal(out.data, measured, out.len);
}

static void a_left_out_parent_is_the_first_layer(void **state)
{
	auto_cacheconfig struct cacheconfig c = {0};
	uint32_t chain[CACHECONFIG_CHAIN_MAX];

	(void)state;
	assert_int_equal(cacheconfig_parse(measured, strlen(measured), &c, NULL), 0);
	assert_int_equal(c.layers[2].parent, 0);
	assert_int_equal(c.layers[1].parent, CACHECONFIG_NONE);
	assert_int_equal(cacheconfig_chain(&c, &c.results[0], chain), 2);
	assert_int_equal(chain[0], 1);
	assert_int_equal(chain[1], 0);
	assert_int_equal(cacheconfig_chain(&c, &c.results[1], chain), 2);
	assert_int_equal(chain[0], 0);
	assert_int_equal(chain[1], 2);
}

static void records_come_after_their_inputs(void **state)
{
	auto_cacheconfig struct cacheconfig c = {0};
	auto_free uint32_t *order = NULL;
	uint32_t at[4];

	(void)state;
	assert_int_equal(cacheconfig_parse(measured, strlen(measured), &c, NULL), 0);
	assert_int_equal(cacheconfig_order(&c, &order, NULL), 0);
	for (uint32_t i = 0; i < 4; i++)
		at[order[i]] = i;
	for (uint32_t r = 0; r < 4; r++)
		for (uint32_t i = 0; i < c.records[r].link_count; i++)
			assert_true(at[c.links[c.records[r].link_first + i].record] <
				    at[r]);
}

static void cycles_are_refused(void **state)
{
	(void)state;
	refused("{\"layers\":[{\"blob\":\"" A "\"}]}", "own parents");
	refused("{\"layers\":[{\"blob\":\"" A "\",\"parent\":1},{\"blob\":\"" B "\"}]}",
		"own parents");
	refused("{\"records\":[{\"digest\":\"" A "\",\"inputs\":[[{\"link\":0}]]}]}",
		"own inputs");
	refused("{\"records\":[{\"digest\":\"" A "\",\"inputs\":[[{\"link\":1}]]},"
		"{\"digest\":\"" B "\",\"inputs\":[[{\"link\":0}]]}]}",
		"own inputs");
}

static void indexes_out_of_range_are_refused(void **state)
{
	(void)state;
	refused("{\"layers\":[{\"blob\":\"" A "\",\"parent\":1}]}", "out of range");
	refused("{\"layers\":[{\"blob\":\"" A "\",\"parent\":-2}]}", "out of range");
	refused("{\"layers\":[{\"blob\":\"" A "\",\"parent\":\"0\"}]}", "not an integer");
	refused("{\"records\":[{\"digest\":\"" A "\",\"inputs\":[[{\"link\":1}]]}]}",
		"out of range");
	refused("{\"records\":[{\"digest\":\"" A "\",\"inputs\":[[{}]]}]}",
		"not an integer");
	refused("{\"layers\":[" LAYER "],\"records\":[{\"digest\":\"" A
		"\",\"layers\":[{\"layer\":1,\"createdAt\":\"" T "\"}]}]}",
		"out of range");
	refused("{\"layers\":[" LAYER "],\"records\":[{\"digest\":\"" A
		"\",\"chains\":[{\"layers\":[4294967296]}]}]}",
		"out of range");
}

static void documents_that_readers_could_differ_on_are_refused(void **state)
{
	(void)state;
	refused("[]", "not an object");
	refused("{\"records\":[{\"digest\":\"" A "\",\"digest\":\"" B "\"}]}",
		"duplicate");
	refused("{\"records\":[{\"digest\":\"" A "\",\"Inputs\":[]}]}", "mistaken");
	refused("{\"Records\":[]}", "mistaken");
	refused("{\"records\":[{\"digest\":\"../../etc\"}]}", "digest");
	refused("{\"records\":[{}]}", "missing");
	refused("{\"records\":[1]}", "not an object");
	refused("{\"records\":{}}", "not an array");
	refused("{\"records\":[{\"digest\":\"" A "\",\"inputs\":[[]]}]}", "no record");
	refused("{\"records\":[{\"digest\":\"" A "\",\"chains\":[{\"layers\":[]}]}]}",
		"chain of 0");
	refused("{\"records\":[{\"digest\":\"" A
		"\",\"inputs\":[[{\"link\":0,\"selector\":\"/etc\"}]]}]}",
		"digest");
	refused("{\"layers\":[" LAYER "],\"records\":[{\"digest\":\"" A
		"\",\"layers\":[{\"layer\":0,\"createdAt\":\"yesterday\"}]}]}",
		"no time");
}

static void chains_have_a_maximum(void **state)
{
	auto_buf struct buf text;
	struct cacheconfig c;
	struct err err = {0};

	(void)state;
	buf_init(&text, CACHECONFIG_MAX);
	for (unsigned count = CACHECONFIG_CHAIN_MAX; count < CACHECONFIG_CHAIN_MAX + 2;
	     count++) {
		int rc;

		buf_clear(&text);
		assert_int_equal(buf_printf(&text, NULL, "{\"layers\":[" LAYER), 0);
		for (unsigned i = 1; i < count; i++)
			assert_int_equal(buf_printf(&text, NULL,
						    ",{\"blob\":\"" A "\",\"parent\":%u}",
						    i - 1),
					 0);
		assert_int_equal(buf_printf(&text, NULL, "]}"), 0);
		rc = cacheconfig_parse(text.data, text.len, &c, &err);
		assert_int_equal(rc, count > CACHECONFIG_CHAIN_MAX ? -ERR_LIMIT : 0);
		if (rc == 0)
			cacheconfig_release(&c);
	}
}

static void inline_records_have_the_layers_of_their_image(void **state)
{
	static const char text[] =
		"[{\"layers\":[{\"layer\":2,\"createdAt\":\"" T "\"}],\"digest\":\"" A
		"\",\"inputs\":[[{\"link\":1}]]},{\"digest\":\"" B "\"}]";
	auto_cacheconfig struct cacheconfig c = {0};
	uint32_t chain[CACHECONFIG_CHAIN_MAX];
	auto_buf struct buf out;
	struct err err = {0};

	(void)state;
	buf_init(&out, CACHECONFIG_MAX);
	assert_int_equal(cacheconfig_parse_records(text, strlen(text), 3, &c, NULL), 0);
	assert_int_equal(cacheconfig_chain(&c, &c.results[0], chain), 3);
	assert_int_equal(chain[0], 0);
	assert_int_equal(cacheconfig_format_records(&c, &out, NULL), 0);
	assert_int_equal(out.len, strlen(text));
	assert_memory_equal(out.data, text, out.len);
	cacheconfig_release(&c);
	assert_int_equal(cacheconfig_parse_records(text, strlen(text), 2, &c, &err),
			 -ERR_INVALID);
}

static int64_t ns_of(const char *text)
{
	struct cacheconfig_result r;
	struct err err = {0};

	if (cacheconfig_time(text, &r, &err) < 0)
		fail_msg("%s", err.msg);
	return r.created_ns;
}

static void times_are_compared_by_what_they_say(void **state)
{
	struct cacheconfig_result r;

	(void)state;
	assert_int_equal(ns_of("1970-01-01T00:00:01Z"), 1000000000);
	assert_int_equal(ns_of("1970-01-01T00:00:00.5Z"), 500000000);
	assert_int_equal(ns_of("1970-01-01T01:00:00.000000001+01:00"), 1);
	assert_true(ns_of("2026-01-01T00:00:00.5Z") > ns_of("2026-01-01T00:00:00Z"));
	assert_true(ns_of("0001-01-01T00:00:00Z") < ns_of("1970-01-01T00:00:00Z"));
	assert_int_equal(cacheconfig_time("", &r, NULL), -ERR_INVALID);
	assert_int_equal(cacheconfig_time("2026-13-01T00:00:00Z", &r, NULL),
			 -ERR_INVALID);
	assert_int_equal(cacheconfig_time("2026-01-01T00:00:00.1234567890Z", &r, NULL),
			 -ERR_INVALID);
	assert_int_equal(cacheconfig_time("2026-01-01T00:00:00Z\"", &r, NULL),
			 -ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_read_is_written_again_as_it_was),
		cmocka_unit_test(a_left_out_parent_is_the_first_layer),
		cmocka_unit_test(records_come_after_their_inputs),
		cmocka_unit_test(cycles_are_refused),
		cmocka_unit_test(indexes_out_of_range_are_refused),
		cmocka_unit_test(documents_that_readers_could_differ_on_are_refused),
		cmocka_unit_test(chains_have_a_maximum),
		cmocka_unit_test(inline_records_have_the_layers_of_their_image),
		cmocka_unit_test(times_are_compared_by_what_they_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

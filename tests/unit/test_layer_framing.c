/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the queue between a scan and a recipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "store/layer_framing.h"
#include "tests/unit/scratch_store.h"

static struct session *session;
static struct recipe_writer *recipe;
static struct layer_framing framing;

static int setup(void **state)
{
	struct err err = {0};

	if (scratch_store_setup(state) < 0)
		return -1;
	if (session_begin(scratch_store, NULL, &session, &err) < 0 ||
	    recipe_writer_new(session, &recipe, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	layer_framing_init(&framing, recipe);
	return 0;
}

static int teardown(void **state)
{
	layer_framing_release(&framing);
	recipe_writer_free(recipe);
	session_abort(session);
	return scratch_store_teardown(state);
}

/* What the recipe says, as text: "L5 O1[0+10] Z600 ", objects by their first byte. */
static int describe(void *arg, const struct recipe_step *step, struct err *err)
{
	char *text = arg;
	size_t used = strlen(text);

	(void)err;
	if (step->op == RECIPE_OBJECT)
		snprintf(text + used, 200 - used, "O%u[%llu+%llu] ",
			 step->object.bytes[0], (unsigned long long)step->object_off,
			 (unsigned long long)step->len);
	else
		snprintf(text + used, 200 - used, "%c%llu ",
			 step->op == RECIPE_LITERAL ? 'L' : 'Z',
			 (unsigned long long)step->len);
	return 0;
}

static void assert_recipe(const char *expected)
{
	char text[200] = "";
	struct pack_place at;
	uint64_t size;

	assert_ok(layer_framing_finish(&framing, err));
	assert_ok(recipe_finish(recipe, &at, &size, err));
	assert_ok(session_flush(session, err));
	assert_ok(recipe_each(scratch_store, &at, describe, text, err));
	assert_string_equal(text, expected);
}

static void literal(size_t len)
{
	char data[1000];

	memset(data, 'x', len);
	assert_ok(layer_framing_literal(&framing, data, len, err));
}

static void payload(uint64_t ordinal, uint64_t off, uint64_t len)
{
	assert_ok(layer_framing_payload(&framing, ordinal, off, len, err));
}

static void file(uint64_t ordinal, bool hole)
{
	const struct digest d = {{(uint8_t)(ordinal + 1)}};

	assert_ok(layer_framing_digest(&framing, ordinal, &d, hole, err));
}

static void framing_waits_for_the_digests(void **state)
{
	(void)state;
	/* The scanner has seen three entries before the first one is read. */
	literal(500);
	payload(0, 0, 100);
	literal(400);
	payload(1, 0, 50);
	payload(1, 50, 50);
	literal(300);
	literal(200);
	file(0, false);
	file(1, false);
	literal(7);
	assert_recipe("L500 O1[0+100] L400 O2[0+100] L507 ");
}

static void digests_may_come_before_the_framing(void **state)
{
	(void)state;
	literal(500);
	file(0, false);
	file(2, false);
	payload(0, 0, 100);
	literal(10);
	payload(2, 0, 100);
	assert_recipe("L500 O1[0+100] L10 O3[0+100] ");
}

static void holes_in_a_file_leave_slices(void **state)
{
	(void)state;
	literal(500);
	payload(0, 4096, 512);
	payload(0, 81920, 512);
	file(0, false);
	assert_recipe("L500 O1[4096+512] O1[81920+512] ");
}

static void a_file_that_is_a_hole_is_named_before_the_next_payload(void **state)
{
	(void)state;
	literal(500);
	file(0, true);
	literal(400);
	payload(3, 0, 10);
	file(1, true);
	literal(300);
	file(3, false);
	file(4, true);
	assert_recipe("L900 O1[0+0] O2[0+0] O4[0+10] L300 O5[0+0] ");
}

static void payload_of_no_file_is_refused(void **state)
{
	struct err why = {0};

	(void)state;
	literal(500);
	payload(0, 0, 100);
	assert_int_equal(layer_framing_finish(&framing, &why), -ERR_INVALID);
	assert_non_null(strstr(why.msg, "entry 0"));
}

static void payload_of_an_entry_without_content_is_refused(void **state)
{
	const struct digest d = {{1}};
	struct err why = {0};

	(void)state;
	payload(0, 0, 100);
	assert_int_equal(layer_framing_digest(&framing, 1, &d, false, &why),
			 -ERR_INVALID);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(framing_waits_for_the_digests),
		CASE(digests_may_come_before_the_framing),
		CASE(holes_in_a_file_leave_slices),
		CASE(a_file_that_is_a_hole_is_named_before_the_next_payload),
		CASE(payload_of_no_file_is_refused),
		CASE(payload_of_an_entry_without_content_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

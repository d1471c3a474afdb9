/* SPDX-License-Identifier: Apache-2.0
 * Results for steps that have none: given where the layers prove them, and only there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/buildkit/cache_complete.h"
#include "tools/buildkit/step_digest.h"

#include <string.h>

#define LAYERS          4 /* base, and three on top of it */
#define STEP(by, empty) "{\"created_by\":\"" by "\"" empty "}"
#define EMPTY           ",\"empty_layer\":true"

static const struct digest none;

static struct digest named(const char *text)
{
	struct digest d;

	digest_of(text, strlen(text), &d);
	return d;
}

static void add(struct cache *c, const struct digest *d)
{
	assert_int_equal(cacheconfig_add_record(&c->doc, d, NULL), 0);
}

static void rest(struct cache *c, uint32_t record, const struct digest *selector)
{
	assert_int_equal(cacheconfig_add_link(&c->doc, 0, record, selector, NULL), 0);
}

static void give(struct cache *c, uint32_t layer)
{
	struct cacheconfig_result r = {.layer = layer};

	assert_int_equal(cacheconfig_time("2026-01-02T03:04:05Z", &r, NULL), 0);
	assert_int_equal(cacheconfig_add_result(&c->doc, &r, NULL, 0, NULL), 0);
}

/* Layers, the base image and STEPS steps on it, each on the one before: records 1 to STEPS. The
 * last has all layers. BASE_LAYERS 0: the root is something else. */
static void start(struct cache *c, uint32_t steps, uint32_t base_layers)
{
	struct digest base = named("no base image");
	static const char *const names[] = {"l0", "l1", "l2", "l3"};

	*c = (struct cache){0};
	c->layers = calloc(LAYERS, sizeof(*c->layers));
	assert_non_null(c->layers);
	for (uint32_t i = 0; i < LAYERS; i++) {
		c->layers[i].diffid = named(names[i]);
		assert_int_equal(cacheconfig_add_layer(&c->doc, &none,
						       i ? i - 1 : CACHECONFIG_NONE,
						       NULL),
				 0);
	}
	assert_int_equal(cache_resolve(c, NULL), 0);
	if (base_layers)
		step_digest_base(&c->layers[base_layers - 1].chainid, &base);
	add(c, &base);
	for (uint32_t i = 1; i <= steps; i++) {
		struct digest step = named("step");

		step.bytes[0] = (uint8_t)i;
		add(c, &step);
		rest(c, i - 1, &none);
	}
	give(c, LAYERS - 1);
}

static struct cache_completed complete(struct cache *c, const char *config)
{
	struct cache_completed done;
	struct err err = {0};

	if (cache_complete(c, config, config ? strlen(config) : 0, &done, &err) < 0)
		fail_msg("%s", err.msg);
	return done;
}

static uint32_t top(const struct cache *c, uint32_t record)
{
	struct digest chain;
	const struct cacheconfig_result *r = cache_result(c, record, &chain);

	return r ? r->layer : CACHECONFIG_NONE;
}

static void every_step_gets_its_layer(void **state)
{
	auto_cache struct cache c = {0};
	struct cache_completed done;

	(void)state;
	start(&c, 3, 1);
	done = complete(&c, NULL);
	assert_int_equal(done.given, 2);
	assert_int_equal(done.lacking, 0);
	assert_int_equal(top(&c, 1), 1);
	assert_int_equal(top(&c, 2), 2);
	assert_int_equal(complete(&c, NULL).given, 0);
}

static void more_steps_than_layers_prove_nothing(void **state)
{
	auto_cache struct cache c = {0};

	(void)state;
	start(&c, 4, 1);
	assert_int_equal(complete(&c, NULL).given, 0);
	assert_int_equal(complete(&c, "{\"history\":[]}").given, 0);
}

static void fewer_steps_than_layers_prove_nothing(void **state)
{
	auto_cache struct cache c = {0};

	(void)state;
	start(&c, 2, 1);
	assert_int_equal(complete(&c, NULL).given, 0);
}

/* Four steps and three layers: WORKDIR of a directory that was there makes none. */
static void the_history_tells_which_step_made_no_layer(void **state)
{
	static const char config[] =
		"{\"history\":[" STEP("base", "") "," STEP("ENV A=1", EMPTY) "," STEP(
			"RUN x",
			"") "," STEP("WORKDIR /",
				     EMPTY) "," STEP("COPY a",
						     "") "," STEP("RUN y",
								  "") "," STEP("CMD z",
									       EMPTY) "]}";
	auto_cache struct cache c = {0};

	(void)state;
	start(&c, 4, 1);
	assert_int_equal(complete(&c, config).given, 3);
	assert_int_equal(top(&c, 1), 1);
	assert_int_equal(top(&c, 2), 1);
	assert_int_equal(top(&c, 3), 2);
	assert_int_equal(top(&c, 4), 3);
}

static void a_history_of_other_steps_proves_nothing(void **state)
{
	static const char config[] = "{\"history\":[" STEP("base", "") "," STEP(
		"RUN x", "") "," STEP("something else", "") "," STEP("RUN y", "") "]}";
	auto_cache struct cache c = {0};

	(void)state;
	start(&c, 4, 1);
	assert_int_equal(complete(&c, config).given, 0);
}

/* Its steps could be those of any base, or copies onto scratch. */
static void an_unknown_base_proves_nothing(void **state)
{
	auto_cache struct cache c = {0};

	(void)state;
	start(&c, 3, 0);
	assert_int_equal(complete(&c, NULL).given, 0);
}

static void what_is_known_must_agree(void **state)
{
	auto_cache struct cache c = {0};

	(void)state;
	start(&c, 3, 1);
	/* The first step is said to have made two layers. */
	c.doc.records[1].result_first = c.doc.result_count;
	c.doc.records[1].result_count = 0;
	{
		struct cacheconfig_result r = {.layer = 2};

		assert_int_equal(cacheconfig_time("2026-01-02T03:04:05Z", &r, NULL), 0);
		assert_int_equal(cacheconfig_set_result(&c.doc, 1, &r, NULL), 0);
	}
	assert_int_equal(complete(&c, NULL).given, 0);
}

/* COPY --from onto scratch: what it copies is not what it rests on. */
static void files_that_are_copied_are_no_base(void **state)
{
	auto_cache struct cache c = {0};
	struct digest path = named("/out"), copy = named("copy"), run = named("run");

	(void)state;
	start(&c, 3, 1);
	add(&c, &copy); /* record 4 */
	rest(&c, 3, &path);
	add(&c, &run); /* record 5: one layer of its own below it */
	rest(&c, 4, &none);
	give(&c, 1);
	assert_int_equal(complete(&c, NULL).given, 3);
	assert_int_equal(top(&c, 4), 0);
	assert_int_equal(top(&c, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_step_gets_its_layer),
		cmocka_unit_test(more_steps_than_layers_prove_nothing),
		cmocka_unit_test(fewer_steps_than_layers_prove_nothing),
		cmocka_unit_test(the_history_tells_which_step_made_no_layer),
		cmocka_unit_test(a_history_of_other_steps_proves_nothing),
		cmocka_unit_test(an_unknown_base_proves_nothing),
		cmocka_unit_test(what_is_known_must_agree),
		cmocka_unit_test(files_that_are_copied_are_no_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

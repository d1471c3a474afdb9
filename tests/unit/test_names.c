/* SPDX-License-Identifier: Apache-2.0
 * fs/names: paths become directories and links. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/names.h"
#include "fs/nodeid.h"

static struct digest digest_number(uint32_t n)
{
	struct digest d;

	digest_of(&n, sizeof(n), &d);
	return d;
}

/* A tree of links to chains 1, 2, ... in the order given. */
static struct names *make(const char *const *paths)
{
	auto_names_maker struct names_maker *m = NULL;
	struct names *n;
	struct err err;

	assert_int_equal(names_maker_new(&m, &err), 0);
	for (uint32_t i = 0; paths[i]; i++) {
		struct digest d = digest_number(i + 1);

		assert_int_equal(names_add(m, paths[i], &d, &err), 0);
	}
	assert_int_equal(names_finish(m, &n, &err), 0);
	return n;
}

#define MAKE(...) make((const char *const[]){__VA_ARGS__, NULL})

static const struct names_node *walk(const struct names *n, const char *const *parts)
{
	const struct names_node *node = NULL;
	uint64_t dir = NODEID_IMAGES;

	for (; *parts; parts++) {
		node = names_lookup(n, dir, *parts);
		if (!node)
			return NULL;
		dir = node->id;
	}
	return node;
}

#define WALK(n, ...) walk(n, (const char *const[]){__VA_ARGS__, NULL})

static size_t count(const struct names *n, uint64_t dir)
{
	size_t c = 0;

	for (const struct names_node *e = names_first(n, dir, 0); e; e = names_next(n, e))
		c++;
	return c;
}

static void no_names_make_an_empty_directory(void **state)
{
	auto_names struct names *n = MAKE(NULL);

	(void)state;
	assert_null(names_first(n, NODEID_IMAGES, 0));
	assert_null(names_lookup(n, NODEID_IMAGES, "docker.io"));
	assert_null(names_get(n, NODEID_IMAGES));
}

static void a_name_becomes_directories_and_a_link(void **state)
{
	auto_names struct names *n = MAKE("docker.io/library/app:v1");
	const struct names_node *dir = WALK(n, "docker.io", "library");
	const struct names_node *link = WALK(n, "docker.io", "library", "app:v1");

	(void)state;
	assert_non_null(dir);
	assert_null(dir->target);
	assert_int_equal(nodeid_class(dir->id), NODEID_NAME_DIR);
	assert_non_null(link);
	assert_int_equal(nodeid_class(link->id), NODEID_NAME_LINK);
	assert_true(link->parent == dir->id);
	assert_ptr_equal(names_get(n, link->id), link);
	assert_ptr_equal(names_get(n, dir->id), dir);
}

static void links_climb_out_of_images(void **state)
{
	auto_names struct names *n = MAKE("a:1", "h/b:1", "h/x/y/c:1");
	char want[128], hex[DIGEST_HEX_SIZE];
	struct digest d = digest_number(1);

	(void)state;
	snprintf(want, sizeof(want), "../chains/sha256/%s", digest_hex(&d, hex));
	assert_string_equal(WALK(n, "a:1")->target, want);
	d = digest_number(2);
	snprintf(want, sizeof(want), "../../chains/sha256/%s", digest_hex(&d, hex));
	assert_string_equal(WALK(n, "h", "b:1")->target, want);
	d = digest_number(3);
	snprintf(want, sizeof(want), "../../../../chains/sha256/%s", digest_hex(&d, hex));
	assert_string_equal(WALK(n, "h", "x", "y", "c:1")->target, want);
}

static void directories_are_made_once(void **state)
{
	auto_names struct names *n =
		MAKE("h/a:1", "h/a/b:1", "h/b:1", "g/a:1", "h/a/c:2");

	(void)state;
	assert_int_equal(count(n, NODEID_IMAGES), 2);
	assert_int_equal(count(n, WALK(n, "h")->id), 3);
	assert_int_equal(count(n, WALK(n, "h", "a")->id), 2);
}

static void a_listing_goes_on_from_any_place(void **state)
{
	auto_names struct names *n = MAKE("h/a:1", "h/b:1", "h/c:1", "h/d:1", "h/e:1");
	uint64_t dir = WALK(n, "h")->id, place = 0;
	size_t seen = 0;

	(void)state;
	for (const struct names_node *e; (e = names_first(n, dir, place)); seen++) {
		assert_true(e->place >= place);
		place = e->place + 1;
	}
	assert_int_equal(seen, 5);
}

static void ids_and_places_do_not_depend_on_the_rest(void **state)
{
	auto_names struct names *a = MAKE("h/a:1");
	auto_names struct names *b = MAKE("h/a:1", "g/z:1", "h/b:1", "h/0:1");

	(void)state;
	assert_true(WALK(a, "h", "a:1")->id == WALK(b, "h", "a:1")->id);
	assert_true(WALK(a, "h", "a:1")->place == WALK(b, "h", "a:1")->place);
	assert_true(WALK(a, "h")->id == WALK(b, "h")->id);
}

static void a_moved_name_is_another_node_at_the_same_place(void **state)
{
	auto_names struct names *a = MAKE("h/a:1");
	auto_names struct names *b = MAKE("h/x:1", "h/a:1");

	(void)state;
	assert_true(WALK(a, "h", "a:1")->id != WALK(b, "h", "a:1")->id);
	assert_true(WALK(a, "h", "a:1")->place == WALK(b, "h", "a:1")->place);
	assert_null(names_get(b, WALK(a, "h", "a:1")->id));
}

static void names_that_are_no_paths_are_passed_over(void **state)
{
	static const char *const bad[] = {"",         "/a:1",  "a//b:1", "../x:1",
					  "a/../b:1", "./a:1", "a/.:1/", "a/",
					  "..",       NULL};
	char lengthy[300];
	struct digest d = digest_number(1);
	auto_names_maker struct names_maker *m = NULL;
	auto_names struct names *n = NULL;
	struct err err;

	(void)state;
	memset(lengthy, 'x', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	assert_int_equal(names_maker_new(&m, &err), 0);
	for (unsigned i = 0; bad[i]; i++)
		assert_int_equal(names_add(m, bad[i], &d, &err), 0);
	assert_int_equal(names_add(m, lengthy, &d, &err), 0);
	assert_int_equal(names_finish(m, &n, &err), 0);
	assert_null(names_first(n, NODEID_IMAGES, 0));
	assert_null(names_lookup(n, NODEID_IMAGES, lengthy));
}

static void a_directory_wins_over_a_link_and_the_first_link_over_others(void **state)
{
	auto_names struct names *n = MAKE("h/a", "h/a/b:1", "h/c:1", "h/c:1");
	struct digest third = digest_number(3);

	(void)state;
	assert_null(WALK(n, "h", "a")->target);
	assert_non_null(WALK(n, "h", "a", "b:1"));
	assert_true(digest_equal(&WALK(n, "h", "c:1")->chainid, &third));
	assert_int_equal(count(n, WALK(n, "h")->id), 2);
}

static void thousands_of_names_are_all_found(void **state)
{
	auto_names_maker struct names_maker *m = NULL;
	auto_names struct names *n = NULL;
	struct digest d = digest_number(1);
	char path[64];
	struct err err;

	(void)state;
	assert_int_equal(names_maker_new(&m, &err), 0);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "h/r%u/app:%u", i % 50, i);
		assert_int_equal(names_add(m, path, &d, &err), 0);
	}
	assert_int_equal(names_finish(m, &n, &err), 0);
	assert_int_equal(count(n, WALK(n, "h")->id), 50);
	for (unsigned i = 0; i < 5000; i++) {
		char repo[16], tag[16];

		snprintf(repo, sizeof(repo), "r%u", i % 50);
		snprintf(tag, sizeof(tag), "app:%u", i);
		assert_non_null(WALK(n, "h", repo, tag));
	}
}

static void the_last_reference_frees(void **state)
{
	struct names *n = MAKE("h/a:1");

	(void)state;
	assert_ptr_equal(names_ref(n), n);
	names_unref(n);
	assert_non_null(WALK(n, "h", "a:1"));
	names_unref(n);
	names_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_names_make_an_empty_directory),
		cmocka_unit_test(a_name_becomes_directories_and_a_link),
		cmocka_unit_test(links_climb_out_of_images),
		cmocka_unit_test(directories_are_made_once),
		cmocka_unit_test(a_listing_goes_on_from_any_place),
		cmocka_unit_test(ids_and_places_do_not_depend_on_the_rest),
		cmocka_unit_test(a_moved_name_is_another_node_at_the_same_place),
		cmocka_unit_test(names_that_are_no_paths_are_passed_over),
		cmocka_unit_test(
			a_directory_wins_over_a_link_and_the_first_link_over_others),
		cmocka_unit_test(thousands_of_names_are_all_found),
		cmocka_unit_test(the_last_reference_frees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

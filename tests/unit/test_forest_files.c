/* SPDX-License-Identifier: Apache-2.0
 * Unit tests of the files of trees: their bound, leftovers, many users at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>

#include "tests/unit/forest_store.h"

/* ---- the bound ---- */

static void get_and_put(struct forest *f, const struct digest *id, uint32_t *ret_number)
{
	struct forest_tree *t = get_layer(f, id);

	*ret_number = t->number;
	forest_put(f, t);
}

static void the_longest_unused_files_go_first(void **state)
{
	struct digest d[4];
	uint32_t n[4];
	auto_forest struct forest *f = NULL;
	struct stat st;

	(void)state;
	add_one_file_layer("a", &d[0]);
	add_one_file_layer("b", &d[1]);
	add_one_file_layer("c", &d[2]);
	add_one_file_layer("d", &d[3]);
	f = forest_make(0);
	get_and_put(f, &d[0], &n[0]);
	assert_int_equal(stat(file_of(n[0]), &st), 0);
	forest_free(steal_ptr(&f));
	f = forest_make((uint64_t)st.st_size * 3);
	get_and_put(f, &d[1], &n[1]);
	get_and_put(f, &d[2], &n[2]);
	assert_int_equal(files_count(), 3);
	get_and_put(f, &d[0], &n[0]);
	get_and_put(f, &d[3], &n[3]);
	assert_int_equal(files_count(), 3);
	assert_true(file_is_there(n[3]));
	assert_true(file_is_there(n[0]));
	assert_false(file_is_there(n[1]));
	/* Mapped once, used by number now: as good as opened. */
	get_and_put(f, &d[2], &n[2]);
	get_and_put(f, &d[0], &n[0]);
	get_and_put(f, &d[1], &n[1]);
	assert_int_equal(files_count(), 3);
	assert_false(file_is_there(n[3]));
}

static void files_in_use_stay(void **state)
{
	struct digest d[3];
	uint32_t n;
	auto_forest struct forest *f = NULL, *other = NULL;
	struct forest_tree *t, *held;

	(void)state;
	add_one_file_layer("a", &d[0]);
	add_one_file_layer("b", &d[1]);
	add_one_file_layer("c", &d[2]);
	f = forest_make(1);
	other = forest_make(0);
	t = get_layer(f, &d[0]);
	held = get_layer(other, &d[1]); /* as another process might */
	get_and_put(f, &d[2], &n);
	assert_true(file_is_there(t->number));
	assert_true(file_is_there(held->number));
	assert_true(file_is_there(n));
	forest_put(f, t);
	get_and_put(f, &d[1], &n);
	assert_true(file_is_there(held->number));
	forest_put(other, held);
}

static void leftovers_of_killed_writers_are_swept(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct digest d;
	uint32_t n;
	auto_forest struct forest *f = NULL;

	(void)state;
	scratch_file("store/trees/00000001.erofs.tmp-12-0", "x", 1);
	scratch_file("store/trees/00000002.erofs.tmp-12-1", "x", 1);
	scratch_file("store/trees/someone's", "x", 1);
	assert_int_equal(utimensat(AT_FDCWD,
				   scratch_path("store/trees/00000001.erofs.tmp-12-0"),
				   old, 0),
			 0);
	add_one_file_layer("a", &d);
	f = forest_make(0);
	get_and_put(f, &d, &n);
	assert_int_equal(files_count(), 3);
	assert_int_not_equal(
		access(scratch_path("store/trees/00000001.erofs.tmp-12-0"), F_OK), 0);
}

/* ---- as a file ---- */

static void expect_file(struct forest *f, struct forest_tree *t)
{
	auto_free uint8_t *bytes = malloc(t->tree.len);
	auto_fd int fd = -1;
	uint64_t size;

	assert_ok(forest_file(f, t, &fd, err));
	assert_ok(io_size(fd, &size, "tree", err));
	assert_int_equal(size, t->tree.len);
	assert_ok(io_pread(fd, bytes, size, 0, "tree", err));
	assert_memory_equal(bytes, t->tree.bytes, size);
	assert_int_not_equal(write(fd, "x", 1), 1);
}

static void the_file_of_a_tree_is_there_even_if_it_was_removed(void **state)
{
	struct sample x = add_sample();
	struct forest *f = forest_make(0);
	struct forest_tree *t = get_chain(f, &x.chains[2]);

	(void)state;
	expect_file(f, t);
	assert_int_equal(unlink(file_of(t->number)), 0);
	expect_file(f, t);
	assert_true(file_is_there(t->number));
	unlink(file_of(t->number));
	forest_put(f, t);
	forest_free(f);
	reopen(0);
	f = forest_make(0);
	t = get_chain(f, &x.chains[2]);
	expect_file(f, t);
	assert_int_equal(files_count(), 0);
	forest_put(f, t);
	forest_free(f);
}

/* ---- many at once ---- */

struct racer {
	pthread_t thread;
	struct forest *forest;
	struct sample *sample;
	struct forest_tree *got[6];
};

static void *race(void *arg)
{
	struct racer *r = arg;

	for (unsigned i = 0; i < 6; i++) {
		int rc = i < 3 ? forest_get_layer(r->forest, &r->sample->layers[i],
						  &r->got[i], NULL)
			       : forest_get_chain(r->forest, &r->sample->chains[i - 3],
						  &r->got[i], NULL);

		if (rc < 0)
			return NULL;
	}
	for (unsigned i = 0; i < 2000; i++) {
		struct forest_tree *t;

		if (forest_get(r->forest, r->got[i % 6]->number, &t, NULL) < 0)
			return NULL;
		forest_put(r->forest, t);
	}
	return r;
}

static void threads_share_one_build(void **state)
{
	struct sample x = add_sample();
	auto_forest struct forest *f = forest_make(0);
	uint64_t before = generation();
	struct racer racers[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		racers[i] = (struct racer){.forest = f, .sample = &x};
		assert_int_equal(
			pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		void *ok;

		pthread_join(racers[i].thread, &ok);
		assert_non_null(ok);
	}
	for (unsigned i = 0; i < 8; i++)
		for (unsigned k = 0; k < 6; k++) {
			assert_ptr_equal(racers[i].got[k], racers[0].got[k]);
			forest_put(f, racers[i].got[k]);
		}
	assert_int_equal(generation(), before + 6);
	assert_int_equal(files_count(), 6);
}

/* In a process of its own; the store is opened after the fork. */
static int build_alone(const struct sample *x)
{
	struct store *s;
	struct forest *f;

	if (store_open(scratch_path("store"), STORE_WRITE, &s, NULL) < 0 ||
	    forest_new(s, 0, &f, NULL) < 0)
		return 1;
	for (unsigned i = 0; i < 3; i++) {
		struct forest_tree *t;

		if (forest_get_chain(f, &x->chains[i], &t, NULL) < 0 ||
		    !tree_fixture_has(&t->tree, "etc/passwd"))
			return 1;
		forest_put(f, t);
	}
	forest_free(f);
	store_close(s);
	return 0;
}

static void processes_agree_on_number_and_bytes(void **state)
{
	struct sample x = add_sample();
	uint64_t before = generation();
	uint32_t number, again = number_of_chain(&x.chains[2]);
	pid_t children[4];

	(void)state;
	objects_free(scratch_objects);
	scratch_objects = NULL;
	store_close(steal_ptr(&scratch_store));
	for (unsigned i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(build_alone(&x));
		assert_true(children[i] > 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_ok(store_open(scratch_path("store"), STORE_WRITE, &scratch_store, err));
	assert_int_equal(generation(), before + 3);
	assert_int_equal(files_count(), 3);
	(void)look(&x.chains[2], &number);
	assert_int_equal(number, again);
	assert_int_equal(generation(), before + 3);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_store_setup, scratch_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_longest_unused_files_go_first),
		TEST(files_in_use_stay),
		TEST(leftovers_of_killed_writers_are_swept),
		TEST(the_file_of_a_tree_is_there_even_if_it_was_removed),
		TEST(threads_share_one_build),
		TEST(processes_agree_on_number_and_bytes),
	};

	return cmocka_run_group_tests_name("forest files", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * store/object and store/frame_cache: ranges, absence, damage, bounds of the cache, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <pthread.h>
#include <sys/stat.h>

#include "store/base/io.h"
#include "store/frame_cache.h"
#include "store/object.h"
#include "store/session.h"

#define SMALL 20000
#define LARGE (6u << 20)

struct fixture {
	char dir[64];
	struct store *store;
	struct digest small, large;
	uint8_t *small_data, *large_data;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static uint8_t *noise(size_t len, uint64_t seed)
{
	uint8_t *data = malloc(len);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		data[i] = (uint8_t)('a' + (seed >> 60));
	}
	return data;
}

/* A store with a small and a large object, and a hole of 1 MiB in the large one. */
static int make_store(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct record_item item = {.type = RECORD_IMAGE, .image.manifest.bytes = {1}};
	struct session *s = NULL;
	struct err err;

	snprintf(f->dir, sizeof(f->dir), "/tmp/layercache-object-XXXXXX");
	if (!mkdtemp(f->dir) || store_open(f->dir, STORE_CREATE, &f->store, &err) < 0)
		return -1;
	f->small_data = noise(SMALL, 1);
	f->large_data = noise(LARGE, 2);
	memset(f->large_data + (2 << 20), 0, 1 << 20);
	digest_of(f->small_data, SMALL, &f->small);
	digest_of(f->large_data, LARGE, &f->large);
	if (session_begin(f->store, NULL, &s, &err) < 0 ||
	    session_put_object(s, &f->small, f->small_data, SMALL, NULL, NULL, &err) <
		    0 ||
	    session_put_object(s, &f->large, f->large_data, LARGE, NULL, NULL, &err) <
		    0 ||
	    session_add(s, &item, &err) < 0 || session_commit(s, &err) < 0)
		return -1;
	*state = f;
	return 0;
}

static int remove_store(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f->small_data);
	free(f->large_data);
	free(f);
	return 0;
}

static struct objects *open_objects(struct fixture *f, size_t bytes)
{
	struct objects *o = NULL;
	struct err err;

	assert_int_equal(objects_new(f->store, bytes, &o, &err), 0);
	return o;
}

static void expect_range(struct objects *o, const struct digest *d, const uint8_t *data,
			 size_t size, uint64_t off, size_t len)
{
	size_t want = off >= size ? 0 : len < size - off ? len : size - off;
	auto_free uint8_t *got = malloc(len + 1);
	size_t n;
	struct err err;

	if (objects_read(o, d, off, got, len, &n, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(n, want);
	if (want)
		assert_memory_equal(got, data + off, want);
}

static void any_range_of_small_content_is_read(void **state)
{
	struct fixture *f = *state;
	auto_objects struct objects *o = open_objects(f, 1 << 20);

	for (uint64_t off = 0; off < SMALL + 2000; off += 777)
		for (size_t len = 0; len < 2 * SMALL; len += 5001)
			expect_range(o, &f->small, f->small_data, SMALL, off, len);
}

static void any_range_of_large_content_is_read(void **state)
{
	struct fixture *f = *state;
	auto_objects struct objects *o = open_objects(f, 1 << 20);
	uint64_t size;
	struct err err;

	assert_int_equal(objects_size(o, &f->large, &size, &err), 0);
	assert_int_equal(size, LARGE);
	for (uint64_t off = 0; off < LARGE + 300000; off += 77777)
		for (size_t len = 1; len < 1 << 20; len = len * 7 + 3)
			expect_range(o, &f->large, f->large_data, LARGE, off, len);
	expect_range(o, &f->large, f->large_data, LARGE, 0, LARGE + 1);
	expect_range(o, &f->large, f->large_data, LARGE, LARGE - 1, 1);
	expect_range(o, &f->large, f->large_data, LARGE, UINT64_MAX, 10);
}

static void absent_content_is_not_found(void **state)
{
	auto_objects struct objects *o = open_objects(*state, 1 << 20);
	struct digest d = {{1, 2, 3}};
	struct objects_stats stats;
	uint64_t size;
	uint8_t byte;
	size_t n;
	struct err err;

	assert_int_equal(objects_size(o, &d, &size, &err), -ERR_NOTFOUND);
	assert_int_equal(objects_read(o, &d, 0, &byte, 1, &n, &err), -ERR_NOTFOUND);
	assert_int_equal(objects_read(o, &d, 0, &byte, 1, &n, NULL), -ERR_NOTFOUND);
	assert_true(objects_readahead(o, &d, 0));
	objects_stats(o, &stats);
	assert_int_equal(stats.errors, 0);
}

static void reading_all_respects_the_bound_of_the_buffer(void **state)
{
	struct fixture *f = *state;
	auto_objects struct objects *o = open_objects(f, 1 << 20);
	auto_buf struct buf buf;
	struct err err;

	buf_init(&buf, SMALL + 1);
	assert_int_equal(objects_read_all(o, &f->large, &buf, &err), -ERR_LIMIT);
	assert_int_equal(buf.len, 0);
	assert_int_equal(objects_read_all(o, &f->small, &buf, &err), 0);
	assert_int_equal(buf.len, SMALL);
	assert_memory_equal(buf.data, f->small_data, SMALL);
	assert_int_equal(objects_read_all(o, &f->small, &buf, &err), -ERR_LIMIT);
}

static void the_cache_keeps_its_bound_and_is_used(void **state)
{
	struct fixture *f = *state;
	auto_objects struct objects *o = open_objects(f, 5 << 20);
	struct objects_stats before, after;

	for (uint64_t off = 0; off < LARGE; off += 65536) {
		expect_range(o, &f->large, f->large_data, LARGE, off, 65536);
		objects_stats(o, &after);
		assert_in_range(after.cached_bytes, 0, 5 << 20);
	}
	assert_in_range(after.misses, LARGE >> 21, 20);
	before = after;
	expect_range(o, &f->large, f->large_data, LARGE, LARGE - 10, 10);
	objects_stats(o, &after);
	assert_int_equal(after.misses, before.misses);
	assert_true(after.hits > before.hits);
}

static void readahead_brings_the_frame_into_the_cache(void **state)
{
	struct fixture *f = *state;
	auto_objects struct objects *o = open_objects(f, 1 << 20);
	struct objects_stats stats;

	assert_false(objects_is_decoded(o, &f->small));
	assert_true(objects_readahead(o, &f->small, 0));
	do {
		sched_yield();
		objects_stats(o, &stats);
	} while (!stats.decoded_bytes);
	expect_range(o, &f->small, f->small_data, SMALL, 0, SMALL);
	objects_stats(o, &stats);
	assert_true(objects_is_decoded(o, &f->small));
	assert_int_equal(stats.misses, 1);
	assert_int_equal(stats.hits, 1);
}

/* ---- damage ---- */

static struct object_place place_of(struct fixture *f, const struct digest *d)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	struct object_place place;
	struct err err;

	assert_int_equal(catalog_begin(store_catalog(f->store), false, &txn, &err), 0);
	assert_int_equal(catalog_object_get(txn, d, &place, &err), 0);
	return place;
}

static int open_pack(struct fixture *f, uint32_t number)
{
	char name[32];
	int fd;
	struct err err;

	snprintf(name, sizeof(name), "%08x.pack", number);
	assert_int_equal(io_open(store_packs_dirfd(f->store), name, O_RDWR, 0, &fd, &err),
			 0);
	return fd;
}

static void a_damaged_frame_is_an_error_and_never_wrong_bytes(void **state)
{
	struct fixture *f = *state;
	struct object_place place = place_of(f, &f->small);
	auto_fd int fd = open_pack(f, place.frame.pack);
	uint64_t at = place.frame.off + place.frame.len - 100;
	struct objects_stats stats;
	uint8_t byte, got[SMALL];
	size_t n;
	struct err err;

	for (unsigned round = 0; round < 2; round++) {
		auto_objects struct objects *o = open_objects(f, 1 << 20);

		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		if (round) { /* put right again */
			expect_range(o, &f->small, f->small_data, SMALL, 0, SMALL);
			continue;
		}
		assert_int_equal(objects_read(o, &f->small, 0, got, SMALL, &n, &err),
				 -ERR_CORRUPT);
		assert_non_null(strstr(err.msg, "object "));
		assert_int_equal(objects_read(o, &f->small, 0, got, SMALL, &n, NULL),
				 -ERR_CORRUPT);
		objects_stats(o, &stats);
		assert_int_equal(stats.errors, 2);
	}
}

static void a_missing_pack_is_damage_not_absence(void **state)
{
	struct fixture *f = *state;
	auto_objects struct objects *o = open_objects(f, 1 << 20);
	struct object_place place = place_of(f, &f->small);
	char name[32];
	uint8_t byte;
	size_t n;
	struct err err;

	snprintf(name, sizeof(name), "%08x.pack", place.frame.pack);
	assert_int_equal(unlinkat(store_packs_dirfd(f->store), name, 0), 0);
	assert_int_equal(objects_read(o, &f->small, 0, &byte, 1, &n, &err), -ERR_CORRUPT);
	assert_int_equal(err.code, ERR_CORRUPT);
	assert_int_equal(objects_read(o, &f->large, 0, &byte, 1, &n, NULL), -ERR_CORRUPT);
}

/* ---- threads ---- */

struct reader {
	struct fixture *fixture;
	struct objects *objects;
	uint32_t seed;
};

static void *read_all_over(void *arg)
{
	struct reader *r = arg;
	struct fixture *f = r->fixture;

	for (uint32_t i = 0; i < 200; i++) {
		uint64_t off = ((uint64_t)(i + r->seed) * 2654435761u) % LARGE;

		expect_range(r->objects, &f->large, f->large_data, LARGE, off, 100000);
		expect_range(r->objects, &f->small, f->small_data, SMALL, off % SMALL,
			     5000);
		(void)!objects_readahead(r->objects, i % 2 ? &f->small : &f->large, off);
	}
	return NULL;
}

static void threads_read_through_a_cache_that_is_too_small(void **state)
{
	auto_objects struct objects *o = open_objects(*state, 4 << 20);
	struct reader readers[8];
	pthread_t threads[8];
	struct objects_stats stats;

	for (uint32_t i = 0; i < 8; i++) {
		readers[i] = (struct reader){*state, o, i % 4};
		assert_int_equal(
			pthread_create(&threads[i], NULL, read_all_over, &readers[i]), 0);
	}
	for (uint32_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	objects_stats(o, &stats);
	assert_in_range(stats.cached_bytes, 0, 4 << 20);
	assert_int_equal(stats.errors, 0);
}

struct waiter {
	struct frame_cache *cache;
	struct pack_place at;
	pthread_barrier_t *start;
};

static void *get_frame(void *arg)
{
	struct waiter *w = arg;
	struct frame *f = NULL;
	struct err err;

	pthread_barrier_wait(w->start);
	assert_int_equal(frame_cache_get(w->cache, &w->at, &f, &err), 0);
	assert_true(f->len >= SMALL);
	frame_cache_put(w->cache, f);
	return NULL;
}

static void one_thread_decodes_for_all_that_wait(void **state)
{
	struct fixture *f = *state;
	auto_frame_cache struct frame_cache *cache = NULL;
	struct frame_cache_stats stats;
	pthread_barrier_t start;
	struct waiter waiter = {.at = place_of(f, &f->small).frame, .start = &start};
	pthread_t threads[8];
	struct err err;

	assert_int_equal(frame_cache_new(store_packs(f->store), 1 << 20, &cache, &err),
			 0);
	waiter.cache = cache;
	pthread_barrier_init(&start, NULL, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_frame, &waiter),
				 0);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
	frame_cache_stats(cache, &stats);
	assert_int_equal(stats.misses, 1);
	assert_int_equal(stats.hits, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_store, remove_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_range_of_small_content_is_read),
		TEST(any_range_of_large_content_is_read),
		TEST(absent_content_is_not_found),
		TEST(reading_all_respects_the_bound_of_the_buffer),
		TEST(the_cache_keeps_its_bound_and_is_used),
		TEST(readahead_brings_the_frame_into_the_cache),
		TEST(a_damaged_frame_is_an_error_and_never_wrong_bytes),
		TEST(a_missing_pack_is_damage_not_absence),
		TEST(threads_read_through_a_cache_that_is_too_small),
		TEST(one_thread_decodes_for_all_that_wait),
	};

	return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}

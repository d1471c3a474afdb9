/* SPDX-License-Identifier: Apache-2.0
 * store/group: nothing is lost, nothing exceeds a frame, like goes with like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "store/group.h"

struct sink {
	pthread_mutex_t lock;
	struct groups *groups;
	unsigned handed, types[8];
	uint64_t bytes, entries;
	bool seen[100000]; /* by id */
};

static struct sink *new_sink(void)
{
	struct sink *sink = calloc(1, sizeof(*sink));

	assert_non_null(sink);
	pthread_mutex_init(&sink->lock, NULL);
	return sink;
}

static void take(void *owner, struct group *g)
{
	struct sink *sink = owner;

	pthread_mutex_lock(&sink->lock);
	assert_true(g->len <= GROUP_SIZE && g->count > 0 &&
		    g->count <= GROUP_ENTRIES_MAX);
	sink->handed++;
	sink->types[g->type]++;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct pack_entry *e = &g->table[i];
		uint32_t id = g->ids[i];

		assert_true(e->off <= g->len && e->len <= g->len - e->off);
		assert_false(sink->seen[id]);
		sink->seen[id] = true;
		sink->bytes += e->len;
		for (uint32_t k = 0; k < e->len; k++)
			if (g->data[e->off + k] != (uint8_t)id)
				fail_msg("entry %u has other bytes", id);
	}
	sink->entries += g->count;
	pthread_mutex_unlock(&sink->lock);
	groups_recycle(sink->groups, g);
}

static void put(struct groups *gs, unsigned bin, uint32_t id, size_t len)
{
	static _Thread_local uint8_t data[GROUP_SIZE];
	struct digest d = {{0}};
	struct err err;

	memset(data, (int)(uint8_t)id, len);
	put_le32(d.bytes, id);
	assert_int_equal(groups_put(gs, bin, &d, id, data, len, &err), 0);
}

static void everything_put_comes_out_once(void **state)
{
	struct sink *sink = new_sink();
	uint64_t bytes = 0;
	struct err err;

	(void)state;
	assert_int_equal(groups_new(take, sink, &sink->groups, &err), 0);
	for (uint32_t id = 0; id < 5000; id++) {
		size_t len = (id * 2654435761u) % (id % 50 ? 3000 : GROUP_SIZE + 1);

		put(sink->groups, id % GROUP_BINS, id, len);
		bytes += len;
	}
	groups_flush(sink->groups);
	assert_int_equal(sink->entries, 5000);
	assert_int_equal(sink->bytes, bytes);
	groups_free(sink->groups);
	free(sink);
}

static void tiny_objects_end_a_group_by_their_number(void **state)
{
	struct sink *sink = new_sink();
	struct err err;

	(void)state;
	assert_int_equal(groups_new(take, sink, &sink->groups, &err), 0);
	for (uint32_t id = 0; id < 2 * GROUP_ENTRIES_MAX + 1; id++)
		put(sink->groups, GROUP_SMALL, id, id % 2);
	assert_int_equal(sink->handed, 2);
	groups_flush(sink->groups);
	assert_int_equal(sink->handed, 3);
	groups_free(sink->groups);
	free(sink);
}

static void a_full_group_is_handed_over_at_once(void **state)
{
	struct sink *sink = new_sink();
	struct err err;

	(void)state;
	assert_int_equal(groups_new(take, sink, &sink->groups, &err), 0);
	put(sink->groups, GROUP_LARGE, 0, GROUP_SIZE);
	assert_int_equal(sink->handed, 1);
	put(sink->groups, GROUP_LARGE, 1, GROUP_SIZE - 1000);
	put(sink->groups, GROUP_LARGE, 2, 2000);
	assert_int_equal(sink->handed, 2);
	groups_flush(sink->groups);
	assert_int_equal(sink->handed, 3);
	groups_flush(sink->groups);
	assert_int_equal(sink->handed, 3);
	put(sink->groups, GROUP_SMALL, 3, GROUP_SMALL_SIZE); /* full earlier */
	assert_int_equal(sink->handed, 4);
	groups_free(sink->groups);
	free(sink);
}

static void chunk_lists_get_frames_of_their_own_kind(void **state)
{
	struct sink *sink = new_sink();
	struct err err;

	(void)state;
	assert_int_equal(groups_new(take, sink, &sink->groups, &err), 0);
	put(sink->groups, GROUP_LISTS, 0, 40);
	put(sink->groups, GROUP_SMALL, 1, 40);
	put(sink->groups, GROUP_LISTS, 2, 200 << 10);
	groups_flush(sink->groups);
	assert_int_equal(sink->types[PACK_CHUNKS], 2);
	assert_int_equal(sink->types[PACK_DATA], 1);
	groups_free(sink->groups);
	free(sink);
}

static void names_of_one_extension_share_a_bin(void **state)
{
	(void)state;
	assert_int_equal(groups_small_bin("a.py"), groups_small_bin("b.c.py"));
	assert_int_equal(groups_small_bin(NULL), groups_small_bin("README"));
	assert_int_equal(groups_small_bin(""), groups_small_bin(".profile"));
	assert_int_not_equal(groups_small_bin("a.js"), groups_small_bin("a.map"));
	assert_true(groups_small_bin("a.js") < GROUP_LARGE);
}

static void large_files_written_together_get_bins_of_their_own(void **state)
{
	struct sink *sink = new_sink();
	unsigned bins[GROUP_LISTS - GROUP_LARGE];
	struct err err;

	(void)state;
	assert_int_equal(groups_new(take, sink, &sink->groups, &err), 0);
	for (unsigned i = 0; i < ARRAY_LEN(bins); i++) {
		bins[i] = groups_large_take(sink->groups);
		assert_true(bins[i] >= GROUP_LARGE && bins[i] < GROUP_LISTS);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(bins[i], bins[k]);
	}
	groups_large_give(sink->groups, bins[2]);
	assert_int_equal(groups_large_take(sink->groups), bins[2]);
	groups_free(sink->groups);
	free(sink);
}

struct putter {
	struct sink *sink;
	uint32_t from, to;
};

static void *put_range(void *arg)
{
	struct putter *p = arg;

	for (uint32_t id = p->from; id < p->to; id++)
		put(p->sink->groups, id % GROUP_LARGE, id, id % 700);
	return NULL;
}

static void threads_may_put_at_the_same_time(void **state)
{
	struct sink *sink = new_sink();
	struct putter putters[4];
	pthread_t threads[4];
	struct err err;

	(void)state;
	assert_int_equal(groups_new(take, sink, &sink->groups, &err), 0);
	for (unsigned i = 0; i < 4; i++) {
		putters[i] = (struct putter){sink, i * 5000, (i + 1) * 5000};
		assert_int_equal(
			pthread_create(&threads[i], NULL, put_range, &putters[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	groups_flush(sink->groups);
	assert_int_equal(sink->entries, 20000);
	groups_free(sink->groups);
	free(sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_put_comes_out_once),
		cmocka_unit_test(tiny_objects_end_a_group_by_their_number),
		cmocka_unit_test(a_full_group_is_handed_over_at_once),
		cmocka_unit_test(chunk_lists_get_frames_of_their_own_kind),
		cmocka_unit_test(names_of_one_extension_share_a_bin),
		cmocka_unit_test(large_files_written_together_get_bins_of_their_own),
		cmocka_unit_test(threads_may_put_at_the_same_time),
	};

	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}

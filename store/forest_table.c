/* SPDX-License-Identifier: Apache-2.0
 * The mapped trees by number. Users are counted up with the lock held for reading and trees
 * are dropped with it held for writing, so one without users gets none while it is dropped. */
#include "store/forest_table.h"

/* Of trees without users: how many stay mapped, how many bytes of those in memory. */
#define IDLE_MAX        256u
#define IDLE_MEMORY_MAX (64ull << 20)

static void free_entries(struct forest_entry *list)
{
	while (list) {
		struct forest_entry *next = list->next;

		forest_image_release(&list->image);
		free(list);
		list = next;
	}
}

/* ---- life ---- */

void forest_table_init(struct forest_table *t)
{
	pthread_rwlockattr_t attr;

	*t = (struct forest_table){0};
	/* Readers come without end: a writer would wait for ever. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr,
				      PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&t->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

void forest_table_release(struct forest_table *t)
{
	for (size_t i = 0; i < FOREST_BUCKETS; i++)
		free_entries(t->buckets[i]);
	pthread_rwlock_destroy(&t->lock);
}

/* ---- taking, putting in, dropping ---- */

static struct forest_entry **bucket_of(struct forest_table *t, uint32_t number)
{
	return &t->buckets[number % FOREST_BUCKETS];
}

/* With the lock. */
static struct forest_entry *take(struct forest_table *t, uint32_t number)
{
	struct forest_entry *e = *bucket_of(t, number);

	while (e && e->tree.number != number)
		e = e->next;
	if (e) {
		atomic_fetch_add_explicit(&e->users, 1, memory_order_acquire);
		atomic_store_explicit(
			&e->used, atomic_load_explicit(&t->loads, memory_order_relaxed),
			memory_order_relaxed);
	}
	return e;
}

struct forest_entry *forest_table_take(struct forest_table *t, uint32_t number)
{
	struct forest_entry *e;

	pthread_rwlock_rdlock(&t->lock);
	e = take(t, number);
	pthread_rwlock_unlock(&t->lock);
	return e;
}

static bool is_idle(struct forest_entry *e)
{
	return atomic_load_explicit(&e->users, memory_order_acquire) == 0;
}

static uint64_t memory_of(const struct forest_entry *e)
{
	return e->image.mapped ? 0 : e->image.len;
}

struct idle {
	size_t count;
	uint64_t memory;
	struct forest_entry **oldest; /* where its pointer is */
};

/* With the lock held for writing. */
static struct idle look_for_idle(struct forest_table *t)
{
	struct idle idle = {0};

	for (size_t i = 0; i < FOREST_BUCKETS; i++)
		for (struct forest_entry **at = &t->buckets[i]; *at; at = &(*at)->next) {
			if (!is_idle(*at))
				continue;
			idle.count++;
			idle.memory += memory_of(*at);
			if (!idle.oldest || (*at)->used < (*idle.oldest)->used)
				idle.oldest = at;
		}
	return idle;
}

static struct forest_entry *unlink_entry(struct forest_entry **at)
{
	struct forest_entry *e = *at;

	*at = e->next;
	e->next = NULL;
	return e;
}

/* With the lock held for writing: what is idle beyond the limits, to be freed without it. */
static struct forest_entry *drop_idle(struct forest_table *t)
{
	struct forest_entry *dropped = NULL;

	for (;;) {
		struct idle idle = look_for_idle(t);
		struct forest_entry *e;

		if (idle.count <= IDLE_MAX && idle.memory <= IDLE_MEMORY_MAX)
			return dropped;
		e = unlink_entry(idle.oldest);
		e->next = dropped;
		dropped = e;
	}
}

/* Puts E into the table, with one user; or frees it, if its tree is there already. */
struct forest_entry *forest_table_insert(struct forest_table *t, struct forest_entry *e)
{
	struct forest_entry *dropped, *there;

	pthread_rwlock_wrlock(&t->lock);
	atomic_fetch_add_explicit(&t->loads, 1, memory_order_relaxed);
	there = take(t, e->tree.number);
	if (there) {
		e->next = NULL;
		dropped = e;
		e = there;
	} else {
		struct forest_entry **bucket = bucket_of(t, e->tree.number);

		dropped = drop_idle(t);
		e->next = *bucket;
		*bucket = e;
		e->users = 1;
		e->used = t->loads;
		e->touched = t->loads;
	}
	pthread_rwlock_unlock(&t->lock);
	free_entries(dropped);
	return e;
}

/* ---- for the bound of the directory ---- */

void forest_table_touch(struct forest_table *t, struct store *s)
{
	pthread_rwlock_rdlock(&t->lock);
	for (size_t i = 0; i < FOREST_BUCKETS; i++)
		for (struct forest_entry *e = t->buckets[i]; e; e = e->next) {
			uint64_t used = e->used;

			if (e->image.mapped && atomic_exchange(&e->touched, used) != used)
				forest_disk_touch(s, e->tree.number);
		}
	pthread_rwlock_unlock(&t->lock);
}

bool forest_table_let_go(struct forest_table *t, uint32_t number)
{
	struct forest_entry **at, *dropped = NULL;
	bool busy = false;

	pthread_rwlock_wrlock(&t->lock);
	at = bucket_of(t, number);
	while (*at && (*at)->tree.number != number)
		at = &(*at)->next;
	if (*at && (*at)->image.mapped) {
		busy = !is_idle(*at);
		if (!busy)
			dropped = unlink_entry(at);
	}
	pthread_rwlock_unlock(&t->lock);
	free_entries(dropped);
	return !busy;
}

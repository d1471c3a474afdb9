/* SPDX-License-Identifier: Apache-2.0
 * The table of mapped trees: taking one costs a read lock and a counter, putting it back a
 * counter. A tree stays mapped after its last user until too many are. Thread-safe.
 */
#ifndef STORE_FOREST_TABLE_H
#define STORE_FOREST_TABLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/forest_private.h"

#define FOREST_BUCKETS 1024u

struct forest_entry {
	struct forest_tree tree; /* first: what callers see */
	struct forest_image image;
	struct catalog_tree known; /* what the journal says, where it is told at all */
	_Atomic uint32_t users;
	_Atomic uint64_t used;    /* table.loads at the last use */
	_Atomic uint64_t touched; /* USED, when the file's time was set */
	struct forest_entry *next;
};

struct forest_table {
	pthread_rwlock_t lock;
	struct forest_entry *buckets[FOREST_BUCKETS];
	_Atomic uint64_t loads; /* entries ever inserted: the clock of `used` */
};

void forest_table_init(struct forest_table *t);
/* Frees all entries, in use or not. */
void forest_table_release(struct forest_table *t);

/* With one more user; NULL if there is none. */
struct forest_entry *forest_table_take(struct forest_table *t, uint32_t number);

/* Takes E, from calloc, into the table and gives it one user. If its number is there
 * already, E is freed and that one is given instead. */
struct forest_entry *forest_table_insert(struct forest_table *t, struct forest_entry *e);

static inline void forest_table_put(struct forest_entry *e)
{
	atomic_fetch_sub_explicit(&e->users, 1, memory_order_release);
}

/* Brings the access times of the files of entries that were used up to date. */
void forest_table_touch(struct forest_table *t, struct store *s);

/* Drops a number's mapping; false if it is in use. */
bool forest_table_let_go(struct forest_table *t, uint32_t number);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * One window over the tree that was read last.
 */
#include "fs/ahead.h"

#include <pthread.h>
#include <stdlib.h>

/* How far a window reaches: in places where an inode may begin (a file takes about 7 of
 * them), and in bytes of content. Small against the cache of decoded frames, since files
 * next to each other may come from many frames. */
#define WINDOW_NIDS  2048u
#define WINDOW_BYTES (8u << 20)
/* Places looked at in one call, so that no reader pays for a whole window. */
#define TRIES_MAX 64u
/* Files in order before anything is done: a lone read is no walk. */
#define STREAK_MIN 3u

struct ahead {
	struct objects *objects;
	pthread_mutex_t lock;
	uint32_t tree;
	unsigned streak;
	uint64_t from, to; /* nids: read last; all before it is decoded */
	uint64_t bytes;    /* of content between the two, about */
};

int ahead_new(struct objects *o, struct ahead **ret, struct err *err)
{
	struct ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return err_nomem(err);
	a->objects = o;
	pthread_mutex_init(&a->lock, NULL);
	*ret = a;
	return 0;
}

void ahead_free(struct ahead *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* Moves the window up to NID, or there if that is somewhere else. */
static void move(struct ahead *a, uint32_t tree, uint64_t nid, uint64_t size)
{
	bool near = tree == a->tree && nid > a->from && nid - a->from < WINDOW_NIDS;

	a->streak = near ? a->streak + 1 : 0;
	a->tree = tree;
	a->from = nid;
	a->bytes = a->bytes > size ? a->bytes - size : 0;
	if (!near || a->to < nid) {
		a->to = nid;
		a->bytes = 0;
	}
}

static void look(struct ahead *a, const struct tree *t)
{
	unsigned tries = TRIES_MAX;
	uint64_t at = a->to;
	struct tree_node node;

	while (a->bytes < WINDOW_BYTES && at - a->from < WINDOW_NIDS &&
	       tree_next_file(t, &at, &tries, &node)) {
		if (!objects_is_decoded(a->objects, &node.digest)) {
			objects_readahead(a->objects, &node.digest);
			return; /* to be looked at once more */
		}
		a->to = at;
		a->bytes += node.size;
	}
	if (at > a->to && tries == 0)
		a->to = at;
}

void ahead_note(struct ahead *a, const struct forest_tree *t, uint64_t nid, uint64_t size)
{
	if (!objects_readahead_idle(a->objects) || pthread_mutex_trylock(&a->lock) != 0)
		return;
	move(a, t->number, nid, size);
	if (a->streak >= STREAK_MIN)
		look(a, &t->tree);
	pthread_mutex_unlock(&a->lock);
}

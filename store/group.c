/* SPDX-License-Identifier: Apache-2.0
 * Bins of open groups and a stack of free ones. */
#include "store/group.h"

#include <assert.h>
#include <pthread.h>

struct bin {
	pthread_mutex_t lock;
	struct group *open;
	uint32_t limit;
	enum pack_frame_type type;
	unsigned users; /* of GROUP_LARGE bins; under groups.lock */
};

struct groups {
	group_full_fn *full;
	void *owner;
	pthread_mutex_t lock;
	struct group *free;
	struct bin bins[GROUP_BINS];
};

static uint32_t bin_limit(unsigned bin)
{
	if (bin == GROUP_LISTS)
		return GROUP_LISTS_SIZE;
	return bin < GROUP_LARGE ? GROUP_SMALL_SIZE : GROUP_SIZE;
}

int groups_new(group_full_fn *full, void *owner, struct groups **ret, struct err *err)
{
	struct groups *gs = calloc(1, sizeof(*gs));

	if (!gs)
		return err_nomem(err);
	gs->full = full;
	gs->owner = owner;
	pthread_mutex_init(&gs->lock, NULL);
	for (unsigned i = 0; i < GROUP_BINS; i++) {
		struct bin *b = &gs->bins[i];

		pthread_mutex_init(&b->lock, NULL);
		b->type = i == GROUP_LISTS ? PACK_CHUNKS : PACK_DATA;
		b->limit = bin_limit(i);
	}
	*ret = gs;
	return 0;
}

void groups_free(struct groups *gs)
{
	if (!gs)
		return;
	for (unsigned i = 0; i < GROUP_BINS; i++) {
		free(gs->bins[i].open);
		pthread_mutex_destroy(&gs->bins[i].lock);
	}
	while (gs->free) {
		struct group *g = gs->free;

		gs->free = g->next_free;
		free(g);
	}
	pthread_mutex_destroy(&gs->lock);
	free(gs);
}

unsigned groups_small_bin(const char *name)
{
	const char *dot = name && *name ? strrchr(name + 1, '.') : NULL;
	uint32_t h = 2166136261u; /* FNV-1a */

	for (const char *p = dot; p && *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return GROUP_SMALL + (h >> 16) % (GROUP_LARGE - GROUP_SMALL);
}

unsigned groups_large_take(struct groups *gs)
{
	unsigned best = GROUP_LARGE;

	pthread_mutex_lock(&gs->lock);
	for (unsigned i = GROUP_LARGE; i < GROUP_LISTS; i++)
		if (gs->bins[i].users < gs->bins[best].users)
			best = i;
	gs->bins[best].users++;
	pthread_mutex_unlock(&gs->lock);
	return best;
}

void groups_large_give(struct groups *gs, unsigned bin)
{
	pthread_mutex_lock(&gs->lock);
	gs->bins[bin].users--;
	pthread_mutex_unlock(&gs->lock);
}

static struct group *take_free(struct groups *gs)
{
	struct group *g;

	pthread_mutex_lock(&gs->lock);
	g = gs->free;
	if (g)
		gs->free = g->next_free;
	pthread_mutex_unlock(&gs->lock);
	return g ? g : malloc(sizeof(*g));
}

void groups_recycle(struct groups *gs, struct group *g)
{
	pthread_mutex_lock(&gs->lock);
	g->next_free = gs->free;
	gs->free = g;
	pthread_mutex_unlock(&gs->lock);
}

static void hand_over(struct groups *gs, struct bin *b)
{
	struct group *g = b->open;

	b->open = NULL;
	gs->full(gs->owner, g);
}

/* Makes sure that the open group has room. Called with the bin's lock. */
static int make_room(struct groups *gs, struct bin *b, size_t len, struct err *err)
{
	struct group *g = b->open;

	if (g && (g->count == GROUP_ENTRIES_MAX || (g->len && g->len + len > b->limit)))
		hand_over(gs, b);
	if (b->open)
		return 0;
	g = take_free(gs);
	if (!g)
		return err_nomem(err);
	g->owner = gs->owner;
	g->type = b->type;
	g->len = g->count = 0;
	b->open = g;
	return 0;
}

int groups_put(struct groups *gs, unsigned bin, const struct digest *d, uint32_t id,
	       const void *data, size_t len, struct err *err)
{
	struct bin *b = &gs->bins[bin];
	int r;

	assert(bin < GROUP_BINS && len <= GROUP_SIZE);
	pthread_mutex_lock(&b->lock);
	r = make_room(gs, b, len, err);
	if (r == 0) {
		struct group *g = b->open;

		g->table[g->count] = (struct pack_entry){*d, g->len, (uint32_t)len};
		g->ids[g->count++] = id;
		if (len)
			memcpy(g->data + g->len, data, len);
		g->len += (uint32_t)len;
		if (g->len >= b->limit)
			hand_over(gs, b);
	}
	pthread_mutex_unlock(&b->lock);
	return r;
}

void groups_flush(struct groups *gs)
{
	for (unsigned i = 0; i < GROUP_BINS; i++) {
		struct bin *b = &gs->bins[i];

		pthread_mutex_lock(&b->lock);
		if (b->open)
			hand_over(gs, b);
		pthread_mutex_unlock(&b->lock);
	}
}

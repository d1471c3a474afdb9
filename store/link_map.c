/* SPDX-License-Identifier: Apache-2.0
 * Open addressing by device and inode number; paths behind each other in one buffer. */
#include "store/link_map.h"

#include <string.h>

#define PATHS_MAX (1u << 30)

struct link_slot {
	uint64_t dev, ino, note;
	size_t path; /* offset in paths, plus one; 0: free */
};

void link_map_init(struct link_map *m)
{
	*m = (struct link_map){0};
	buf_init(&m->paths, PATHS_MAX);
}

void link_map_release(struct link_map *m)
{
	free(m->slots);
	buf_release(&m->paths);
	m->slots = NULL;
	m->size = m->count = 0;
}

static struct link_slot *slot_of(struct link_slot *slots, size_t size, uint64_t dev,
				 uint64_t ino)
{
	size_t i = (size_t)((ino ^ dev << 32) * 0x9e3779b97f4a7c15u >> 20) & (size - 1);

	while (slots[i].path && (slots[i].dev != dev || slots[i].ino != ino))
		i = (i + 1) & (size - 1);
	return &slots[i];
}

static int grow(struct link_map *m, struct err *err)
{
	size_t size = m->size ? 2 * m->size : 256;
	struct link_slot *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return err_nomem(err);
	for (size_t i = 0; i < m->size; i++)
		if (m->slots[i].path)
			*slot_of(slots, size, m->slots[i].dev, m->slots[i].ino) =
				m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->size = size;
	return 0;
}

const char *link_map_find(const struct link_map *m, uint64_t dev, uint64_t ino,
			  uint64_t *ret_note)
{
	const struct link_slot *slot;

	if (m->count == 0)
		return NULL;
	slot = slot_of(m->slots, m->size, dev, ino);
	if (!slot->path)
		return NULL;
	*ret_note = slot->note;
	return (const char *)m->paths.data + slot->path - 1;
}

void link_map_note(struct link_map *m, uint64_t dev, uint64_t ino, uint64_t note)
{
	struct link_slot *slot = m->count ? slot_of(m->slots, m->size, dev, ino) : NULL;

	if (slot && slot->path)
		slot->note = note;
}

int link_map_add(struct link_map *m, uint64_t dev, uint64_t ino, const char *path,
		 const char **ret, struct err *err)
{
	struct link_slot *slot;
	int r = 4 * (m->count + 1) > 3 * m->size ? grow(m, err) : 0;

	if (r < 0)
		return r;
	slot = slot_of(m->slots, m->size, dev, ino);
	if (slot->path) {
		*ret = (const char *)m->paths.data + slot->path - 1;
		return 0;
	}
	*slot = (struct link_slot){dev, ino, 0, m->paths.len + 1};
	m->count++;
	*ret = NULL;
	return buf_append(&m->paths, path, strlen(path) + 1, err);
}

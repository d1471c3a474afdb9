/* SPDX-License-Identifier: Apache-2.0
 * Open addressing with linear probing over entry numbers. */
#include "store/digest_map.h"

#include <sys/random.h>

#include "store/base/endian.h"

#define COUNT_MAX      (UINT32_MAX / 2)
#define SLOT_BITS_MIN  10
#define FIRST_CAPACITY 512

void digest_map_init(struct digest_map *m, size_t entry_size)
{
	*m = (struct digest_map){.entry_size = entry_size};
	/* Without a seed, content made to collide would turn every lookup into a walk.
	 * Should there be no randomness, only that protection is lost. */
	if (getrandom(&m->seed, sizeof(m->seed), GRND_NONBLOCK) != sizeof(m->seed))
		m->seed = (uint64_t)(uintptr_t)m;
}

void digest_map_release(struct digest_map *m)
{
	free(m->entries);
	free(m->slots);
	m->entries = NULL;
	m->slots = NULL;
	m->count = m->capacity = 0;
	m->slot_bits = 0;
}

static uint32_t slot_of(const struct digest_map *m, const struct digest *d)
{
	uint64_t a = get_le64(d->bytes) ^ m->seed;
	uint64_t b = get_le64(d->bytes + 8) + m->seed;
	unsigned __int128 product = (unsigned __int128)a * (b | 1);
	uint64_t h =
		((uint64_t)product ^ (uint64_t)(product >> 64)) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(h >> (64 - m->slot_bits));
}

/* The slot that holds the digest, or the free one where it belongs. */
static uint32_t probe(const struct digest_map *m, const struct digest *d)
{
	uint32_t mask = (uint32_t)((1ull << m->slot_bits) - 1);
	uint32_t slot = slot_of(m, d);

	while (m->slots[slot]) {
		const struct digest *there = digest_map_entry(m, m->slots[slot] - 1);

		if (digest_equal(there, d))
			break;
		slot = (slot + 1) & mask;
	}
	return slot;
}

int64_t digest_map_find(const struct digest_map *m, const struct digest *d)
{
	if (!m->count)
		return -1;
	return (int64_t)m->slots[probe(m, d)] - 1;
}

static int grow_entries(struct digest_map *m, struct err *err)
{
	uint32_t capacity = m->capacity ? m->capacity * 2 : FIRST_CAPACITY;
	uint8_t *entries;

	if (m->count >= COUNT_MAX)
		return err_set(err, ERR_LIMIT, "too many objects");
	entries = reallocarray(m->entries, capacity, m->entry_size);
	if (!entries)
		return err_nomem(err);
	m->entries = entries;
	m->capacity = capacity;
	return 0;
}

static int grow_slots(struct digest_map *m, struct err *err)
{
	unsigned bits = m->slot_bits ? m->slot_bits + 1 : SLOT_BITS_MIN;
	uint32_t *slots = calloc(1ull << bits, sizeof(*slots));

	if (!slots)
		return err_nomem(err);
	free(m->slots);
	m->slots = slots;
	m->slot_bits = bits;
	for (uint32_t i = 0; i < m->count; i++)
		slots[probe(m, digest_map_entry(m, i))] = i + 1;
	return 0;
}

int digest_map_add(struct digest_map *m, const struct digest *d, uint32_t *ret,
		   struct err *err)
{
	uint8_t *entry;
	int r = 0;

	if (m->count == m->capacity)
		r = grow_entries(m, err);
	/* At most three slots of four in use. */
	if (r == 0 && (!m->slot_bits || m->count >= (3ull << m->slot_bits) / 4))
		r = grow_slots(m, err);
	if (r < 0)
		return r;
	entry = digest_map_entry(m, m->count);
	memset(entry, 0, m->entry_size);
	memcpy(entry, d, sizeof(*d));
	m->slots[probe(m, d)] = m->count + 1;
	*ret = m->count++;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Open addressing with linear probing. */
#include "store/nid_map.h"

#define BITS_MIN 8
#define BITS_MAX 27

struct nid_slot {
	uint64_t key; /* nid + 1; 0: free */
	uint32_t value;
};

void nid_map_release(struct nid_map *m)
{
	free(m->slots);
	*m = (struct nid_map){0};
}

static struct nid_slot *slot_of(struct nid_slot *slots, uint32_t bits, uint64_t key)
{
	uint32_t i = (uint32_t)(key * 0x9e3779b97f4a7c15ull >> (64 - bits));

	while (slots[i].key && slots[i].key != key)
		i = (i + 1) & ((1u << bits) - 1);
	return &slots[i];
}

static int grow(struct nid_map *m, struct err *err)
{
	uint32_t bits = m->bits ? m->bits + 1 : BITS_MIN;
	struct nid_slot *slots;

	if (bits > BITS_MAX)
		return err_set(err, ERR_LIMIT, "too many hardlinks");
	slots = calloc((size_t)1 << bits, sizeof(*slots));
	if (!slots)
		return err_nomem(err);
	for (size_t i = 0; m->slots && i < (size_t)1 << m->bits; i++)
		if (m->slots[i].key)
			*slot_of(slots, bits, m->slots[i].key) = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->bits = bits;
	return 0;
}

int nid_map_set(struct nid_map *m, uint64_t nid, uint32_t value, struct err *err)
{
	struct nid_slot *slot;
	int r = 0;

	if (!m->bits || m->count >= (3u << m->bits) / 4)
		r = grow(m, err);
	if (r < 0)
		return r;
	slot = slot_of(m->slots, m->bits, nid + 1);
	m->count += slot->key == 0;
	*slot = (struct nid_slot){nid + 1, value};
	return 0;
}

uint32_t nid_map_get(const struct nid_map *m, uint64_t nid)
{
	const struct nid_slot *slot;

	if (!m->bits)
		return UINT32_MAX;
	slot = slot_of(m->slots, m->bits, nid + 1);
	return slot->key ? slot->value : UINT32_MAX;
}

/* SPDX-License-Identifier: Apache-2.0
 * Open addressing over the first 64 bits of each digest. */
#include "store/digest_set.h"

#include "store/base/endian.h"

void digest_set_release(struct digest_set *s)
{
	free(s->slots);
	*s = (struct digest_set){0};
}

/* The slot that has KEY, or the free one where it belongs. */
static uint64_t *slot_of(uint64_t *slots, size_t size, uint64_t key)
{
	size_t i = (size_t)key & (size - 1);

	while (slots[i] && slots[i] != key)
		i = (i + 1) & (size - 1);
	return &slots[i];
}

static int grow(struct digest_set *s, struct err *err)
{
	size_t size = s->size ? 2 * s->size : 1024;
	uint64_t *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return err_nomem(err);
	for (size_t i = 0; i < s->size; i++)
		if (s->slots[i])
			*slot_of(slots, size, s->slots[i]) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->size = size;
	return 0;
}

int digest_set_add(struct digest_set *s, const struct digest *d, bool *ret_new,
		   struct err *err)
{
	uint64_t key = get_le64(d->bytes), *slot;

	if (key == 0)
		key = 1;
	if (4 * (s->count + 1) > 3 * s->size && grow(s, err) < 0)
		return -ERR_NOMEM;
	slot = slot_of(s->slots, s->size, key);
	*ret_new = *slot == 0;
	if (*ret_new) {
		*slot = key;
		s->count++;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Large content: cut into chunks, each stored unless known, holes left out, the list kept. */
#include "store/session_private.h"

#include <inttypes.h>

#include "store/chunk_list.h"

/* Up to here content decides where to cut (about 8 GiB of it). Behind that every chunk is
 * as long as can be, so that a list reaches at least 80 GiB. */
#define FINE_ENTRIES_MAX (128u << 10)

void session_chunks_begin(struct session_chunks *c, struct session *s)
{
	*c = (struct session_chunks){.session = s, .bin = groups_large_take(s->groups)};
	buf_init(&c->list, CHUNK_LIST_ENTRIES_MAX * CHUNK_LIST_ENTRY_SIZE);
}

void session_chunks_end(struct session_chunks *c)
{
	groups_large_give(c->session->groups, c->bin);
	buf_release(&c->list);
}

static int add_to_list(struct session_chunks *c, const struct digest *d, uint64_t len,
		       struct err *err)
{
	int r;

	if (len > UINT64_MAX - c->size)
		return err_set(err, ERR_LIMIT, "content of more than 2^64 bytes");
	r = chunk_list_append(&c->list, d, c->size + len, err);
	if (r == -ERR_LIMIT)
		return err_set(err, ERR_LIMIT,
			       "content is too large to store (more than %" PRIu64
			       " bytes)",
			       c->size);
	if (r == 0)
		c->size += len;
	return r;
}

int session_chunks_hole(struct session_chunks *c, uint64_t len, struct err *err)
{
	static const struct digest hole;

	return len ? add_to_list(c, &hole, len, err) : 0;
}

static bool all_zero(const uint8_t *data, size_t len)
{
	return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

static int add_chunk(struct session_chunks *c, const uint8_t *data, size_t len,
		     struct err *err)
{
	struct digest d;
	uint64_t fresh;
	int r;

	if (all_zero(data, len))
		return session_chunks_hole(c, len, err);
	digest_of(data, len, &d);
	r = session_put_piece(c->session, c->bin, &d, data, len, &fresh, err);
	if (r == 0)
		r = add_to_list(c, &d, len, err);
	if (r == 0)
		c->fresh += fresh;
	return r;
}

int session_chunks_feed(struct session_chunks *c, const uint8_t *data, size_t len,
			bool last, size_t *ret_used, struct err *err)
{
	size_t used = 0;
	int r = 0;

	while (r == 0 && len - used >= (last ? 1 : CHUNK_MAX)) {
		size_t left = len - used;
		size_t cut = left < CHUNK_MAX ? left : CHUNK_MAX;

		if (c->list.len < FINE_ENTRIES_MAX * CHUNK_LIST_ENTRY_SIZE)
			cut = chunk_cut(data + used, left);
		r = add_chunk(c, data + used, cut, err);
		used += cut;
	}
	*ret_used = used;
	return r;
}

int session_chunks_finish(struct session_chunks *c, const struct digest *d, uint32_t id,
			  struct err *err)
{
	struct session *s = c->session;
	struct pack_entry entry = {.digest = *d, .len = (uint32_t)c->list.len};
	struct pack_place place;
	int r;

	if (c->list.len <= GROUP_SIZE)
		return groups_put(s->groups, GROUP_LISTS, d, id, c->list.data,
				  c->list.len, err);
	r = session_pack_append(s, PACK_CHUNKS, &entry, 1, c->list.data, c->list.len,
				&place, err);
	if (r == 0)
		pending_place(s->pending, &id, &entry, 1, &place);
	return r;
}

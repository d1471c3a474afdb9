/* SPDX-License-Identifier: Apache-2.0
 * A map from inodes of a tree image (nid) to those of a model, for the few that are named
 * more than once. Not thread-safe.
 */
#ifndef STORE_NID_MAP_H
#define STORE_NID_MAP_H

#include <stdint.h>

#include "store/base/err.h"

struct nid_map {
	struct nid_slot *slots;
	uint32_t count, bits;
};

/* Zeroed is empty. */
void nid_map_release(struct nid_map *m);

/* Adds or replaces. ERR_LIMIT, ERR_NOMEM. */
int nid_map_set(struct nid_map *m, uint64_t nid, uint32_t value,
		struct err *err) MUST_CHECK;
/* UINT32_MAX: not there. */
uint32_t nid_map_get(const struct nid_map *m, uint64_t nid);

#endif

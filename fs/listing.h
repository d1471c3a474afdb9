/* SPDX-License-Identifier: Apache-2.0
 * The answer to a readdir or readdirplus request while it is being filled. One thread.
 */
#ifndef FS_LISTING_H
#define FS_LISTING_H

#include "fs/node.h"

struct listing {
	fuse_req_t req;
	bool plus; /* readdirplus: entries may come with their attributes */
	char *data;
	size_t size, used;
	unsigned held; /* nodes that the kernel will hold once it has the reply */
};

/* Positions of "." and ".." in directories that the daemon makes up; further ones begin
 * here. */
#define LISTING_FIRST 3

/* Adds an entry without attributes: whoever wants them looks the name up. NEXT is the
 * position behind it. False: it does not fit, the listing is full. */
bool listing_add(struct listing *l, const char *name, uint64_t id, mode_t type,
		 uint64_t next);

/* Adds an entry with attributes (plus only). When true, the kernel holds the node. */
bool listing_add_full(struct listing *l, const char *name,
		      const struct fuse_entry_param *entry, uint64_t next);

/* Adds "." and ".." if OFFSET is before them. False if full. */
bool listing_add_dots(struct listing *l, uint64_t id, uint64_t parent, uint64_t offset);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * The records of a PAX header (x or g) that change an entry's framing, names, owner or time.
 * Extended attributes and ACLs are left to libarchive; of them only the syntax is checked.
 */
#ifndef STORE_TAR_PAX_H
#define STORE_TAR_PAX_H

#include "store/tar_sparse.h"

struct tar_text {
	const char *p; /* NULL: not given */
	size_t len;
};

/* Texts point into the parsed bytes. */
struct tar_pax {
	struct tar_text path, link;
	bool has_size, has_star_size, has_mtime, has_uid, has_gid;
	uint64_t size;
	uint64_t star_size; /* SCHILY.realsize */
	uint64_t uid, gid;
	int64_t mtime;
	uint32_t mtime_nsec;

	/* GNU.sparse.*; the extents of 0.0 and 0.1 went into the map. */
	struct tar_text sparse_name;
	bool sparse, has_sparse_size, has_blocks, has_map, has_major, has_minor;
	uint64_t sparse_size, blocks, major, minor;
	uint64_t offset; /* of 0.0, waiting for its length */
	bool has_offset;
};

/* Reads the LEN bytes of an x header into PAX, which holds the global defaults, and MAP. No
 * record may be longer than RECORD_MAX. ERR_INVALID, ERR_LIMIT. */
int tar_pax_parse(const void *bytes, size_t len, size_t record_max, struct tar_pax *pax,
		  struct tar_sparse *map, struct err *err) MUST_CHECK;

/* Reads a g header: owners and times for all that follows. What else readers take
 * differently (names, sizes) is ERR_INVALID. */
int tar_pax_parse_global(const void *bytes, size_t len, size_t record_max,
			 struct tar_pax *pax, struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * What the header blocks of one entry say together: the extensions before its header (PAX x,
 * GNU long name and long link), the header, the global defaults. The rules of precedence,
 * and which contradictions are refused, are here.
 */
#ifndef STORE_TAR_MEMBER_H
#define STORE_TAR_MEMBER_H

#include "store/tar_pax.h"
#include "store/tar_raw.h"

/* Bytes of an extension's body; libarchive reads no longer ones. */
#define TAR_MEMBER_BODY_MAX (1 << 20)

struct tar_member {
	struct tar_pax global; /* stays; all else is of one entry */
	struct tar_pax pax;
	struct tar_sparse sparse;
	struct buf records;              /* body of an x header; empty: none */
	struct buf defaults;             /* body of a g header */
	struct buf long_name, long_link; /* bodies of L and K */
	unsigned extensions;             /* extension headers so far */
	struct tar_raw_entry entry;
	bool map_follows;   /* a PAX 1.0 sparse map stands before the payload */
	bool blocks_follow; /* extension blocks of an old GNU sparse map come next */
	char name[257], link[101];
};

void tar_member_init(struct tar_member *m);
void tar_member_release(struct tar_member *m);

/* Makes it ready for the next entry. */
void tar_member_clear(struct tar_member *m);

/* Is there an extension that must be followed by a header? */
bool tar_member_is_open(const struct tar_member *m);

/* An extension header (type x, g, L or K) begins: where its body is to be collected.
 * ERR_INVALID: it cannot stand here. */
int tar_member_extend(struct tar_member *m, char type, struct buf **ret,
		      struct err *err) MUST_CHECK;

/* Its body is complete. RECORD_MAX: bytes of one PAX record. */
int tar_member_extended(struct tar_member *m, char type, size_t record_max,
			struct err *err) MUST_CHECK;

/* The header. Fills in `entry` but for its place in the tar, the size of a map and the
 * extents. payload_size is what the size fields say; whether a hardlink really has content
 * is up to the caller. */
int tar_member_header(struct tar_member *m, const struct tar_block *b,
		      struct err *err) MUST_CHECK;

/* An extension block of an old GNU sparse map; updates blocks_follow. */
int tar_member_block(struct tar_member *m, const void *block, struct err *err) MUST_CHECK;

/* The map is complete: checks it against the sizes and sets the extents. */
int tar_member_mapped(struct tar_member *m, struct err *err) MUST_CHECK;

#endif

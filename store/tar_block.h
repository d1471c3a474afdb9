/* SPDX-License-Identifier: Apache-2.0
 * One 512-byte header block of a tar as it lies in the archive, and what it says of itself:
 * is it all zero, is its checksum right, which dialect is it.
 */
#ifndef STORE_TAR_BLOCK_H
#define STORE_TAR_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/tar_write.h"

struct tar_extent_field {
	char off[12];
	char len[12];
};

/* The common part, then what the dialects differ in. Numbers: see tar_number.h. */
struct tar_block {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[8]; /* with the version */
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	union {
		char prefix[155]; /* ustar: what stands before `name` and a slash */
		struct {
			char times[24];
			char offset[12];
			char unused[5];
			struct tar_extent_field extents[4];
			char extended; /* not 0: a struct tar_extension follows */
			char realsize[12];
		} gnu;
		char rest[167];
	};
};
_Static_assert(sizeof(struct tar_block) == TAR_BLOCK_SIZE, "one block");

/* More extents of an old GNU sparse file. */
struct tar_extension {
	struct tar_extent_field extents[21];
	char extended;
	char unused[7];
};
_Static_assert(sizeof(struct tar_extension) == TAR_BLOCK_SIZE, "one block");

enum tar_dialect {
	TAR_V7,
	TAR_USTAR,
	TAR_GNU,
};

/* Is the whole block zero? */
bool tar_block_is_zero(const void *block);

/* Is the checksum right? Old tars summed signed bytes, which counts as well. */
bool tar_block_is_header(const struct tar_block *b);

/* Tells the dialect. False: a magic that readers take differently, where it matters. */
bool tar_block_dialect(const struct tar_block *b, enum tar_dialect *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Which frames were made by repack, and at which level: a file of the store that may be lost or
 * out of date. Then work is done once more, nothing else. FORMAT.md, section 3.
 */
#ifndef STORE_REPACK_DONE_H
#define STORE_REPACK_DONE_H

#include <stdbool.h>

#include "store/base/buf.h"
#include "store/base/err.h"

#define REPACK_DONE_FILE "repacked"

struct repack_done {
	struct buf ranges; /* struct repack_range, by pack and offset */
};

struct repack_range {
	uint32_t pack;
	int level;
	uint64_t from, to;
};

void repack_done_init(struct repack_done *d);
void repack_done_release(struct repack_done *d);

/* The text of the file; anything that is wrong in it ends it. */
int repack_done_parse(struct repack_done *d, const char *text, size_t len,
		      struct err *err) MUST_CHECK;
/* Both take the directory of the store. A missing file has nothing. */
int repack_done_read(struct repack_done *d, int dirfd, struct err *err) MUST_CHECK;
int repack_done_write(const struct repack_done *d, int dirfd, struct err *err) MUST_CHECK;

/* RANGE is behind all that is known of its pack. */
int repack_done_add(struct repack_done *d, const struct repack_range *range,
		    struct err *err) MUST_CHECK;
/* Forgets ranges that IS_THERE says no to. */
typedef bool repack_range_fn(void *arg, const struct repack_range *range);
void repack_done_prune(struct repack_done *d, repack_range_fn *is_there, void *arg);

/* At which level the frame at OFF was made; 0: not by repack. */
int repack_done_level(const struct repack_done *d, uint32_t pack, uint64_t off);

#endif

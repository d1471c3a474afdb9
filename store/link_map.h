/* SPDX-License-Identifier: Apache-2.0
 * Which path an inode with several names was first seen under. Not thread-safe.
 */
#ifndef STORE_LINK_MAP_H
#define STORE_LINK_MAP_H

#include "store/base/buf.h"

struct link_map {
	struct link_slot *slots;
	size_t size, count;
	struct buf paths;
};

void link_map_init(struct link_map *m);
void link_map_release(struct link_map *m);

/* The path that (DEV, INO) was added with, valid until the next call, and the note that it
 * was given; NULL: it is new. */
const char *link_map_find(const struct link_map *m, uint64_t dev, uint64_t ino,
			  uint64_t *ret_note);
/* Sets the note of one that was added (0 until then). */
void link_map_note(struct link_map *m, uint64_t dev, uint64_t ino, uint64_t note);

/* *ret is the path that (DEV, INO) was added with, valid until the next call; NULL: it was
 * new and is known as PATH from now on. */
int link_map_add(struct link_map *m, uint64_t dev, uint64_t ino, const char *path,
		 const char **ret, struct err *err) MUST_CHECK;

#endif

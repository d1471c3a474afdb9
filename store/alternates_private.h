/* SPDX-License-Identifier: Apache-2.0
 * What the parts of alternates share: alternates.c (finding them, keeping up with them),
 * alternates_ask.c (asking). Included by these only.
 */
#ifndef STORE_ALTERNATES_PRIVATE_H
#define STORE_ALTERNATES_PRIVATE_H

#include <pthread.h>

#include "store/alternates.h"
#include "store/share_format.h"

/* An alternate directory. */
struct directory {
	char *path;
	bool absent;
};

/* One publisher in a directory. Its number is that of its packs, so it keeps its slot. */
struct publisher {
	size_t directory;
	char id[SHARE_PUBLISHER_DIGITS + 1];
	int dirfd, packs_dirfd;
	struct share *share; /* NULL: not there now */
};

struct alternates {
	int dirfd; /* of the store, borrowed */
	struct packs *packs;
	pthread_rwlock_t lock; /* all below */
	struct directory *directories;
	size_t directory_count;
	struct publisher publishers[PACK_ALTERNATES_MAX];
	size_t publisher_count;
	_Atomic int64_t looked; /* when; read without the lock */
};

/* Looks again if that was not done lately: whether it did. */
bool alternates_refresh_if_old(struct alternates *a);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Publishing: the store's committed packs and a sealed index of them, in a directory that any
 * number of hosts may read as an alternate (alternates.h, share_format.h), also over a network
 * filesystem.
 *
 * Incremental: a pack that has grown gets its new bytes, one that is there is left alone.
 * Several stores may publish into one directory at the same time; of one store one process at
 * a time does (a lock in the store; nothing in the directory is ever locked). Readers see the
 * state before or the state after. What no state needs any more is deleted after a grace time,
 * for readers that are still at it. A publishing that is killed is taken up by the next.
 */
#ifndef STORE_PUBLISH_H
#define STORE_PUBLISH_H

#include "store/share_format.h"
#include "store/store.h"

struct publish_options {
	uint64_t grace; /* seconds */
	/* Told of bytes that are to be copied (first call, DONE 0) and were. May be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

struct publish_result {
	char publisher[SHARE_PUBLISHER_DIGITS + 1];
	char index[64];
	uint64_t objects, packs;
	uint64_t bytes;   /* of all packs */
	uint64_t copied;  /* of these, now */
	uint64_t removed; /* files */
};

/* S is open for writing. DIR is made if it is missing (0700; what is in it gets its
 * permissions). ERR_INVALID: the store has alternates of its own, whose content would be
 * missing. */
int publish(struct store *s, const char *dir, const struct publish_options *o,
	    struct publish_result *ret, struct err *err) MUST_CHECK;

#endif

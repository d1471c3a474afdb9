/* SPDX-License-Identifier: Apache-2.0
 * What the parts of a published store's reader share: share_index.c (blocks and records),
 * share.c (current, state). Included by these only.
 */
#ifndef STORE_SHARE_PRIVATE_H
#define STORE_SHARE_PRIVATE_H

#include <pthread.h>

#include "store/digest_map.h"
#include "store/share.h"
#include "store/share_format.h"

/* Blocks kept in memory, each in the slot that its number says. */
#define SHARE_CACHED 256u

struct share_block {
	uint64_t number; /* + 1; 0: free */
	uint8_t *data;
};

struct share {
	char name[64];
	int fd;
	uint64_t records, state_len, blocks;
	uint8_t *sums;        /* u64 per block */
	pthread_mutex_t lock; /* cache */
	struct share_block cache[SHARE_CACHED];

	struct digest_map layers, blobs, encodings; /* of their records */
	struct digest_map chains, images, keys;
	struct buf refs; /* struct share_ref, in share.c */
};

/* Opens the file and checks all that the header and the table of blocks say. */
int share_index_open(struct share *s, int dirfd, struct err *err) MUST_CHECK;
void share_index_close(struct share *s);

/* Appends the state to BUF. */
int share_index_state(struct share *s, struct buf *buf, struct err *err) MUST_CHECK;

#endif

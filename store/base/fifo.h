/* SPDX-License-Identifier: Apache-2.0
 * A queue of equal-sized items with a maximum, in one growing array. Not thread-safe.
 */
#ifndef STORE_BASE_FIFO_H
#define STORE_BASE_FIFO_H

#include "store/base/buf.h"

struct fifo {
	struct buf items;
	size_t item_size;
	size_t head; /* bytes of `items` that were popped */
};

/* Room for at most MAX_ITEMS of ITEM_SIZE bytes. Allocates nothing. */
void fifo_init(struct fifo *f, size_t item_size, size_t max_items);
void fifo_release(struct fifo *f);

/* Copies ITEM to the end. ERR_LIMIT, ERR_NOMEM. */
int fifo_push(struct fifo *f, const void *item, struct err *err) MUST_CHECK;

/* The first and the last item, NULL if there is none; valid until the next push or pop. */
void *fifo_front(struct fifo *f);
void *fifo_back(struct fifo *f);

/* Drops the first item; there must be one. */
void fifo_pop(struct fifo *f);

#endif

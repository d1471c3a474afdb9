/* SPDX-License-Identifier: Apache-2.0
 * The queue over a growing buffer: popped items are given back half a buffer at a time. */
#include "store/base/fifo.h"

#include <assert.h>
#include <string.h>

void fifo_init(struct fifo *f, size_t item_size, size_t max_items)
{
	f->item_size = item_size;
	f->head = 0;
	buf_init(&f->items, item_size * max_items);
}

void fifo_release(struct fifo *f)
{
	buf_release(&f->items);
	f->head = 0;
}

int fifo_push(struct fifo *f, const void *item, struct err *err)
{
	if (f->head > 0 && 2 * f->head >= f->items.len) {
		f->items.len -= f->head;
		memmove(f->items.data, f->items.data + f->head, f->items.len);
		f->head = 0;
	}
	return buf_append(&f->items, item, f->item_size, err);
}

void *fifo_front(struct fifo *f)
{
	return f->head == f->items.len ? NULL : f->items.data + f->head;
}

void *fifo_back(struct fifo *f)
{
	if (f->head == f->items.len)
		return NULL;
	return f->items.data + f->items.len - f->item_size;
}

void fifo_pop(struct fifo *f)
{
	assert(f->head < f->items.len);
	f->head += f->item_size;
}

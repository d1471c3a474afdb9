/* SPDX-License-Identifier: Apache-2.0
 * Sealing: the catalog as an index that readers of a published store search (share_format.h).
 */
#ifndef STORE_SHARE_WRITE_H
#define STORE_SHARE_WRITE_H

#include "store/catalog.h"

/* Writes all that T sees into the empty file FD and makes it durable. */
int share_write_index(int fd, struct catalog_txn *t, uint64_t *ret_objects,
		      struct err *err) MUST_CHECK;

#endif

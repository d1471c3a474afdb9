/* SPDX-License-Identifier: Apache-2.0
 * Names for indexes of which only some images are here.
 */
#ifndef TOOLS_SERVE_INDEX_NAME_H
#define TOOLS_SERVE_INDEX_NAME_H

#include "store/store.h"

/* Keeps the index's bytes, and lets NAME (normalised) stand for those of its images that the
 * store has, the best one for this machine first. ERR_NOTFOUND: it has none of them. */
int index_name_set(struct store *store, const char *name, const void *bytes, size_t len,
		   struct err *err) MUST_CHECK;

#endif

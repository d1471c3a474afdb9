/* SPDX-License-Identifier: Apache-2.0
 * Why gc would keep something: what gc's own search for what is needed says on its way.
 */
#ifndef STORE_GC_WHY_H
#define STORE_GC_WHY_H

#include "store/gc.h"

#define GC_WHY_MAX 100 /* reasons of one kind; more of it are not told */

enum gc_reason_kind {
	GC_BY_NAME,     /* name */
	GC_BY_ROOT,     /* root: which of the options' roots */
	GC_BY_KEY,      /* id: a key with this result, or with one on top of it */
	GC_BY_OPEN,     /* id: a chain or layer whose tree file somebody has open */
	GC_BY_GRACE,    /* id: a chain or layer that came or was used lately; used */
	GC_BY_CHAIN,    /* id: with a time of grace an image stays as long as its chain */
	GC_BY_ARTIFACT, /* id: an artifact that stays needs it */
	GC_REASON_KINDS,
};

struct gc_reason {
	enum gc_reason_kind kind;
	const char *name; /* normalised */
	struct digest id;
	size_t root;
	int64_t used; /* seconds since the epoch */
};

enum gc_why_kind {
	GC_WHY_IMAGE = 1, /* by its manifest */
	GC_WHY_CHAIN,
	GC_WHY_LAYER,
};

/* Each reason; < 0 ends it all, > 0: one that shall not count to the maximum. */
typedef int gc_reason_fn(void *arg, const struct gc_reason *reason, struct err *err);

/* Calls EACH for every reason for which gc with these options keeps ID; not at all: it goes.
 * TXN is a read transaction. Of the options grace, keep_keys and roots count. Reads only: as
 * with dry_run, what imports that still run count on is not seen. */
int gc_why(struct store *s, struct catalog_txn *txn, const struct gc_options *o,
	   enum gc_why_kind kind, const struct digest *id, gc_reason_fn *each, void *arg,
	   struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * What a session has added but not committed, on top of what the store has: the answer to
 * "is this content known?" for 10^5 objects a second, and the list of new objects for the
 * commit. Thread-safe.
 *
 * Looks into the catalog through a read transaction that serves some hundred lookups and
 * never gets old, so the catalog's free pages stay usable during a long import.
 */
#ifndef STORE_PENDING_H
#define STORE_PENDING_H

#include "store/alternates.h"
#include "store/catalog.h"
#include "store/pins.h"

struct pending;

/* PINS: where it is noted what is looked for; may be NULL. ALTERNATES: may be NULL. All
 * borrowed. */
int pending_new(struct catalog *c, struct alternates *alternates, struct pins *pins,
		struct pending **ret, struct err *err) MUST_CHECK;
void pending_free(struct pending *p); /* NULL is ignored */

/* Whose content it is from now on. */
enum pending_claim {
	PENDING_NEW, /* the caller's: it has to store it and tell the place */
	/* The store has it, or (unless it is a document) an alternate, or somebody in this
	 * session claimed it before. */
	PENDING_KNOWN,
};

/* *ret_id: the number of a new object. *ret_kind: what a known one is. */
int pending_claim(struct pending *p, const struct digest *d, enum object_kind kind,
		  enum pending_claim *ret, uint32_t *ret_id, enum object_kind *ret_kind,
		  struct err *err) MUST_CHECK;

/* Whether the store, an alternate or the session has it. */
int pending_has(struct pending *p, const struct digest *d, bool *ret,
		struct err *err) MUST_CHECK;

/* Objects IDS[0 .. count) are the slices TABLE[0 .. count) of a frame that was appended. */
void pending_place(struct pending *p, const uint32_t *ids, const struct pack_entry *table,
		   uint32_t count, const struct pack_place *frame);

/* All new objects; every claimed one must have its place (else ERR_FAILED). The array is
 * the map's own and may be reordered: after that only pending_free is allowed. */
int pending_objects(struct pending *p, struct catalog_object **ret, size_t *ret_count,
		    struct err *err) MUST_CHECK;

/* Ends the read transaction until the next lookup. */
void pending_rest(struct pending *p);

#endif

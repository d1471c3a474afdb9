/* SPDX-License-Identifier: Apache-2.0
 * What running imports count on. A session that finds content (or a layer) already there
 * stores it no second time; gc must not take it away before the session commits. So each
 * session notes in a file of its own what it has found:
 *
 *	<store>/pins/state      u64: odd while gc decides what goes; mapped by all
 *	<store>/pins/<random>   a set of digests (a Bloom filter); locked while its session runs
 *
 * The order of things makes it safe without any waiting: a session (1) notes the digest,
 * (2) looks at the state, (3) looks into the catalog with a transaction that is no older than
 * that, (4) looks at the state again, and believes the catalog only if the state was the same
 * even number both times. gc makes the state odd under the store lock before it reads the
 * notes, and even once its commit is done. So either gc has seen the note, or the session
 * looks again at what gc has left. Only who looks just then waits, for that one commit.
 *
 * The set tells "noted" of some digests that never were; these stay until the next gc.
 * A killed session's file is unlocked and removed by gc; a killed gc's odd state is put right
 * by the next session (gc holds the store lock all that time).
 */
#ifndef STORE_PINS_H
#define STORE_PINS_H

#include "store/store.h"

/* ---- a session's side; thread-safe ---- */

struct pins;

int pins_new(struct store *s, struct pins **ret, struct err *err) MUST_CHECK;
void pins_free(struct pins *p); /* NULL is ignored */

/* Steps 1 and 2: *ret is the state, waited for until it is even. */
int pins_note(struct pins *p, const struct digest *d, uint64_t *ret,
	      struct err *err) MUST_CHECK;
/* Step 4: whether what was found since then is still so. */
bool pins_hold(struct pins *p, uint64_t state);

/* ---- gc's side ---- */

struct pins_seen;

/* What is noted now, once frozen: with the store lock, which is then held until after
 * pins_thaw. FREEZE false: without, as an early look. */
int pins_see(struct store *s, bool freeze, struct pins_seen **ret,
	     struct err *err) MUST_CHECK;
/* By the first 8 bytes of the digest, little-endian. */
bool pins_seen_has(const struct pins_seen *n, uint64_t prefix);
/* Ends the freeze and frees it. NULL is ignored. */
void pins_thaw(struct pins_seen *n);

#endif

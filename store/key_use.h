/* SPDX-License-Identifier: Apache-2.0
 * When keys were last used, for gc to let go of those first that nobody asks for.
 *
 * A file per key, `<store>/used/<64 hex digits of the key>`; its mtime is the last use, exact
 * to an hour, so a key that is hit all day costs one stat each time and 24 changes of an inode.
 * Not journalled: without its file a key passes for last used when it was given.
 */
#ifndef STORE_KEY_USE_H
#define STORE_KEY_USE_H

#include "store/store.h"

/* KEY was asked for and found: a hit of `lookup` or `run`, an open of its tree. Never fails: a
 * store that may not be written to (STORE_WRITE or not is no matter) just does not remember.
 * Any thread. */
void key_use_note(struct store *s, const struct digest *key);

/* Seconds since the epoch; 0: not known. */
int64_t key_use_last(struct store *s, const struct digest *key);

/* gc: removes the files of what is no key any more. */
int key_use_sweep(struct store *s, struct err *err) MUST_CHECK;

#endif

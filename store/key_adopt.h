/* SPDX-License-Identifier: Apache-2.0
 * The result of a key that an alternate has, as this store's own: its layers are adopted
 * (layer_adopt.h), documents copied, content stays where it is.
 */
#ifndef STORE_KEY_ADOPT_H
#define STORE_KEY_ADOPT_H

#include "store/store.h"

/* Commits key, chain, layers and image. *ret: the key as recorded. ERR_NOTFOUND without a
 * text: no alternate has the key, or not all of its result. S is open for writing. */
int key_adopt(struct store *s, const struct digest *key, struct record_key *ret,
	      struct err *err) MUST_CHECK;

#endif

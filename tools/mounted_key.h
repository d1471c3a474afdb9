/* SPDX-License-Identifier: Apache-2.0
 * The result of a key as a mount shows it: for users who may read the mount and not the store.
 */
#ifndef TOOLS_MOUNTED_KEY_H
#define TOOLS_MOUNTED_KEY_H

#include "store/digest.h"

/* The ChainID that KEY leads to: the directory of both is the same. ERR_NOTFOUND: a miss. */
int mounted_key_chain(const char *mountpoint, const struct digest *key,
		      struct digest *ret, struct err *err) MUST_CHECK;

#endif

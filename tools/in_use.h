/* SPDX-License-Identifier: Apache-2.0
 * What is mounted or leased on this host: chains and layers that gc must keep.
 */
#ifndef TOOLS_IN_USE_H
#define TOOLS_IN_USE_H

#include "store/base/buf.h"
#include "store/digest.h"

/* Appends a struct digest for each chain or layer of the store at this path that an overlay's
 * lease names, or that is a lower directory in the mount table. May give one twice. */
int in_use_list(const char *store, struct buf *digests, struct err *err) MUST_CHECK;

#endif

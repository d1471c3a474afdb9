/* SPDX-License-Identifier: Apache-2.0
 * Names of a tar's entries, so that two spellings of one path are the same.
 */
#ifndef TOOLS_CHUNKED_ENTRY_NAME_H
#define TOOLS_CHUNKED_ENTRY_NAME_H

#include "store/digest.h"

/* SHA-256 of the path without what means nothing in it: empty components and ".". */
int entry_name_digest(const char *path, size_t len, struct digest *ret,
		      struct err *err) MUST_CHECK;

#endif

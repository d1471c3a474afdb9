/* SPDX-License-Identifier: Apache-2.0
 * The images of a published store (`publish`) as a source: "share:DIR[:REF]".
 */
#ifndef TOOLS_SHARE_SOURCE_H
#define TOOLS_SHARE_SOURCE_H

#include "store/store.h"
#include "tools/oci/source.h"

/* REST is what follows "share:" in TEXT. DIR becomes an alternate of the store, for good: that
 * is where the content of what is imported stays. STORE is open for writing and outlives the
 * source. */
int share_source_open(struct store *store, const char *text, const char *rest,
		      struct source **ret, struct err *err) MUST_CHECK;

#endif

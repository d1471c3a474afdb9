/* SPDX-License-Identifier: Apache-2.0
 * Where a layer or chain can be seen on this host right now.
 */
#ifndef TOOLS_WHEREABOUTS_H
#define TOOLS_WHEREABOUTS_H

#include <jansson.h>

#include "store/digest.h"
#include "store/store.h"

/* Sets OBJECT["path"] to its directory in the store's live mount (null if that is not
 * mounted) and OBJECT["overlays"] to the mountpoints of overlays on it. KIND is "layers" or
 * "chains". */
int whereabouts_set(json_t *object, const struct store *store, const char *kind,
		    const struct digest *d, struct err *err) MUST_CHECK;

#endif

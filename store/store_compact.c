/* SPDX-License-Identifier: Apache-2.0
 * When the catalog is written anew to make it smaller. */
#include "store/store_private.h"

static int compact_locked(struct store *s, const struct catalog_waste *limits,
			  struct err *err)
{
	bool gains;
	int r = store_recover(s, err);

	/* Somebody else may have done it while we waited for the lock. */
	if (r == 0)
		r = catalog_compact_gains(s->catalog, limits, &gains, err);
	return r < 0 || !gains ? r : catalog_compact(s->catalog, err);
}

void store_compact(struct store *s, const struct catalog_waste *limits)
{
	bool gains;

	if (catalog_compact_gains(s->catalog, limits, &gains, NULL) < 0 || !gains ||
	    store_lock(s, NULL) < 0)
		return;
	(void)!compact_locked(s, limits, NULL);
	store_unlock(s);
}

/* SPDX-License-Identifier: Apache-2.0
 * Reads leases and the mount table.
 */
#include "tools/in_use.h"

#include <string.h>

#include "fs/mounts.h"
#include "tools/overlay_lease.h"

/* A lease without its mount is that of an overlay about to be mounted, or of one that was
 * unmounted by hand: both stay until the lease goes. */
static int on_lease(void *arg, const struct overlay_lease *lease, struct err *err)
{
	if (!lease->same_boot)
		return 0;
	return buf_append(arg, &lease->chainid, sizeof(lease->chainid), err);
}

/* Every "/sha256/<64 hex>" of an overlay's options: whichever store it is of, keeping one
 * more harms nothing. */
static int on_mount(void *arg, const struct mounts_entry *m, struct err *err)
{
	static const char mark[] = "/sha256/";
	const char *at = m->options;
	struct digest d;
	int rc = 0;

	if (strcmp(m->fstype, "overlay") != 0)
		return 0;
	while (!rc && (at = strstr(at, mark))) {
		at += sizeof(mark) - 1;
		if (strnlen(at, 64) == 64 && digest_parse(at, 64, &d, NULL) == 0)
			rc = buf_append(arg, &d, sizeof(d), err);
	}
	return rc;
}

int in_use_list(const char *store, struct buf *digests, struct err *err)
{
	int rc = overlay_lease_each(store, on_lease, digests, err);

	return rc ? rc : mounts_each(on_mount, digests, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * Reads leases and the mount table.
 */
#include "tools/in_use.h"

#include <string.h>

#include "fs/mounts.h"
#include "tools/overlay_lease.h"

struct listing {
	in_use_fn *each;
	void *arg;
};

/* A lease without its mount is that of an overlay about to be mounted, or of one that was
 * unmounted by hand: both stay until the lease goes. */
static int on_lease(void *arg, const struct overlay_lease *lease, struct err *err)
{
	const struct in_use use = {"lease", lease->target, lease->chainid};
	const struct listing *l = arg;

	return lease->same_boot ? l->each(l->arg, &use, err) : 0;
}

/* Every "/sha256/<64 hex>" of an overlay's options: whichever store it is of, keeping one
 * more harms nothing. */
static int on_mount(void *arg, const struct mounts_entry *m, struct err *err)
{
	static const char mark[] = "/sha256/";
	const char *at = m->options;
	struct in_use use = {.by = "mount", .where = m->mountpoint};
	const struct listing *l = arg;
	int rc = 0;

	if (strcmp(m->fstype, "overlay") != 0)
		return 0;
	while (!rc && (at = strstr(at, mark))) {
		at += sizeof(mark) - 1;
		if (strnlen(at, 64) == 64 && digest_parse(at, 64, &use.id, NULL) == 0)
			rc = l->each(l->arg, &use, err);
	}
	return rc;
}

int in_use_each(const char *store, in_use_fn *each, void *arg, struct err *err)
{
	struct listing l = {each, arg};
	int rc = overlay_lease_each(store, on_lease, &l, err);

	return rc ? rc : mounts_each(on_mount, &l, err);
}

static int append(void *arg, const struct in_use *use, struct err *err)
{
	return buf_append(arg, &use->id, sizeof(use->id), err);
}

int in_use_list(const char *store, struct buf *digests, struct err *err)
{
	return in_use_each(store, append, digests, err);
}

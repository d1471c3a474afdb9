/* SPDX-License-Identifier: Apache-2.0
 * Who goes through all packs must not have them taken away meanwhile. */
#include "store/base/io.h"
#include "store/perms.h"
#include "store/store_private.h"

int store_gc_lock(struct store *s, bool shared, int *ret_fd, struct err *err)
{
	auto_fd int fd = -1;
	int r = io_open(s->dirfd, STORE_GC_LOCK_FILE, O_RDONLY, 0, &fd, NULL);

	if (r == -ERR_NOTFOUND && !shared)
		r = perms_create(s->dirfd, STORE_GC_LOCK_FILE, O_RDONLY, &fd, NULL, err);
	if (r < 0 && shared) {
		*ret_fd = -1;
		return 0;
	}
	if (r == 0)
		r = io_lock(fd, !shared, true, STORE_GC_LOCK_FILE, err);
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

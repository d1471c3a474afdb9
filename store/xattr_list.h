/* SPDX-License-Identifier: Apache-2.0
 * The xattrs of one file of the host that belong into a layer: user.*, security.capability,
 * POSIX ACLs and, where they can be read, trusted.*. Others (SELinux labels, IMA, ...) belong
 * to the host and are left out.
 */
#ifndef STORE_XATTR_LIST_H
#define STORE_XATTR_LIST_H

#include <stdbool.h>

#include "store/base/buf.h"
#include "store/tar_scan.h"

struct xattr_list {
	struct buf bytes; /* names and values */
	struct tar_xattr *items;
	size_t count;
};

void xattr_list_init(struct xattr_list *l);
void xattr_list_release(struct xattr_list *l);

/* Replaces the list by the xattrs of FD, or of PATH (not followed) if FD is -1, sorted by
 * name. A filesystem without xattrs gives none. WHAT is for error texts. ERR_NOTFOUND if
 * PATH is gone. */
int xattr_list_read(struct xattr_list *l, int fd, const char *path, const char *what,
		    struct err *err) MUST_CHECK;

/* By hand: clear, append, finish (which sorts by name). PREFIX and NAME become one name. */
void xattr_list_clear(struct xattr_list *l);
int xattr_list_append(struct xattr_list *l, const char *prefix, const char *name,
		      size_t name_len, const void *value, size_t value_len,
		      struct err *err) MUST_CHECK;
void xattr_list_finish(struct xattr_list *l);
/* By name again, after names were changed. */
void xattr_list_sort(struct xattr_list *l);

/* Takes item I out; pointers of the others stay. */
void xattr_list_remove(struct xattr_list *l, size_t i);

/* Both sorted. */
bool xattr_list_equal(const struct xattr_list *a, const struct xattr_list *b);

/* Names and values of a sorted list as one digest; zero if it is empty. */
int xattr_list_digest(const struct xattr_list *l, struct digest *ret,
		      struct err *err) MUST_CHECK;

#endif

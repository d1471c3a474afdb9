/* SPDX-License-Identifier: Apache-2.0
 * The extended attributes of an entry: those of SCHILY.xattr.* and LIBARCHIVE.xattr.*, and
 * the ACLs.
 */
#ifndef STORE_TAR_ATTR_H
#define STORE_TAR_ATTR_H

#include "store/tar_scan.h"

struct archive_entry;

struct tar_attr {
	struct buf list;             /* struct tar_xattr, sorted by name, no name twice */
	struct buf access, defaults; /* values of the ACLs */
	bool has_mode;               /* an access ACL came as text: it rules the ... */
	uint32_t mode;               /* ... lower nine bits of the mode */
};

void tar_attr_init(struct tar_attr *a);
void tar_attr_release(struct tar_attr *a);

/* Reads ENTRY's; valid as long as it is. Two values of one name are ERR_INVALID. */
int tar_attr_read(struct tar_attr *a, struct archive_entry *entry,
		  struct err *err) MUST_CHECK;

static inline const struct tar_xattr *tar_attr_list(const struct tar_attr *a,
						    size_t *ret_count)
{
	*ret_count = a->list.len / sizeof(struct tar_xattr);
	return (const struct tar_xattr *)(const void *)a->list.data;
}

#endif

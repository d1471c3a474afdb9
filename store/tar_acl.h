/* SPDX-License-Identifier: Apache-2.0
 * A POSIX ACL that a tar gives as text (SCHILY.acl.*), as the bytes of the kernel's xattr.
 */
#ifndef STORE_TAR_ACL_H
#define STORE_TAR_ACL_H

#include "store/base/buf.h"

struct archive_entry;

/* Puts the value of system.posix_acl_access or, if DEFAULTS, system.posix_acl_default into
 * OUT; it stays empty if there is no such ACL, or none that the kernel would take: owners
 * that are named without their number mean something only in the image.
 * *ret_mode: what a file that has it as its access ACL shows as the lower nine bits of its
 * mode; written if OUT is not empty. */
int tar_acl_value(struct archive_entry *entry, bool defaults, struct buf *out,
		  uint32_t *ret_mode, struct err *err) MUST_CHECK;

#endif

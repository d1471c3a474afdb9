/* SPDX-License-Identifier: Apache-2.0
 * The README at the top of a mount: one page that says what is where.
 */
#ifndef FS_README_H
#define FS_README_H

#include <stdbool.h>

#include "store/base/buf.h"

int readme_format(const char *store, bool opaque_user, struct buf *out,
		  struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * The header blocks that Go's archive/tar writes for an entry: nearly every eStargz layer was
 * written by it. Pure.
 */
#ifndef TOOLS_CHUNKED_GO_HEADER_H
#define TOOLS_CHUNKED_GO_HEADER_H

#include <jansson.h>

#include "store/base/buf.h"

/* Texts may not be NULL. */
struct go_header {
	char type; /* as tar has it: '0' .. '6' */
	const char *name, *link, *user, *group;
	uint64_t mode, uid, gid, size, time, major, minor;
	const json_t *xattrs; /* an object: name to base64; or NULL */
	bool gnu;             /* the entry was one of GNU tar, and stays one */
};

/* Appends the blocks. ERR_INVALID: Go would say more than is known here, or could not. */
int go_header_append(struct buf *out, const struct go_header *h,
		     struct err *err) MUST_CHECK;

#endif

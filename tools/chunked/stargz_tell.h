/* SPDX-License-Identifier: Apache-2.0
 * The headers that a table of contents of eStargz tells, row by row: what Go's archive/tar
 * would write (go_header.h) of what the row says. Reader and writer of a table tell the same.
 */
#ifndef TOOLS_CHUNKED_STARGZ_TELL_H
#define TOOLS_CHUNKED_STARGZ_TELL_H

#include "tools/chunked/go_header.h"
#include "tools/chunked/stargz_owner.h"

/* A zeroed struct is at the start of a table. */
struct stargz_tell {
	struct stargz_owner users, groups;
};

/* A file that the producer added. */
bool stargz_tell_landmark(const char *name);

/* What the next ROW says; *ret borrows from ROW and T. GNU: as an entry of GNU tar's. *ret_time:
 * its time is one that a header has; else it is 0. ERR_INVALID, ERR_LIMIT. */
int stargz_tell_row(struct stargz_tell *t, const json_t *row, bool gnu,
		    struct go_header *ret, bool *ret_time, struct err *err) MUST_CHECK;

#endif

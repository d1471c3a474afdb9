/* SPDX-License-Identifier: Apache-2.0
 * What is left out of a directory by patterns, as Docker reads them in a .dockerignore.
 *
 * A pattern matches a whole path below the directory, or a directory above the path:
 *
 *	*        any run of bytes but '/'         ?      one byte but '/'
 *	[a-z]    one of these bytes ([^a-z]: none of them)
 *	\c       the byte c itself
 *	**       a part of its own: any number of directories, none included; at the end:
 *	         everything below
 *	!PATTERN what matches is in again
 *
 * Patterns are tried in order and the last one that matches decides. Before that they are
 * cleaned as paths: "/a/", "./a" and "b/../a" are "a". So a directory can be left out and
 * something below it be in: then the directory comes along.
 *
 * Matching takes time in the product of both lengths, whatever the pattern. Not changed by
 * matching, so any number of threads may match.
 */
#ifndef STORE_IGNORE_H
#define STORE_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/err.h"

#define IGNORE_FILE_MAX     (1u << 20) /* bytes of a .dockerignore */
#define IGNORE_PATTERNS_MAX 16384

struct ignore;

int ignore_new(struct ignore **ret, struct err *err) MUST_CHECK;
void ignore_free(struct ignore *g); /* NULL is ignored */

AUTO_DEFINE(ignore, struct ignore, ignore_free)
#define auto_ignore AUTO(ignore)

/* Adds one pattern. ERR_INVALID: a lone '!', a bracket or backslash without an end. */
int ignore_add(struct ignore *g, const char *pattern, struct err *err) MUST_CHECK;

/* Adds the lines of a .dockerignore: '#' in the first column begins a comment, space around
 * a pattern and empty lines do not count, nor does a byte order mark. */
int ignore_add_lines(struct ignore *g, const void *text, size_t len,
		     struct err *err) MUST_CHECK;

/* Whether PATH ("a/b", no leading or trailing '/', below the directory) is left out. G may be
 * NULL. */
bool ignore_match(const struct ignore *g, const char *path);

/* Whether something below the directory PATH, which is left out, may be in again. */
bool ignore_may_return(const struct ignore *g, const char *path);

#endif

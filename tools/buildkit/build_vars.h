/* SPDX-License-Identifier: Apache-2.0
 * The variables of a build stage, in the order in which they were set: what BuildKit gives to
 * commands and what the words of instructions may name.
 */
#ifndef TOOLS_BUILDKIT_BUILD_VARS_H
#define TOOLS_BUILDKIT_BUILD_VARS_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/err.h"

struct build_vars {
	char **items; /* NAME=VALUE, ended by NULL once there is one */
	size_t count;
};

void build_vars_release(struct build_vars *v); /* also a zeroed one */

/* Sets NAME, which moves to the end. */
int build_vars_set(struct build_vars *v, const char *name, const char *value,
		   struct err *err) MUST_CHECK;
int build_vars_copy(const struct build_vars *from, struct build_vars *to,
		    struct err *err) MUST_CHECK;

/* The value; NULL: it is not set. */
const char *build_vars_get(const struct build_vars *v, const char *name, size_t len);

/* The list for a command; never NULL. */
const char *const *build_vars_list(const struct build_vars *v);

#endif

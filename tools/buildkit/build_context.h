/* SPDX-License-Identifier: Apache-2.0
 * The directory that is sent to a build, as BuildKit counts it: what .dockerignore leaves out
 * is not in it, everything belongs to root, times do not count.
 */
#ifndef TOOLS_BUILDKIT_BUILD_CONTEXT_H
#define TOOLS_BUILDKIT_BUILD_CONTEXT_H

#include "store/content_hash.h"
#include "store/content_listing.h"

struct build_context {
	char *path;
	struct content_hash hash;
	struct content_entry *entries; /* in the listing's order; [0] is the directory */
	size_t count;
};

/* DOCKERFILE: its path; a file of that name with ".dockerignore" behind it goes before the one
 * in DIR. */
int build_context_open(const char *dir, const char *dockerfile, struct build_context *ret,
		       struct err *err) MUST_CHECK;
void build_context_release(struct build_context *c); /* also a zeroed one */
#define auto_build_context __attribute__((cleanup(build_context_release)))

/* The entry of PATH ("/src"), symlinks followed below the directory; NULL: there is none. */
const struct content_entry *build_context_find(const struct build_context *c,
					       const char *path);

/* Whether SOURCE is a pattern, and whether entry I (not the directory itself) matches it. */
bool build_context_is_pattern(const char *source);
bool build_context_matches(const struct build_context *c, size_t i, const char *source);

enum build_context_content {
	BUILD_CONTEXT_KNOWN = 1,
	BUILD_CONTEXT_MISSING, /* a source is not there; *ret_missing says which */
	BUILD_CONTEXT_UNKNOWN, /* a pattern that matches directories */
};

/* The record of the sources of one COPY. */
int build_context_record(const struct build_context *c, const char *const *sources,
			 size_t count, enum build_context_content *ret_state,
			 const char **ret_missing, struct digest *ret,
			 struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Why a COPY misses: the files of the context against those that the cached step left in its
 * layer. Named are each file and what of it differs.
 */
#ifndef TOOLS_BUILDKIT_EXPLAIN_FILES_H
#define TOOLS_BUILDKIT_EXPLAIN_FILES_H

#include "store/forest.h"
#include "tools/buildkit/build_context.h"
#include "tools/buildkit/build_plan.h"
#include "tools/buildkit/cache.h"

#define EXPLAIN_FILES_MAX 1000

struct explain_file {
	char *path; /* in the context, or of a removed one in the layer */
	const char *
		what; /* "added", "removed", "renamed", "type", "mode", "content", "link" */
	char *was, *now; /* NULL: nothing to say */
};

struct explain_files {
	struct explain_file *items;
	size_t count;
	bool cut; /* there are more than EXPLAIN_FILES_MAX */
};

void explain_files_release(struct explain_files *f); /* also a zeroed one */
#define auto_explain_files __attribute__((cleanup(explain_files_release)))

/* RESULT: of the cached step. ERR_NOTFOUND: its layers are not in the store. */
int explain_files(struct forest *f, const struct cache *c,
		  const struct cacheconfig_result *result, const struct build_step *step,
		  const struct build_context *context, struct explain_files *ret,
		  struct err *err) MUST_CHECK;

#endif

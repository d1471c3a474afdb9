/* SPDX-License-Identifier: Apache-2.0
 * `layercache cache ...`: BuildKit's build caches.
 */
#include "tools/commands.h"

static const struct command *const group[] = {
	&cmd_cache_import,   &cmd_cache_show,  &cmd_cache_export,  &cmd_cache_merge,
	&cmd_cache_complete, &cmd_cache_prune, &cmd_cache_explain, NULL,
};

const struct command cmd_cache = {
	.name = "cache",
	.summary = "work with build caches of BuildKit",
	.arguments = "COMMAND",
	.details =
		"A build cache tells the results of build steps by what went into them. It\n"
		"is what `docker build --cache-from` reads: a cache of its own, in a\n"
		"registry or a directory, or inline in an image. REF is the name of either\n"
		"in the store.",
	.group = group,
};

/* SPDX-License-Identifier: Apache-2.0
 * The options of all commands that take images in: import, pull, cache import.
 */
#ifndef TOOLS_IMPORT_OPTIONS_H
#define TOOLS_IMPORT_OPTIONS_H

#include "tools/commands.h"
#include "tools/image_import.h"
#include "tools/registry_options.h"

/* Their values_size. */
struct import_options {
	const char *platform;
	bool all_platforms;
	bool keep_blobs;
	bool match_blobs;
	bool no_referrers;
	struct registry_options registry;
};

extern const struct option_spec import_options[];

/* What CALL says; its second argument is the name. *RET refers to *RET_PLATFORM and CALL.
 * ERR_USAGE. */
int import_options_take(const struct command_call *call, struct platform *ret_platform,
			struct image_import_options *ret, struct err *err) MUST_CHECK;

#endif

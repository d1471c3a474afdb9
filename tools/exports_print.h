/* SPDX-License-Identifier: Apache-2.0
 * What export and push have in common besides the work.
 */
#ifndef TOOLS_EXPORTS_PRINT_H
#define TOOLS_EXPORTS_PRINT_H

#include "tools/command.h"
#include "tools/image_export.h"

/* For a REGISTRY it is opened for writing where that can be, so that what was made for it is
 * remembered. */
int exports_open_store(const struct command_call *call, bool registry, struct store **ret,
		       struct err *err) MUST_CHECK;

/* A line "NAME IMAGE-ID MANIFEST-DIGEST" for each, or one JSON document. */
int exports_print(const struct exports *done, bool json, struct err *err) MUST_CHECK;

#endif

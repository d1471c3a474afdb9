/* SPDX-License-Identifier: Apache-2.0
 * What import and pull say of the images that they brought.
 */
#ifndef TOOLS_IMPORTS_PRINT_H
#define TOOLS_IMPORTS_PRINT_H

#include "tools/image_import.h"

/* A line "NAME IMAGE-ID CHAIN-ID" for each, or one JSON document. */
int imports_print(const struct imports *done, bool json, bool quiet,
		  struct err *err) MUST_CHECK;

#endif

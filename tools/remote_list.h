/* SPDX-License-Identifier: Apache-2.0
 * The tags of a repository in a registry.
 */
#ifndef TOOLS_REMOTE_LIST_H
#define TOOLS_REMOTE_LIST_H

#include "tools/command.h"
#include "tools/registry/remote.h"

/* Prints a line "NAME:TAG" for each tag of the repository that REF names, sorted, or one JSON
 * document. ERR_NOTFOUND: there is no such repository. */
int remote_list(const struct command_call *call, const char *ref,
		const struct remote_options *options, struct err *err) MUST_CHECK;

#endif

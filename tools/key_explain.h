/* SPDX-License-Identifier: Apache-2.0
 * `layercache key --explain`: why a step has another key than one before.
 */
#ifndef TOOLS_KEY_EXPLAIN_H
#define TOOLS_KEY_EXPLAIN_H

#include "tools/command.h"
#include "tools/step.h"

/* Compares two keys of the store, A and B as users write keys, and prints what differs first;
 * if that is the parent, on further lines what differs in the parents. */
int key_explain_keys(const struct command_call *call, const char *a, const char *b,
		     struct err *err) MUST_CHECK;

/* The same for a key of the store and a step that need not be in it. */
int key_explain_step(const struct command_call *call, const char *a, const struct step *b,
		     struct err *err) MUST_CHECK;

#endif

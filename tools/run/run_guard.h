/* SPDX-License-Identifier: Apache-2.0
 * Keeps a build step's command from writing to this program: what runs as root in a step can
 * make itself this program (by /proc/self/exe, as the interpreter of a script) and then open
 * the file it is for writing.
 */
#ifndef TOOLS_RUN_RUN_GUARD_H
#define TOOLS_RUN_RUN_GUARD_H

#include "store/base/err.h"

/* Gives this process a mount namespace of its own, and, unless it runs from a read-only mount
 * already, starts itself again from such a one: then it does not return, and everything that
 * was done so far is done again. So call it with nothing held. Needs root. */
int run_guard_enter(struct err *err) MUST_CHECK;

#endif

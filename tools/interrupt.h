/* SPDX-License-Identifier: Apache-2.0
 * Ctrl-C for work that has to clean up first: while it is caught, SIGINT, SIGTERM and SIGHUP
 * are only noted, however many there are: some senders tell a process and its group.
 */
#ifndef TOOLS_INTERRUPT_H
#define TOOLS_INTERRUPT_H

#include <stdbool.h>

#include "store/base/err.h"

/* A signal that is ignored stays ignored. */
void interrupt_catch(void);

/* ERR_CANCELED once there was a signal. Thread-safe and cheap. */
int interrupt_check(struct err *err) MUST_CHECK;

/* Ends the process by the signal that was noted, if there was one. */
void interrupt_die(void);

#endif

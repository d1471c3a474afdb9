/* SPDX-License-Identifier: Apache-2.0
 * The socket that a server listens on: an address of this host, or the one that systemd has
 * opened for us.
 */
#ifndef TOOLS_SERVE_LISTEN_H
#define TOOLS_SERVE_LISTEN_H

#include <stdbool.h>

#include "store/base/err.h"

#define LISTEN_TEXT_SIZE 80

/* TEXT: "HOST:PORT", "[V6]:PORT" or ":PORT" (127.0.0.1); port 0: any free one. HOST is a
 * number or "localhost". What is not loopback needs ANY. ERR_USAGE. */
int listen_open(const char *text, bool any, int *ret_fd, struct err *err) MUST_CHECK;

/* What systemd hands over (LISTEN_PID, LISTEN_FDS); -1 in *ret_fd: nothing. ERR_FAILED: it is
 * no listening socket, or not of loopback without ANY. */
int listen_inherited(bool any, int *ret_fd, struct err *err) MUST_CHECK;

/* "127.0.0.1:5000", "[::1]:5000", as a client reaches it. */
const char *listen_address(int fd, char text[LISTEN_TEXT_SIZE]);

#endif

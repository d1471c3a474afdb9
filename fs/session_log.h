/* SPDX-License-Identifier: Apache-2.0
 * What libfuse says: it prints instead of returning errors, so its last line becomes the
 * text of ours while the session starts, and a log line later.
 */
#ifndef FS_SESSION_LOG_H
#define FS_SESSION_LOG_H

#include "store/base/err.h"

/* From now on libfuse's messages come here. Before threads start. */
void session_log_start(void);

/* The session works: messages go to the log. */
void session_log_ready(void);

/* Sets an error with FMT's text and what libfuse said last. */
int session_log_error(struct err *err, enum err_code code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif

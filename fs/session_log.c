/* SPDX-License-Identifier: Apache-2.0
 * Catches libfuse's messages.
 */
#include "fs/session_log.h"

#include <fuse_log.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "fs/logline.h"

static struct {
	pthread_mutex_t lock;
	bool ready;
	char line[256]; /* so far: libfuse prints a line in pieces */
	size_t len;
	char last[256];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Under the lock. */
static void end_line(void)
{
	state.line[state.len] = '\0';
	state.len = 0;
	memcpy(state.last, state.line, sizeof(state.last));
	if (state.ready)
		logline_write("%s", state.last);
}

static void catch_text(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char text[sizeof(state.line)];

	if (level > FUSE_LOG_WARNING)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	pthread_mutex_lock(&state.lock);
	for (const char *p = text; *p; p++) {
		if (*p == '\n')
			end_line();
		else if (state.len < sizeof(state.line) - 1)
			state.line[state.len++] = *p;
	}
	pthread_mutex_unlock(&state.lock);
}

void session_log_start(void)
{
	fuse_set_log_func(catch_text);
}

void session_log_ready(void)
{
	pthread_mutex_lock(&state.lock);
	state.ready = true;
	pthread_mutex_unlock(&state.lock);
}

int session_log_error(struct err *err, enum err_code code, const char *fmt, ...)
{
	char text[256];
	int rc;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&state.lock);
	if (state.last[0])
		rc = err_set(err, code, "%s: %s", text, state.last);
	else
		rc = err_set(err, code, "%s", text);
	pthread_mutex_unlock(&state.lock);
	return rc;
}

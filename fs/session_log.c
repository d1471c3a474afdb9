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
	char last[256];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void catch_line(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char text[sizeof(state.last)];
	bool ready;

	if (level > FUSE_LOG_WARNING)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	pthread_mutex_lock(&state.lock);
	ready = state.ready;
	if (!ready)
		memcpy(state.last, text, sizeof(text));
	pthread_mutex_unlock(&state.lock);
	if (ready)
		logline_write("%s", text);
}

void session_log_start(void)
{
	fuse_set_log_func(catch_line);
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

/* SPDX-License-Identifier: Apache-2.0
 * Log lines with a limit.
 */
#include "fs/logline.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#define REPEAT_SECONDS 60
#define REMEMBERED     64
#define BURST          20 /* lines per second */

static struct {
	pthread_mutex_t lock;
	bool syslog;
	struct {
		uint64_t hash;
		time_t when;
	} recent[REMEMBERED];
	time_t second;
	unsigned in_second;
	unsigned long dropped;
} lines = {.lock = PTHREAD_MUTEX_INITIALIZER};

void logline_open(bool foreground)
{
	lines.syslog = !foreground;
	if (lines.syslog)
		openlog("layercache", LOG_PID, LOG_DAEMON);
}

static uint64_t hash_of(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return h;
}

/* Under the lock. */
static bool is_wanted(const char *text)
{
	struct timespec now;
	uint64_t hash = hash_of(text);
	unsigned slot = (unsigned)(hash % REMEMBERED);

	clock_gettime(CLOCK_BOOTTIME, &now);
	if (lines.recent[slot].hash == hash &&
	    now.tv_sec < lines.recent[slot].when + REPEAT_SECONDS)
		return false;
	if (lines.second != now.tv_sec) {
		lines.second = now.tv_sec;
		lines.in_second = 0;
	}
	if (++lines.in_second > BURST) {
		lines.dropped++;
		return false;
	}
	lines.recent[slot].hash = hash;
	lines.recent[slot].when = now.tv_sec;
	return true;
}

static void emit(const char *text)
{
	if (lines.syslog)
		syslog(LOG_ERR, "%s", text);
	else
		fprintf(stderr, "layercache: %s\n", text);
}

void logline_write(const char *fmt, ...)
{
	char text[640], note[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	pthread_mutex_lock(&lines.lock);
	if (is_wanted(text)) {
		if (lines.dropped) {
			snprintf(note, sizeof(note), "%lu more errors were not logged",
				 lines.dropped);
			lines.dropped = 0;
			emit(note);
		}
		emit(text);
	}
	pthread_mutex_unlock(&lines.lock);
}

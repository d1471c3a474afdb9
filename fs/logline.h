/* SPDX-License-Identifier: Apache-2.0
 * The daemon's log: stderr in the foreground, syslog otherwise. A line that was written
 * within the last minute is not repeated, and no more than a handful appear per second,
 * whatever a damaged store and a busy reader do together.
 */
#ifndef FS_LOGLINE_H
#define FS_LOGLINE_H

#include <stdbool.h>

#include "store/base/err.h"

/* Where lines go from now on. Not thread-safe: before threads start. */
void logline_open(bool foreground);

/* Writes one line. Thread-safe. */
void logline_write(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * A progress bar on stderr for long work: label, share done, bytes, total rate, time left.
 *
 * It exists only where somebody looks (stderr is a terminal, not --quiet): else begin
 * returns NULL, which all functions accept and ignore. Memory that cannot be had also means
 * no bar, never an error. One bar at a time.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/base/auto.h"

struct progress;

/* TOTAL: bytes to do, 0 while unknown (then no share and no time left). LABEL is copied. */
struct progress *progress_begin(uint64_t total, const char *label, bool quiet);

/* More work turned up: raises the total. Thread-safe. */
void progress_expect(struct progress *p, uint64_t bytes);

/* BYTES more are done. Thread-safe and cheap: draws at most ten times a second. */
void progress_add(struct progress *p, uint64_t bytes);

/* Replaces the label ("layer 3 of 7"). Thread-safe. */
void progress_label(struct progress *p, const char *label);

/* Wipes the bar's line and frees. NULL is ignored. */
void progress_end(struct progress *p);

AUTO_DEFINE(progress, struct progress, progress_end)
#define auto_progress AUTO(progress)

/* The text of a bar (pure, for drawing and tests): NOW_NS since the start, at most WIDTH
 * columns, NUL-terminated, no escape sequences. */
void progress_format(const char *label, uint64_t done, uint64_t total, uint64_t now_ns,
		     unsigned width, char *out, size_t size);

#endif

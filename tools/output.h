/* SPDX-License-Identifier: Apache-2.0
 * What goes to stdout: data and nothing else, as lines for scripts or as one JSON document.
 *
 * Write errors are remembered by stdio and told once, by output_finish. Nothing here is
 * thread-safe; commands print from their main thread.
 */
#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/digest.h"

/* Prints a line; the newline is added. Text from outside goes through output_quote. */
void output_line(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Appends TEXT so that it stays on one line and can be undone: control bytes become \t, \n
 * or \ooo, a backslash \\; every other byte stays, valid UTF-8 or not. */
int output_quote(struct buf *out, const char *text, struct err *err) MUST_CHECK;

/* "sha256:<hex>", or "-" for a zero or NULL digest. */
const char *output_digest(const struct digest *d, char text[DIGEST_TEXT_SIZE]);

/* "1.4 GiB" for people (only `show` and the progress bar; lines for scripts have bytes). */
#define OUTPUT_SIZE_TEXT 16
const char *output_size(uint64_t bytes, char text[OUTPUT_SIZE_TEXT]);

/* "2024-05-01T10:00:00Z". */
#define OUTPUT_TIME_TEXT 32
const char *output_time(int64_t seconds, char text[OUTPUT_TIME_TEXT]);

/* Prints the document, indented, with a final newline. Takes the reference; VALUE may be
 * NULL (memory ran out while it was made: ERR_NOMEM). */
int output_json(json_t *value, struct err *err) MUST_CHECK;

/* Values for documents; they return NULL (or fail silently into output_json's ERR_NOMEM
 * when nested in json_pack) only without memory. Digests: NULL and zero become null. */
json_t *output_json_digest(const struct digest *d);
json_t *output_json_u64(uint64_t v);
/* Sets OBJECT[KEY] to VALUE, whose reference it takes; VALUE NULL is ERR_NOMEM. */
int output_json_set(json_t *object, const char *key, json_t *value,
		    struct err *err) MUST_CHECK;
/* Sets OBJECT[KEY] to TEXT. JSON has no bytes, so where TEXT is not UTF-8 its bad bytes
 * become U+FFFD and OBJECT[KEY "_hex"] has the exact bytes. */
int output_json_set_text(json_t *object, const char *key, const char *text,
			 struct err *err) MUST_CHECK;

/* A line on stderr, "layercache: ...", unless QUIET: what a user should know though nothing
 * failed. */
void output_notice(bool quiet, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* True once stdout could not be written: long listings stop. */
bool output_failed(void);

/* Flushes and closes stdout. ERR_SYSTEM if any of it could not be written. */
int output_finish(struct err *err) MUST_CHECK;

static inline void auto_json_cleanup_(json_t **v)
{
	json_decref(*v);
}
#define auto_json AUTO(json)

#endif

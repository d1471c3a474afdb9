/* SPDX-License-Identifier: Apache-2.0
 * Strings as Go's encoding/json writes them: what HTML could stumble over is escaped, too.
 */
#ifndef TOOLS_BUILDKIT_GO_JSON_H
#define TOOLS_BUILDKIT_GO_JSON_H

#include "store/base/buf.h"

/* Appends TEXT in quotes. Bytes that are not UTF-8 become U+FFFD, as there. */
int go_json_string(struct buf *ret, const char *text, struct err *err) MUST_CHECK;

/* Appends an array of strings; LIST is NULL-terminated. */
int go_json_strings(struct buf *ret, const char *const *list, struct err *err) MUST_CHECK;

#endif

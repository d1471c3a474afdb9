/* SPDX-License-Identifier: Apache-2.0
 * Replies as registries give them: errors as JSON with the codes of the OCI distribution
 * specification.
 */
#ifndef TOOLS_SERVE_REPLY_H
#define TOOLS_SERVE_REPLY_H

#include <jansson.h>

#include "tools/serve/http.h"

/* CODE: "NAME_UNKNOWN". The message is for people. */
void reply_refusal(struct http_reply *r, unsigned status, const char *code,
		   const char *fmt, ...) PRINTF_LIKE(4, 5);

/* What an error of ours means for the client: something is not there (CODE), is no good, or
 * failed here. The last kind is also told on stderr. */
void reply_err(struct http_reply *r, const char *code, const struct err *err);

/* Takes the reference; NULL: memory ran out. */
void reply_json(struct http_reply *r, const char *media_type, json_t *json);

#endif

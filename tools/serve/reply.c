/* SPDX-License-Identifier: Apache-2.0
 * Replies as registries give them. */
#include "tools/serve/reply.h"

#include <stdarg.h>
#include <string.h>

void reply_json(struct http_reply *r, const char *media_type, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	buf_clear(&r->bytes);
	if (!r->status)
		r->status = 200;
	if (!text || buf_append(&r->bytes, text, strlen(text), NULL))
		r->status = 500;
	free(text);
	http_reply_header(r, "Content-Type", "%s", media_type);
}

/* err_set has made the text printable, but it may be cut inside a character. */
void reply_refusal(struct http_reply *r, unsigned status, const char *code,
		   const char *fmt, ...)
{
	char text[sizeof(((struct err *)NULL)->msg)];
	json_t *message;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
	message = json_string(text);
	r->status = status;
	buf_clear(&r->headers);
	reply_json(r, "application/json",
		   json_pack("{s:[{s:s, s:o}]}", "errors", "code", code, "message",
			     message));
}

void reply_err(struct http_reply *r, const char *code, const struct err *err)
{
	switch (err->code) {
	case ERR_NOTFOUND:
		reply_refusal(r, 404, code, "%s", err->msg);
		return;
	case ERR_INVALID:
		reply_refusal(r, 400, code, "%s", err->msg);
		return;
	case ERR_LIMIT:
		reply_refusal(r, 413, code, "%s", err->msg);
		return;
	case ERR_BUSY:
		reply_refusal(r, 409, code, "%s", err->msg);
		return;
	default:
		fprintf(stderr, "layercache: serve: %s\n", err->msg);
		reply_refusal(r, 500, "UNKNOWN", "%s", err->msg);
	}
}

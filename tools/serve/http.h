/* SPDX-License-Identifier: Apache-2.0
 * An HTTP server on one socket, in threads of its own: one for each connection, so a handler
 * may block. The only user of libmicrohttpd.
 *
 * Bounded are connections, bytes of a request's head, the time a head may take, and the time
 * in which nothing moves. Bodies go to the handler piece by piece.
 */
#ifndef TOOLS_SERVE_HTTP_H
#define TOOLS_SERVE_HTTP_H

#include <stdbool.h>

#include "store/base/buf.h"

struct http;
struct MHD_Connection;

enum http_method {
	HTTP_OTHER,
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
};

/* "GET"; "?" for HTTP_OTHER. */
const char *http_method_name(enum http_method m);

struct http_request {
	enum http_method method;
	const char *path; /* decoded, without the query */
	void *state;      /* the handler's own */
	struct MHD_Connection *connection;
};

/* Where the bytes of a reply come from. Reads go from front to end. */
struct http_body {
	int (*read)(struct http_body *b, void *data, size_t cap, size_t *ret_len,
		    struct err *err);
	void (*close)(struct http_body *b);
};

/* Filled by the handler; what it owns goes with it. */
struct http_reply {
	unsigned status;    /* 0: no reply yet */
	struct buf headers; /* by http_reply_header */
	struct buf bytes;   /* the body, unless there is BODY */
	struct http_body
		*body; /* of LENGTH bytes; NULL with HEAD: only the length counts */
	uint64_t length;
};

/* BEGIN: the head of a request is there; a reply now refuses what it would send. DATA: a piece
 * of its body; END: all of it was read, there must be a reply. DONE: the request is over,
 * answered or not. REPLY is not thread-safe, but each request has its own. */
struct http_handler {
	void (*begin)(void *arg, struct http_request *q, struct http_reply *r);
	void (*data)(void *arg, struct http_request *q, const void *data, size_t len);
	void (*end)(void *arg, struct http_request *q, struct http_reply *r);
	void (*done)(void *arg, struct http_request *q);
	void *arg;
};

/* Appends a header. VALUE has no control bytes. Without memory the reply becomes a 500. */
void http_reply_header(struct http_reply *r, const char *name, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* NULL: there is none. Valid as long as the request. */
const char *http_header(const struct http_request *q, const char *name);
const char *http_query(const struct http_request *q, const char *name);

/* Whether an Accept header (there may be several) names the media type, with or without
 * parameters. ANY: also if it says so by a wildcard, or if there is none at all. */
bool http_accepts(const struct http_request *q, const char *media_type, bool any);

/* LISTENER belongs to the server from here on. LOG: a line on stderr for each request. */
int http_start(int listener, const struct http_handler *handler, bool log,
	       struct http **ret, struct err *err) MUST_CHECK;
/* Takes no more requests, lets the running ones come to their end for a short time. */
void http_stop(struct http *h); /* NULL is ignored */

/* Seconds since a request was last being served; 0 while one is. */
unsigned http_idle(struct http *h);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * An HTTP server on one socket. */
#include "tools/serve/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#define CONNECTIONS_MAX 256
#define HEAD_MAX        (32u << 10)
#define HEAD_SECONDS    10 /* in which the first head of a connection must be there */
#define IDLE_SECONDS    60 /* in which something must move, or a later head be there */
#define STOP_SECONDS    5
#define HEADERS_MAX     (16u << 10)
#define PIECE           (256u << 10)
#define DRAIN_MAX       (16u << 20) /* bytes of a refused body that are still taken */

/* A connection that has not sent the head of its next request yet. */
struct waiting {
	struct waiting *next, **link;
	int fd;
	time_t until;
};

struct http {
	struct MHD_Daemon *daemon;
	struct http_handler handler;
	int listener;
	bool log, stopping, watching;
	pthread_t watchdog;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct waiting *waiting;
	unsigned running; /* requests */
	time_t last;      /* when one ended */
};

/* One request, from its head to its end. */
struct call {
	struct http *http;
	struct http_request request;
	struct timespec since;
	bool sent;               /* the reply */
	struct http_reply early; /* to a request whose body is still coming */
	uint64_t drained;
	unsigned status;
	uint64_t length;
};

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* ---- slow heads ---- */

static void wait_begin(struct http *h, struct waiting *w, time_t seconds)
{
	pthread_mutex_lock(&h->lock);
	if (!w->link) {
		w->until = now() + seconds;
		w->next = h->waiting;
		w->link = &h->waiting;
		if (w->next)
			w->next->link = &w->next;
		h->waiting = w;
	}
	pthread_mutex_unlock(&h->lock);
}

static void wait_end(struct http *h, struct waiting *w)
{
	pthread_mutex_lock(&h->lock);
	if (w->link) {
		*w->link = w->next;
		if (w->next)
			w->next->link = w->link;
		w->link = NULL;
	}
	pthread_mutex_unlock(&h->lock);
}

/* The library only bounds the time in which nothing comes; a byte now and then would hold a
 * connection for ever. */
static void *watch(void *arg)
{
	struct http *h = arg;

	pthread_mutex_lock(&h->lock);
	while (!h->stopping) {
		struct timespec until;
		time_t time = now();

		for (struct waiting *w = h->waiting; w; w = w->next)
			if (w->until < time)
				shutdown(w->fd, SHUT_RDWR);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&h->wake, &h->lock, &until);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *h = arg;
	struct waiting *w = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(
			connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		w = info ? calloc(1, sizeof(*w)) : NULL;
		*context = w;
		if (!w)
			return;
		w->fd = info->connect_fd;
		wait_begin(h, w, HEAD_SECONDS);
	} else if (w) {
		wait_end(h, w);
		free(w);
		*context = NULL;
	}
}

static struct waiting *waiting_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* ---- requests ---- */

const char *http_header(const struct http_request *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

const char *http_query(const struct http_request *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct accept {
	const char *wanted;
	bool any, found, seen;
};

static bool is_media_type(const char *text, size_t len, const char *wanted)
{
	return strlen(wanted) == len && strncasecmp(text, wanted, len) == 0;
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *key,
				 const char *value)
{
	struct accept *a = arg;

	(void)kind;
	if (strcasecmp(key, "Accept") != 0 || !value)
		return MHD_YES;
	a->seen = true;
	while (*value && !a->found) {
		size_t skip = strspn(value, " \t,"), all, len;

		value += skip;
		all = strcspn(value, ",");
		len = strcspn(value, ",; \t");
		a->found = is_media_type(value, len, a->wanted) ||
			   (a->any && (is_media_type(value, len, "*/*") ||
				       is_media_type(value, len, "application/*")));
		value += all;
	}
	return a->found ? MHD_NO : MHD_YES;
}

bool http_accepts(const struct http_request *q, const char *media_type, bool any)
{
	struct accept a = {.wanted = media_type, .any = any};

	MHD_get_connection_values(q->connection, MHD_HEADER_KIND, on_header, &a);
	return a.found || (any && !a.seen);
}

static const char *const methods[] = {
	[HTTP_OTHER] = "?",       [HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",     [HTTP_PUT] = "PUT", [HTTP_PATCH] = "PATCH",
	[HTTP_DELETE] = "DELETE",
};

const char *http_method_name(enum http_method m)
{
	return methods[m];
}

static enum http_method method_of(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(methods[i], text) == 0)
			return (enum http_method)i;
	return HTTP_OTHER;
}

/* ---- replies ---- */

void http_reply_header(struct http_reply *r, const char *name, const char *fmt, ...)
{
	char value[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(value) ||
	    buf_append(&r->headers, name, strlen(name) + 1, NULL) ||
	    buf_append(&r->headers, value, (size_t)n + 1, NULL))
		r->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static void reply_release(struct http_reply *r)
{
	buf_release(&r->headers);
	buf_release(&r->bytes);
	if (r->body)
		r->body->close(r->body);
}

static ssize_t read_body(void *arg, uint64_t at, char *data, size_t cap)
{
	struct http_body *b = arg;
	struct err err = {0};
	size_t len;

	(void)at;
	if (b->read(b, data, cap, &len, &err) == 0)
		return len ? (ssize_t)len : MHD_CONTENT_READER_END_OF_STREAM;
	fprintf(stderr, "layercache: serve: %s\n", err.msg);
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void close_body(void *arg)
{
	struct http_body *b = arg;

	b->close(b);
}

/* Of a reply to HEAD only the length is looked at. */
static ssize_t no_body(void *arg, uint64_t at, char *data, size_t cap)
{
	(void)arg;
	(void)at;
	(void)data;
	(void)cap;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *make_response(struct http_reply *r)
{
	struct MHD_Response *m;

	if (r->body) {
		m = MHD_create_response_from_callback(r->length, PIECE, read_body,
						      r->body, close_body);
		if (m)
			r->body = NULL;
		return m;
	}
	if (r->length)
		return MHD_create_response_from_callback(r->length, 1, no_body, NULL,
							 NULL);
	return MHD_create_response_from_buffer(r->bytes.len, r->bytes.data,
					       MHD_RESPMEM_MUST_COPY);
}

static void add_headers(struct MHD_Response *m, const struct http_reply *r)
{
	const char *at = (const char *)r->headers.data;
	const char *end = at + r->headers.len;

	while (at < end) {
		const char *name = at, *value = name + strlen(name) + 1;

		MHD_add_response_header(m, name, value);
		at = value + strlen(value) + 1;
	}
}

static enum MHD_Result send_reply(struct call *c, struct http_reply *r)
{
	struct MHD_Response *m;
	enum MHD_Result ok;

	c->status = r->status;
	c->length = r->length ? r->length : r->bytes.len;
	m = make_response(r);
	if (m)
		add_headers(m, r);
	reply_release(r);
	if (!m)
		return MHD_NO;
	ok = MHD_queue_response(c->request.connection, c->status, m);
	MHD_destroy_response(m);
	return ok;
}

/* ---- one request ---- */

/* A client that is still sending would not see a reply; a short body is taken to its end. One
 * that waits for leave to send sees it. */
static bool is_sending(const struct http_request *q)
{
	const char *length = http_header(q, "Content-Length");

	if (http_header(q, "Expect"))
		return false;
	if (http_header(q, "Transfer-Encoding"))
		return true;
	return length && strtoull(length, NULL, 10) > 0 &&
	       strtoull(length, NULL, 10) <= DRAIN_MAX;
}

static void reply_init(struct http_reply *r)
{
	*r = (struct http_reply){0};
	buf_init(&r->headers, HEADERS_MAX);
	buf_init(&r->bytes, SIZE_MAX / 2);
}

static enum MHD_Result begin_call(struct http *h, struct MHD_Connection *connection,
				  const char *url, const char *method, void **context)
{
	struct waiting *w = waiting_of(connection);
	struct call *c = calloc(1, sizeof(*c));
	struct http_reply r;

	if (!c)
		return MHD_NO;
	c->http = h;
	c->request = (struct http_request){method_of(method), url, NULL, connection};
	clock_gettime(CLOCK_MONOTONIC, &c->since);
	*context = c;
	if (w)
		wait_end(h, w);
	pthread_mutex_lock(&h->lock);
	h->running++;
	pthread_mutex_unlock(&h->lock);
	reply_init(&r);
	h->handler.begin(h->handler.arg, &c->request, &r);
	c->early = r;
	if (!r.status || is_sending(&c->request))
		return MHD_YES;
	c->sent = true;
	return send_reply(c, &c->early);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *data, size_t *len,
				  void **context)
{
	struct http *h = arg;
	struct call *c = *context;

	(void)version;
	if (!c)
		return begin_call(h, connection, url, method, context);
	if (*len && c->early.status) {
		c->drained += *len;
		*len = 0;
		return c->drained <= DRAIN_MAX ? MHD_YES : MHD_NO;
	}
	if (*len) {
		h->handler.data(h->handler.arg, &c->request, data, *len);
		*len = 0;
		return MHD_YES;
	}
	if (c->sent)
		return MHD_YES;
	c->sent = true;
	if (!c->early.status)
		h->handler.end(h->handler.arg, &c->request, &c->early);
	return send_reply(c, &c->early);
}

/* The path is the client's: what could forge lines is not printed as it is. */
static void log_call(const struct call *c, bool whole)
{
	struct timespec t;
	char path[512];
	size_t n = 0;

	for (const char *p = c->request.path; *p && n < sizeof(path) - 1; p++)
		path[n++] = (unsigned char)*p < 0x21 || *p == 0x7f ? '?' : *p;
	path[n] = '\0';
	clock_gettime(CLOCK_MONOTONIC, &t);
	fprintf(stderr, "%s %s %u %llu bytes %lld ms%s\n",
		http_method_name(c->request.method), path, c->status,
		(unsigned long long)c->length,
		(long long)(t.tv_sec - c->since.tv_sec) * 1000 +
			(t.tv_nsec - c->since.tv_nsec) / 1000000,
		whole ? "" : ", broken off");
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode why)
{
	struct http *h = arg;
	struct call *c = *context;
	struct waiting *w;

	if (!c)
		return;
	w = waiting_of(connection);
	h->handler.done(h->handler.arg, &c->request);
	if (!c->sent)
		reply_release(&c->early);
	if (h->log)
		log_call(c, why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	pthread_mutex_lock(&h->lock);
	h->running--;
	h->last = now();
	pthread_cond_broadcast(&h->wake);
	pthread_mutex_unlock(&h->lock);
	if (w && why == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		wait_begin(h, w, IDLE_SECONDS);
	free(c);
	*context = NULL;
}

/* ---- the server ---- */

/* Of what clients do wrong; they are told by their replies. */
static void no_log(void *arg, const char *fmt, va_list ap)
{
	(void)arg;
	(void)fmt;
	(void)ap;
}

int http_start(int listener, const struct http_handler *handler, bool log,
	       struct http **ret, struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return err_nomem(err);
	h->handler = *handler;
	h->listener = listener;
	h->log = log;
	h->last = now();
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, NULL);
	h->daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
			MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG,
		0, NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
		MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL, MHD_OPTION_END);
	if (h->daemon)
		h->watching = pthread_create(&h->watchdog, NULL, watch, h) == 0;
	if (!h->daemon || !h->watching) {
		int rc = err_sys(err, errno, "cannot start the server");

		http_stop(h);
		return rc;
	}
	*ret = h;
	return 0;
}

static void wait_for_requests(struct http *h)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_SECONDS;
	pthread_mutex_lock(&h->lock);
	while (h->running &&
	       pthread_cond_timedwait(&h->wake, &h->lock, &until) != ETIMEDOUT)
		;
	h->stopping = true;
	pthread_cond_broadcast(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

void http_stop(struct http *h)
{
	if (!h)
		return;
	if (h->daemon)
		MHD_quiesce_daemon(h->daemon);
	close(h->listener);
	wait_for_requests(h);
	if (h->watching)
		pthread_join(h->watchdog, NULL);
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

unsigned http_idle(struct http *h)
{
	unsigned idle;

	pthread_mutex_lock(&h->lock);
	idle = h->running ? 0 : (unsigned)(now() - h->last);
	pthread_mutex_unlock(&h->lock);
	return idle;
}

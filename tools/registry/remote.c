/* SPDX-License-Identifier: Apache-2.0
 * One repository of a registry: requests, and what becomes of their answers. */
#include "tools/registry/remote.h"

#include <string.h>
#include <time.h>

#include "tools/oci/document.h"
#include "tools/registry/remote_private.h"

#define DOCKER_HOST   "docker.io"
#define DOCKER_SERVER "registry-1.docker.io"
#define TRIES_MAX     6
#define WAIT_FIRST_MS 200
#define RETRY_AFTER_S 120 /* a server that wants more is given up */
#define RENEWALS_MAX  2   /* of one request */
#define HASTY_TRIES   2
#define HASTY_AFTER_S 2

static _Thread_local struct remote_refusal last = {0, -1};

void remote_last_refusal(struct remote_refusal *ret)
{
	*ret = last;
	last = (struct remote_refusal){0, -1};
}

/* ---- opening ---- */

/* "host/path:tag" or "host/path@sha256:..." */
static int split(struct remote *r, const char *name, struct err *err)
{
	const char *slash = strchr(name, '/'), *at = strchr(name, '@'), *end;

	if (!slash)
		return err_set(err, ERR_INVALID, "bad name '%s'", name);
	end = at ? at : strrchr(slash, ':');
	if (!end)
		end = slash + strlen(slash);
	r->host = strndup(name, (size_t)(slash - name));
	r->path = strndup(slash + 1, (size_t)(end - slash - 1));
	r->reference = strdup(*end ? end + 1 : "");
	if (!r->host || !r->path || !r->reference)
		return err_nomem(err);
	r->server = strdup(strcmp(r->host, DOCKER_HOST) == 0 ? DOCKER_SERVER : r->host);
	return r->server ? 0 : err_nomem(err);
}

static int set_transfers(struct remote *r, struct err *err)
{
	struct transfers_options o = {.insecure = r->options.insecure};
	struct remote_certs certs;
	int rc = remote_certs_read(r->options.cert_dir, r->host, &certs, err);

	if (rc)
		return rc;
	o.ca = certs.ca.data;
	o.ca_len = certs.ca.len;
	o.certificate = certs.certificate;
	o.key = certs.key;
	/* Who has certificates for a host wants TLS there. */
	if (o.ca_len || o.certificate)
		r->scheme = "https";
	rc = transfers_new(&o, &r->transfers, err);
	remote_certs_release(&certs);
	return rc;
}

int remote_open(const char *name, const struct remote_options *options, bool push,
		struct remote **ret, struct err *err)
{
	auto_remote struct remote *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_nomem(err);
	pthread_mutex_init(&r->lock, NULL);
	if (options)
		r->options = *options;
	r->push = push;
	rc = split(r, name, err);
	if (!rc)
		rc = set_transfers(r, err);
	if (rc)
		return rc;
	if (r->options.plain_http)
		r->scheme = "http";
	else if (!r->scheme && !r->options.insecure && !transfer_is_loopback(r->server))
		r->scheme = "https";
	*ret = steal_ptr(&r);
	return 0;
}

void remote_close(struct remote *r)
{
	if (!r)
		return;
	transfers_free(r->transfers);
	credentials_release(&r->credentials);
	if (r->authorization)
		explicit_bzero(r->authorization, strlen(r->authorization));
	free(r->authorization);
	free(r->host);
	free(r->server);
	free(r->path);
	free(r->reference);
	free(r->mount_from);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

const char *remote_reference(const struct remote *r)
{
	return r->reference;
}

int remote_mount_from(struct remote *r, const char *name, struct err *err)
{
	size_t host = strlen(r->host), path;

	if (strncmp(name, r->host, host) != 0 || name[host] != '/')
		return 0;
	name += host + 1;
	path = strcspn(name, ":@");
	if (strlen(r->path) == path && memcmp(r->path, name, path) == 0)
		return 0;
	r->mount_from = strndup(name, path);
	return r->mount_from ? 0 : err_nomem(err);
}

/* ---- what answers mean ---- */

struct told {
	char code[64];  /* of the first error, e.g. MANIFEST_UNKNOWN; may be empty */
	char text[256]; /* ": " and its message, or its code; may be empty */
};

static void read_told(struct transfer *t, struct told *ret)
{
	const char *message = NULL, *code = NULL;
	auto_document json_t *json = NULL;
	json_t *errors = NULL, *first;
	auto_buf struct buf body;

	*ret = (struct told){0};
	buf_init(&body, REMOTE_ERROR_MAX);
	if (transfer_read_all(t, &body, NULL) ||
	    document_parse(body.data, body.len, &json, NULL) || !json_is_object(json) ||
	    document_array(json, "errors", &errors, NULL))
		return;
	first = json_array_get(errors, 0);
	if (!json_is_object(first) || document_text(first, "message", &message, NULL) ||
	    document_text(first, "code", &code, NULL))
		return;
	snprintf(ret->code, sizeof(ret->code), "%s", code ?: "");
	snprintf(ret->text, sizeof(ret->text), ": %.200s",
		 message && *message ? message : code ?: "?");
}

/* The registry of the distribution project, with files below it, writes its links in place:
 * while somebody else pushes the same layers it may find one of them empty, and then says of
 * a manifest that a digest were wrong. */
static bool may_be_race(unsigned status, const char *url, const struct told *told)
{
	return status == 400 && strcmp(told->code, "DIGEST_INVALID") == 0 &&
	       strstr(url, "/manifests/");
}

static bool may_pass(unsigned status)
{
	return status == 408 || status == 429 || status == 500 || status == 502 ||
	       status == 503 || status == 504;
}

int remote_failure(struct transfer *t, struct err *err)
{
	unsigned status = transfer_status(t);
	const char *url = transfer_url(t);
	enum err_code code = ERR_FAILED;
	struct told told;

	read_told(t, &told);
	if (status == 404)
		code = ERR_NOTFOUND;
	else if (may_pass(status) || may_be_race(status, url, &told))
		code = ERR_AGAIN;
	return err_set(err, code, "'%.*s' answers %u%s", (int)strcspn(url, "?"), url,
		       status, told.text);
}

/* ---- trying again ---- */

static void sleep_ms(uint64_t ms)
{
	struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* Between half of it and all of it, so that many clients do not come back together. */
static uint64_t spread(uint64_t ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ms / 2 + (uint64_t)now.tv_nsec / 1000 % (ms / 2 + 1);
}

bool remote_wait(unsigned attempt)
{
	if (attempt + 1 >= TRIES_MAX)
		return false;
	sleep_ms(spread((uint64_t)WAIT_FIRST_MS << attempt));
	return true;
}

/* Seconds, or a date; -1: it does not say. */
static int64_t retry_after(const struct transfer *t)
{
	const char *text = t ? transfer_header(t, "Retry-After", 0) : NULL;
	struct tm tm = {0};
	char *end;
	long seconds;

	if (!text)
		return -1;
	seconds = strtol(text, &end, 10);
	if (end != text && !*end)
		return seconds < 0 ? -1 : seconds;
	end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!end)
		return -1;
	seconds = (long)(timegm(&tm) - time(NULL));
	return seconds < 0 ? 0 : seconds;
}

/* Whether there is to be another attempt; waits for it. */
static bool wait_as_told(const struct remote *r, const struct transfer *t,
			 unsigned attempt)
{
	int64_t seconds = retry_after(t);
	bool hasty = r->options.hasty;

	if (attempt + 1 >= (hasty ? HASTY_TRIES : TRIES_MAX) ||
	    seconds > (hasty ? HASTY_AFTER_S : RETRY_AFTER_S))
		return false;
	if (seconds < 0)
		return remote_wait(attempt);
	sleep_ms((uint64_t)seconds * 1000 + spread(WAIT_FIRST_MS));
	return true;
}

/* ---- http or https ---- */

static int ping_by(struct remote *r, const char *scheme, unsigned *ret_status,
		   struct err *err)
{
	auto_transfer struct transfer *t = NULL;
	auto_free char *url = NULL;
	struct transfer_request request = {.method = "GET"};
	int rc;

	if (asprintf(&url, "%s://%s/v2/", scheme, r->server) < 0) {
		url = NULL;
		return err_nomem(err);
	}
	request.url = url;
	rc = transfer_begin(r->transfers, &request, &t, err);
	if (!rc)
		*ret_status = transfer_status(t);
	return rc;
}

/* Loopback: plain first, which is what is mostly found there. Insecure: TLS first. A server
 * of the other kind does not answer, or with 400. */
static int find_scheme(struct remote *r, struct err *err)
{
	bool plain_first = transfer_is_loopback(r->server);
	const char *first = plain_first ? "http" : "https";
	const char *second = plain_first ? "https" : "http";
	unsigned status = 0;
	struct err other;
	int rc = ping_by(r, first, &status, err);

	if (!rc && status != 400) {
		r->scheme = first;
		return 0;
	}
	if (ping_by(r, second, &status, &other) == 0) {
		r->scheme = second;
		return 0;
	}
	/* Of a server that is not there at all, the first error says enough. */
	if (!rc)
		return err_copy(err, &other);
	return rc;
}

static int scheme_of(struct remote *r, const char **ret, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	if (!r->scheme)
		rc = find_scheme(r, err);
	if (!rc)
		*ret = r->scheme;
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* ---- requests ---- */

static int make_url(struct remote *r, const char *target, struct buf *ret,
		    struct err *err)
{
	const char *scheme;
	int rc;

	if (strstr(target, "://"))
		return buf_append(ret, target, strlen(target) + 1, err);
	rc = scheme_of(r, &scheme, err);
	if (!rc && *target)
		rc = buf_printf(ret, err, "%s://%s/v2/%s/%s", scheme, r->server, r->path,
				target);
	else if (!rc)
		rc = buf_printf(ret, err, "%s://%s/v2/", scheme, r->server);
	return rc ? rc : buf_append_u8(ret, 0, err);
}

bool remote_is_own(struct remote *r, const char *url)
{
	auto_free char *own = NULL;
	const char *scheme;

	if (scheme_of(r, &scheme, NULL) ||
	    asprintf(&own, "%s://%s/", scheme, r->server) < 0) {
		own = NULL;
		return false;
	}
	return transfer_same_origin(own, url);
}

int remote_request_once(struct remote *r, const char *target,
			struct transfer_request *request, struct transfer **ret,
			struct err *err)
{
	auto_buf struct buf url;
	int rc;

	buf_init(&url, REMOTE_URL_MAX);
	rc = make_url(r, target, &url, err);
	for (unsigned i = 0; !rc; i++) {
		auto_free char *authorization = NULL;
		struct transfer *t = NULL;
		unsigned renewals;

		rc = remote_auth_get(r, &authorization, &renewals, err);
		if (rc)
			return rc;
		request->url = (const char *)url.data;
		request->authorization =
			remote_is_own(r, request->url) ? authorization : NULL;
		rc = transfer_begin(r->transfers, request, &t, err);
		if (rc)
			return rc;
		if (request->streamed || transfer_status(t) != 401 || i == RENEWALS_MAX ||
		    !remote_is_own(r, transfer_url(t))) {
			*ret = t;
			return 0;
		}
		last.status = transfer_status(t);
		rc = remote_auth_renew(r, t, renewals, err);
		transfer_end(t);
	}
	return rc;
}

static bool is_good(const struct transfer *t)
{
	unsigned status = transfer_status(t);

	return status >= 200 && status < 300;
}

int remote_request(struct remote *r, const char *target, struct transfer_request *request,
		   struct transfer **ret, struct err *err)
{
	for (unsigned attempt = 0;; attempt++) {
		struct transfer *t = NULL;
		struct err failed;
		bool again;
		int rc;

		last = (struct remote_refusal){0, -1};
		rc = remote_request_once(r, target, request, &t, &failed);
		if (!rc && is_good(t)) {
			last.status = 0;
			*ret = t;
			return 0;
		}
		if (!rc)
			rc = remote_failure(t, &failed);
		if (t)
			last = (struct remote_refusal){transfer_status(t),
						       retry_after(t)};
		again = rc == -ERR_AGAIN && wait_as_told(r, t, attempt);
		transfer_end(t);
		if (again)
			continue;
		/* Tried often enough: nobody shall begin anew. */
		if (rc == -ERR_AGAIN)
			failed.code = ERR_SYSTEM;
		return err_copy(err, &failed);
	}
}

int remote_ping(struct remote *r, struct err *err)
{
	auto_transfer struct transfer *t = NULL;
	struct transfer_request request = {.method = "GET"};

	return remote_request(r, "", &request, &t, err);
}

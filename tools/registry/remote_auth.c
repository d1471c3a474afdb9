/* SPDX-License-Identifier: Apache-2.0
 * Tokens: the registry says where one is had, we go there with our credentials. */
#include <string.h>

#include "tools/buildkit/base64.h"
#include "tools/oci/document.h"
#include "tools/registry/challenge.h"
#include "tools/registry/remote_private.h"

#define TOKEN_MAX (64u << 10)
#define TRIES_MAX 4

int remote_auth_get(struct remote *r, char **ret, unsigned *ret_renewals, struct err *err)
{
	int rc = 0;

	*ret = NULL;
	pthread_mutex_lock(&r->lock);
	*ret_renewals = r->renewals;
	if (r->authorization && !(*ret = strdup(r->authorization)))
		rc = err_nomem(err);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static int read_credentials(struct remote *r, struct err *err)
{
	int rc;

	if (r->credentials_read)
		return 0;
	if (r->options.credentials)
		rc = credentials_split(r->options.credentials, &r->credentials, err);
	else
		rc = credentials_find(r->options.authfile, r->host, r->path,
				      &r->credentials, err);
	r->credentials_read = !rc;
	return rc;
}

static int basic(const struct credentials *c, struct buf *ret, struct err *err)
{
	auto_buf struct buf pair;
	int rc;

	buf_init(&pair, TOKEN_MAX);
	rc = buf_printf(&pair, err, "%s:%s", c->user, c->secret ?: "");
	if (!rc)
		rc = buf_printf(ret, err, "Basic ");
	if (!rc)
		rc = base64_encode(pair.data, pair.len, ret, err);
	return rc ? rc : buf_append_u8(ret, 0, err);
}

/* ---- asking for a token ---- */

/* Appends "<NAME>=<VALUE>" of a query or form. */
static int add_field(struct buf *b, const char *name, const char *value, struct err *err)
{
	char before = '\0';
	int rc = 0;

	if (b->len)
		before = (char)b->data[b->len - 1];
	if (before && before != '?')
		rc = buf_append_u8(b, '&', err);
	if (!rc)
		rc = buf_printf(b, err, "%s=", name);
	for (; *value && !rc; value++) {
		bool plain = (*value >= '0' && *value <= '9') ||
			     (*value >= 'A' && *value <= 'Z') ||
			     (*value >= 'a' && *value <= 'z') ||
			     strchr("-._~:/,", *value);

		rc = buf_printf(b, err, plain ? "%c" : "%%%02X", (unsigned char)*value);
	}
	return rc;
}

/* Our own idea of what we need: servers name only the part that was missing. */
static int add_scopes(const struct remote *r, const struct challenge *c, struct buf *b,
		      struct err *err)
{
	auto_free char *own = NULL, *from = NULL;
	int rc;

	if (!*r->path)
		return *c->scope ? add_field(b, "scope", c->scope, err) : 0;
	if (asprintf(&own, "repository:%s:pull%s", r->path, r->push ? ",push" : "") < 0) {
		own = NULL;
		return err_nomem(err);
	}
	rc = add_field(b, "scope", own, err);
	if (rc || !r->mount_from)
		return rc;
	if (asprintf(&from, "repository:%s:pull", r->mount_from) < 0) {
		from = NULL;
		return err_nomem(err);
	}
	return add_field(b, "scope", from, err);
}

static int add_service(const struct challenge *c, struct buf *b, struct err *err)
{
	return *c->service ? add_field(b, "service", c->service, err) : 0;
}

static int ask_get(struct remote *r, const struct challenge *c, struct transfer **ret,
		   struct err *err)
{
	struct transfer_request request = {.method = "GET"};
	auto_buf struct buf url, authorization;
	int rc;

	buf_init(&url, REMOTE_URL_MAX);
	buf_init(&authorization, TOKEN_MAX);
	rc = buf_printf(&url, err, "%s%s", c->realm, strchr(c->realm, '?') ? "" : "?");
	if (!rc)
		rc = add_service(c, &url, err);
	if (!rc)
		rc = add_scopes(r, c, &url, err);
	if (!rc)
		rc = buf_append_u8(&url, 0, err);
	if (!rc && r->credentials.user)
		rc = basic(&r->credentials, &authorization, err);
	if (rc)
		return rc;
	request.url = (const char *)url.data;
	request.authorization = (const char *)authorization.data;
	return transfer_begin(r->transfers, &request, ret, err);
}

/* OAuth2: an identity token in a form. */
static int ask_post(struct remote *r, const struct challenge *c, struct transfer **ret,
		    struct err *err)
{
	struct transfer_request request = {
		.method = "POST",
		.url = c->realm,
		.content_type = "application/x-www-form-urlencoded",
	};
	auto_buf struct buf form;
	int rc;

	buf_init(&form, TOKEN_MAX);
	rc = add_field(&form, "grant_type", "refresh_token", err);
	if (!rc)
		rc = add_field(&form, "client_id", "layercache", err);
	if (!rc)
		rc = add_service(c, &form, err);
	if (!rc)
		rc = add_scopes(r, c, &form, err);
	if (!rc)
		rc = add_field(&form, "refresh_token", r->credentials.identity_token,
			       err);
	if (rc)
		return rc;
	request.body = form.data;
	request.body_len = form.len;
	return transfer_begin(r->transfers, &request, ret, err);
}

static int ask_once(struct remote *r, const struct challenge *c, struct transfer **ret,
		    struct err *err)
{
	int rc;

	if (!r->credentials.identity_token)
		return ask_get(r, c, ret, err);
	rc = ask_post(r, c, ret, err);
	if (!rc && (transfer_status(*ret) == 404 || transfer_status(*ret) == 405)) {
		transfer_end(*ret);
		rc = ask_get(r, c, ret, err);
	}
	return rc;
}

static int ask(struct remote *r, const struct challenge *c, struct transfer **ret,
	       struct err *err)
{
	for (unsigned attempt = 0;; attempt++) {
		struct transfer *t = NULL;
		int rc = ask_once(r, c, &t, err);

		if (!rc && transfer_status(t) == 200) {
			*ret = t;
			return 0;
		}
		if (!rc)
			rc = remote_failure(t, err);
		transfer_end(t);
		if (rc != -ERR_AGAIN || attempt + 1 == TRIES_MAX || !remote_wait(attempt))
			return rc == -ERR_NOTFOUND
				       ? err_set(err, ERR_FAILED, "no tokens at '%.200s'",
						 c->realm)
				       : rc;
	}
}

static int take_token(struct transfer *t, struct buf *ret, struct err *err)
{
	auto_document json_t *json = NULL;
	const char *token = NULL;
	auto_buf struct buf body;
	int rc;

	buf_init(&body, TOKEN_MAX);
	rc = transfer_read_all(t, &body, err);
	if (!rc)
		rc = document_parse(body.data, body.len, &json, err);
	if (!rc)
		rc = document_text(json, "token", &token, err);
	if (!rc && (!token || !*token))
		rc = document_text(json, "access_token", &token, err);
	if (!rc && (!token || !*token || strpbrk(token, "\r\n")))
		rc = err_set(err, ERR_INVALID, "there is no token");
	if (!rc)
		rc = buf_printf(ret, err, "Bearer %s", token);
	return rc ? rc : buf_append_u8(ret, 0, err);
}

/* A token server in plain HTTP would get what TLS protects. */
static int check_realm(const struct remote *r, const struct challenge *c, struct err *err)
{
	if (strncmp(c->realm, "https://", 8) == 0)
		return 0;
	if (strncmp(c->realm, "http://", 7) == 0 &&
	    (strcmp(r->scheme ?: "https", "http") == 0 || r->options.insecure))
		return 0;
	return err_set(err, ERR_FAILED, "will not ask for a token at '%.200s'", c->realm);
}

static int bearer(struct remote *r, const struct challenge *c, struct buf *ret,
		  struct err *err)
{
	auto_transfer struct transfer *t = NULL;
	int rc;

	if (r->credentials.registry_token) {
		rc = buf_printf(ret, err, "Bearer %s", r->credentials.registry_token);
		return rc ? rc : buf_append_u8(ret, 0, err);
	}
	rc = check_realm(r, c, err);
	if (!rc)
		rc = ask(r, c, &t, err);
	if (!rc)
		rc = take_token(t, ret, err);
	return rc ? err_wrap(err, "token for '%s'", r->host) : 0;
}

static int renew(struct remote *r, const struct challenge *c, struct err *err)
{
	auto_buf struct buf value;
	int rc = read_credentials(r, err);

	buf_init(&value, 2 * TOKEN_MAX);
	if (rc)
		return rc;
	if (c->scheme == CHALLENGE_BEARER)
		rc = bearer(r, c, &value, err);
	else if (c->scheme == CHALLENGE_BASIC && r->credentials.user)
		rc = basic(&r->credentials, &value, err);
	else if (c->scheme == CHALLENGE_BASIC)
		rc = err_set(err, ERR_FAILED, "'%s' wants credentials: log in first",
			     r->host);
	else
		rc = err_set(err, ERR_FAILED, "'%s' wants what we do not know", r->host);
	if (rc)
		return rc;
	/* The same credentials once more would get the same answer. */
	if (c->scheme == CHALLENGE_BASIC && r->authorization &&
	    strcmp(r->authorization, (const char *)value.data) == 0)
		return err_set(err, ERR_FAILED, "'%s' does not take our credentials",
			       r->host);
	free(r->authorization);
	r->authorization = (char *)value.data;
	value.data = NULL;
	r->renewals++;
	return 0;
}

int remote_auth_renew(struct remote *r, const struct transfer *t, unsigned renewals,
		      struct err *err)
{
	struct challenge c = {0};
	const char *header;
	int rc = 0;

	for (size_t i = 0; (header = transfer_header(t, "WWW-Authenticate", i)); i++)
		challenge_parse(header, &c);
	pthread_mutex_lock(&r->lock);
	/* Else another thread has just done it. */
	if (r->renewals == renewals)
		rc = renew(r, &c, err);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

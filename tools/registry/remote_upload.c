/* SPDX-License-Identifier: Apache-2.0
 * Uploads: a place is asked for, the bytes go there, and the digest ends it. Where that is
 * known the bytes go with it in one PUT, which all registries can; else in one PATCH, as
 * docker does it. */
#include <string.h>

#include "tools/registry/remote_private.h"

#define UPLOADS      "blobs/uploads/"
#define OCTET_STREAM "application/octet-stream"

struct remote_upload {
	struct remote *remote;
	struct transfer *transfer; /* what the bytes go into */
	struct buf location;       /* the newest, NUL-terminated */
	bool named;                /* the request has the digest already */
	bool done;
};

/* Takes the place that an answer names; without one the old stays. */
static int take_location(struct remote_upload *u, const struct transfer *t,
			 struct err *err)
{
	const char *location = transfer_header(t, "Location", 0);
	struct buf next;
	int rc;

	if (!location)
		return u->location.len
			       ? 0
			       : err_set(err, ERR_INVALID,
					 "the registry names no place for uploads");
	buf_init(&next, REMOTE_URL_MAX);
	rc = transfer_resolve(transfer_url(t), location, &next, err);
	if (rc) {
		buf_release(&next);
		return rc;
	}
	buf_release(&u->location);
	u->location = next;
	return 0;
}

/* Appends the location with the digest and a NUL: its query is the registry's own. */
static int named_location(const struct remote_upload *u, const struct digest *d,
			  struct buf *ret, struct err *err)
{
	const char *at = (const char *)u->location.data;
	char text[DIGEST_TEXT_SIZE];
	int rc = buf_printf(ret, err, "%s%cdigest=%s", at, strchr(at, '?') ? '&' : '?',
			    digest_format(d, text));

	return rc ? rc : buf_append_u8(ret, 0, err);
}

/* The answer to the bytes, or to the name. */
static int check(struct remote_upload *u, struct transfer *t, struct err *err)
{
	unsigned status = transfer_status(t);
	unsigned renewals;
	char *sent = NULL;
	int rc;

	if (status >= 200 && status < 300)
		return 0;
	if (status != 401)
		return remote_failure(t, err);
	/* A token that was too old: the bytes are gone, but a new one helps the next try. */
	rc = remote_auth_get(u->remote, &sent, &renewals, err);
	free(sent);
	if (!rc)
		rc = remote_auth_renew(u->remote, t, renewals, err);
	return rc ? rc : err_set(err, ERR_AGAIN, "the registry wanted a new token");
}

static int start(struct remote_upload *u, struct err *err)
{
	struct transfer_request request = {.method = "POST"};
	auto_transfer struct transfer *t = NULL;
	int rc = remote_request(u->remote, UPLOADS, &request, &t, err);

	if (rc == -ERR_NOTFOUND) /* a repository is made by pushing to it */
		return err_set(err, ERR_FAILED, "the registry takes no uploads");
	return rc ? rc : take_location(u, t, err);
}

int remote_upload_begin(struct remote *r, const struct digest *d, uint64_t size,
			struct remote_upload **ret, struct err *err)
{
	auto_remote_upload struct remote_upload *u = calloc(1, sizeof(*u));
	struct transfer_request request = {
		.method = d ? "PUT" : "PATCH",
		.content_type = OCTET_STREAM,
		.streamed = true,
		.streamed_size = d ? size : TRANSFER_SIZE_UNKNOWN,
	};
	auto_buf struct buf url;
	int rc;

	buf_init(&url, REMOTE_URL_MAX);
	if (!u)
		return err_nomem(err);
	u->remote = r;
	u->named = d;
	rc = start(u, err);
	if (!rc && d)
		rc = named_location(u, d, &url, err);
	if (!rc)
		rc = remote_request_once(
			r, d ? (const char *)url.data : (const char *)u->location.data,
			&request, &u->transfer, err);
	if (!rc)
		*ret = steal_ptr(&u);
	return rc;
}

int remote_upload_write(struct remote_upload *u, const void *data, size_t len,
			struct err *err)
{
	bool answered = false;
	int rc = transfer_write(u->transfer, data, len, &answered, err);

	if (!rc && answered) {
		rc = check(u, u->transfer, err);
		if (!rc)
			rc = err_set(err, ERR_FAILED,
				     "the registry did not wait for the end of it");
	}
	return rc;
}

static int put_name(struct remote_upload *u, const struct digest *d, struct err *err)
{
	struct transfer_request request = {.method = "PUT", .content_type = OCTET_STREAM};
	auto_transfer struct transfer *t = NULL;
	auto_buf struct buf url;
	int rc;

	buf_init(&url, REMOTE_URL_MAX);
	rc = named_location(u, d, &url, err);
	return rc ? rc
		  : remote_request(u->remote, (const char *)url.data, &request, &t, err);
}

int remote_upload_finish(struct remote_upload *u, const struct digest *d, struct err *err)
{
	int rc = transfer_written(u->transfer, err);

	if (!rc)
		rc = check(u, u->transfer, err);
	if (!rc && !u->named)
		rc = take_location(u, u->transfer, err);
	if (!rc && !u->named) {
		transfer_end(steal_ptr(&u->transfer));
		rc = put_name(u, d, err);
	}
	/* A place that is gone may be had anew. */
	if (rc == -ERR_NOTFOUND)
		rc = err_set(err, ERR_AGAIN, "the registry lost the upload");
	u->done = !rc;
	return rc;
}

static void cancel(struct remote *r, const char *location)
{
	struct transfer_request request = {.method = "DELETE"};
	struct transfer *t = NULL;

	if (remote_request_once(r, location, &request, &t, NULL) == 0)
		transfer_end(t);
}

void remote_upload_free(struct remote_upload *u)
{
	if (!u)
		return;
	transfer_end(u->transfer);
	if (!u->done && u->location.len)
		cancel(u->remote, (const char *)u->location.data);
	buf_release(&u->location);
	free(u);
}

int remote_blob_mount(struct remote *r, const struct digest *d, bool *ret_mounted,
		      struct err *err)
{
	struct transfer_request request = {.method = "POST"};
	auto_transfer struct transfer *t = NULL;
	struct remote_upload other = {.remote = r};
	char text[DIGEST_TEXT_SIZE];
	auto_free char *target = NULL;
	int rc;

	*ret_mounted = false;
	if (!r->mount_from)
		return 0;
	if (asprintf(&target, UPLOADS "?mount=%s&from=%s", digest_format(d, text),
		     r->mount_from) < 0) {
		target = NULL;
		return err_nomem(err);
	}
	/* Not to be had that way is no failure. */
	rc = remote_request(r, target, &request, &t, err);
	if (rc)
		return rc == -ERR_FAILED || rc == -ERR_NOTFOUND ? 0 : rc;
	*ret_mounted = transfer_status(t) == 201;
	/* It offers a place for an upload in its stead, which has to be given back. */
	if (!*ret_mounted && take_location(&other, t, NULL) == 0)
		cancel(r, (const char *)other.location.data);
	buf_release(&other.location);
	return 0;
}

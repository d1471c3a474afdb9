/* SPDX-License-Identifier: Apache-2.0
 * Manifests and tags of a repository. */
#include <string.h>

#include "tools/oci/document.h"
#include "tools/registry/challenge.h"
#include "tools/registry/remote_private.h"

#define PAGES_MAX 1000

/* All in one header: some servers look at the first one only. */
#define ACCEPT \
	"application/vnd.oci.image.index.v1+json, " \
	"application/vnd.oci.image.manifest.v1+json, " \
	"application/vnd.docker.distribution.manifest.list.v2+json, " \
	"application/vnd.docker.distribution.manifest.v2+json, */*;q=0.1"

static int make_target(const char *kind, const char *reference, char **ret,
		       struct err *err)
{
	if (asprintf(ret, "%s/%s", kind, reference) < 0) {
		*ret = NULL;
		return err_nomem(err);
	}
	return 0;
}

/* What the server says of the document; false if nothing, or nothing that we know. */
static bool told_digest(const struct transfer *t, struct digest *ret)
{
	const char *text = transfer_header(t, "Docker-Content-Digest", 0);

	return text && digest_parse(text, strlen(text), ret, NULL) == 0;
}

static void told_type(const struct transfer *t, char type[REMOTE_TYPE_MAX])
{
	const char *text = transfer_header(t, "Content-Type", 0);
	size_t len = text ? strcspn(text, "; \t") : 0;

	snprintf(type, REMOTE_TYPE_MAX, "%.*s", (int)len, text ?: "");
}

static int check_document(const struct transfer *t, const char *reference,
			  const struct digest *is, struct err *err)
{
	struct digest said;

	if (strchr(reference, ':') &&
	    digest_parse(reference, strlen(reference), &said, NULL) == 0 &&
	    !digest_equal(&said, is))
		return err_set(err, ERR_INVALID,
			       "digest mismatch: the document has another content");
	if (told_digest(t, &said) && !digest_equal(&said, is))
		return err_set(err, ERR_INVALID,
			       "digest mismatch: the document is not the one that "
			       "Docker-Content-Digest announces");
	return 0;
}

static int get_once(struct remote *r, const char *target, const char *reference,
		    struct buf *body, struct remote_manifest *ret, struct err *err)
{
	auto_transfer struct transfer *t = NULL;
	struct transfer_request request = {.method = "GET", .accept = ACCEPT};
	int rc = remote_request(r, target, &request, &t, err);

	if (!rc)
		rc = transfer_read_all(t, body, err);
	if (rc)
		return rc;
	digest_of(body->data, body->len, &ret->digest);
	told_type(t, ret->media_type);
	return check_document(t, reference, &ret->digest, err);
}

int remote_manifest_get(struct remote *r, const char *reference, struct buf *buf,
			struct remote_manifest *ret, struct err *err)
{
	auto_free char *target = NULL;
	auto_buf struct buf body;
	struct remote_manifest m;
	int rc = make_target("manifests", reference, &target, err);

	buf_init(&body, DOCUMENT_MAX + 1);
	for (unsigned attempt = 0; !rc; attempt++) {
		buf_clear(&body);
		rc = get_once(r, target, reference, &body, &m, err);
		if (rc != -ERR_AGAIN || !remote_wait(attempt))
			break;
		rc = 0;
	}
	if (!rc)
		rc = buf_append(buf, body.data, body.len, err);
	if (!rc)
		*ret = m;
	return rc;
}

int remote_manifest_head(struct remote *r, const char *reference, struct digest *ret,
			 struct err *err)
{
	struct transfer_request request = {.method = "HEAD", .accept = ACCEPT};
	auto_transfer struct transfer *t = NULL;
	auto_free char *target = NULL;
	int rc = make_target("manifests", reference, &target, err);

	if (!rc)
		rc = remote_request(r, target, &request, &t, err);
	if (rc)
		return rc;
	if (!told_digest(t, ret))
		*ret = (struct digest){0};
	return 0;
}

int remote_manifest_put(struct remote *r, const char *reference, const char *media_type,
			const void *data, size_t len, bool *ret_about, struct err *err)
{
	struct transfer_request request = {
		.method = "PUT",
		.content_type = media_type,
		.body = data,
		.body_len = len,
	};
	auto_transfer struct transfer *t = NULL;
	auto_free char *target = NULL;
	struct digest is, said;
	int rc = make_target("manifests", reference, &target, err);

	if (!rc)
		rc = remote_request(r, target, &request, &t, err);
	if (rc)
		return rc;
	digest_of(data, len, &is);
	if (told_digest(t, &said) && !digest_equal(&said, &is))
		return err_set(err, ERR_FAILED,
			       "the registry took another manifest than it was given");
	if (ret_about)
		*ret_about = transfer_header(t, "OCI-Subject", 0) != NULL;
	return 0;
}

/* ---- lists of several pages ---- */

/* Gives one page to EACH; appends the next one's address to NEXT, or nothing. */
static int one_page(struct remote *r, const char *target, const char *accept,
		    remote_page_fn *each, void *arg, struct buf *next, struct err *err)
{
	struct transfer_request request = {.method = "GET", .accept = accept};
	auto_transfer struct transfer *t = NULL;
	auto_buf struct buf body, link;
	bool enough = false;
	const char *header;
	int rc = remote_request(r, target, &request, &t, err);

	buf_init(&body, DOCUMENT_MAX + 1);
	buf_init(&link, REMOTE_URL_MAX);
	if (!rc)
		rc = transfer_read_all(t, &body, err);
	if (!rc)
		rc = each(arg, &body, &enough, err);
	header = rc || enough ? NULL : transfer_header(t, "Link", 0);
	if (header && challenge_next_link(header, &link))
		rc = transfer_resolve(transfer_url(t), (const char *)link.data, next,
				      err);
	return rc;
}

int remote_pages(struct remote *r, const char *target, const char *accept, unsigned max,
		 remote_page_fn *each, void *arg, bool *ret_all, struct err *err)
{
	auto_buf struct buf at;
	int rc;

	buf_init(&at, REMOTE_URL_MAX);
	rc = buf_append(&at, target, strlen(target) + 1, err);
	for (unsigned page = 0; !rc && at.len && page < max; page++) {
		struct buf next;

		buf_init(&next, REMOTE_URL_MAX);
		rc = one_page(r, (const char *)at.data, accept, each, arg, &next, err);
		buf_release(&at);
		at = next;
	}
	if (!rc)
		*ret_all = !at.len;
	return rc;
}

/* ---- tags ---- */

struct tags {
	remote_tag_fn *each;
	void *arg;
};

static int each_tag(void *arg, const struct buf *body, bool *ret_enough, struct err *err)
{
	const struct tags *to = arg;
	auto_document json_t *json = NULL;
	json_t *tags = NULL;
	int rc = document_parse(body->data, body->len, &json, err);

	(void)ret_enough;
	if (!rc)
		rc = document_array(json, "tags", &tags, err);
	for (size_t i = 0; !rc && i < json_array_size(tags); i++) {
		const char *tag = json_string_value(json_array_get(tags, i));

		if (tag)
			rc = to->each(to->arg, tag, err);
		else
			rc = err_set(err, ERR_INVALID, "a tag that is no text");
	}
	return rc;
}

int remote_tags(struct remote *r, remote_tag_fn *each, void *arg, struct err *err)
{
	struct tags to = {each, arg};
	bool all;
	int rc = remote_pages(r, "tags/list?n=1000", "application/json", PAGES_MAX,
			      each_tag, &to, &all, err);

	if (!rc && !all)
		rc = err_set(err, ERR_LIMIT, "more than %u pages of tags", PAGES_MAX);
	return rc;
}

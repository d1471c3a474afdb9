/* SPDX-License-Identifier: Apache-2.0
 * What is about a manifest: the lists that a registry keeps, or where it keeps none the index
 * that clients keep under a tag made of the digest. */
#include <string.h>

#include "tools/oci/descriptor.h"
#include "tools/registry/remote_private.h"

#define PAGES_MAX 64

/* ---- the registry's lists ---- */

/* What may stand in a query as it is. */
static int add_escaped(struct buf *buf, const char *text, struct err *err)
{
	int rc = 0;

	for (; *text && !rc; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || strchr("-._~/", c);

		rc = buf_printf(buf, err, plain ? "%c" : "%%%02X", c);
	}
	return rc;
}

static int first_page(const struct digest *d, const char *artifact_type, struct buf *ret,
		      struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = buf_printf(ret, err, "referrers/%s", digest_format(d, text));

	if (!rc && artifact_type)
		rc = buf_printf(ret, err, "?artifactType=");
	if (!rc && artifact_type)
		rc = add_escaped(ret, artifact_type, err);
	return rc ? rc : buf_append_u8(ret, 0, err);
}

/* Appends the entries of an index. ERR_INVALID: it is none. */
static int add_entries(const struct buf *body, json_t *list, struct err *err)
{
	auto_document json_t *json = NULL;
	json_t *entries = NULL, *one;
	size_t i;
	int rc = document_parse(body->data, body->len, &json, err);

	if (!rc && !json_is_object(json))
		rc = err_set(err, ERR_INVALID, "it is no index");
	if (!rc)
		rc = document_array(json, "manifests", &entries, err);
	if (!rc && !entries)
		rc = err_set(err, ERR_INVALID, "it is no index");
	if (rc)
		return rc;
	json_array_foreach(entries, i, one)
	{
		if (json_array_size(list) >= REMOTE_REFERRERS_MAX)
			break;
		if (json_array_append(list, one) < 0)
			return err_nomem(err);
	}
	return 0;
}

static int on_page(void *arg, const struct buf *body, bool *ret_enough, struct err *err)
{
	json_t *list = arg;
	int rc = add_entries(body, list, err);

	*ret_enough = json_array_size(list) >= REMOTE_REFERRERS_MAX;
	return rc;
}

static int read_pages(struct remote *r, const struct digest *d, const char *artifact_type,
		      json_t *list, struct err *err)
{
	auto_buf struct buf target;
	bool all; /* those that are too many are left out */
	int rc;

	buf_init(&target, REMOTE_URL_MAX);
	rc = first_page(d, artifact_type, &target, err);
	return rc ? rc
		  : remote_pages(r, (const char *)target.data, DESCRIPTOR_OCI_INDEX,
				 PAGES_MAX, on_page, list, &all, err);
}

/* ---- the tag ---- */

#define TAG_SIZE (sizeof("sha256-") + DIGEST_HEX_SIZE)

static const char *tag_of(const struct digest *d, char tag[TAG_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	snprintf(tag, TAG_SIZE, "sha256-%s", digest_hex(d, hex));
	return tag;
}

/* Whether the registry will not, or what it gives is no list. */
static bool has_none(int rc)
{
	return rc == -ERR_NOTFOUND || rc == -ERR_FAILED || rc == -ERR_INVALID;
}

static int read_tagged(struct remote *r, const struct digest *d, json_t *list,
		       struct err *err)
{
	auto_buf struct buf body;
	struct remote_manifest m;
	char tag[TAG_SIZE];
	int rc;

	buf_init(&body, DOCUMENT_MAX + 1);
	rc = remote_manifest_get(r, tag_of(d, tag), &body, &m, err);
	return rc ? rc : add_entries(&body, list, err);
}

static bool has_lists(struct remote *r)
{
	bool has;

	pthread_mutex_lock(&r->lock);
	has = !r->no_referrers;
	pthread_mutex_unlock(&r->lock);
	return has;
}

/* A registry that has lists has an empty one for everything else. In what lives long this is
 * not remembered: the repository may not be there yet. */
static void note_none(struct remote *r)
{
	if (r->options.hasty)
		return;
	pthread_mutex_lock(&r->lock);
	r->no_referrers = true;
	pthread_mutex_unlock(&r->lock);
}

int remote_referrers(struct remote *r, const struct digest *d, const char *artifact_type,
		     json_t *list, struct err *err)
{
	int rc = -ERR_NOTFOUND;

	if (has_lists(r)) {
		rc = read_pages(r, d, artifact_type, list, err);
		if (!has_none(rc))
			return rc;
		if (rc == -ERR_NOTFOUND)
			note_none(r);
	}
	rc = read_tagged(r, d, list, err);
	return has_none(rc) ? 0 : rc;
}

static bool lists(const json_t *list, const json_t *wanted)
{
	const char *digest = json_string_value(json_object_get(wanted, "digest"));
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const char *text = json_string_value(json_object_get(one, "digest"));

		if (text && digest && strcmp(text, digest) == 0)
			return true;
	}
	return false;
}

int remote_referrers_add(struct remote *r, const struct digest *d, const json_t *fresh,
			 struct err *err)
{
	auto_document json_t *list = json_array();
	auto_document json_t *index = NULL;
	auto_free char *text = NULL;
	char tag[TAG_SIZE];
	json_t *one;
	size_t i, was;
	int rc = list ? read_tagged(r, d, list, err) : err_nomem(err);

	if (rc && rc != -ERR_NOTFOUND)
		return rc;
	was = json_array_size(list);
	json_array_foreach(fresh, i, one)
	{
		if (!lists(list, one) && json_array_append(list, one) < 0)
			return err_nomem(err);
	}
	if (json_array_size(list) == was)
		return 0;
	index = json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType",
			  DESCRIPTOR_OCI_INDEX, "manifests", list);
	text = index ? json_dumps(index, JSON_COMPACT) : NULL;
	if (!text)
		return err_nomem(err);
	return remote_manifest_put(r, tag_of(d, tag), DESCRIPTOR_OCI_INDEX, text,
				   strlen(text), NULL, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * The build cache inside of an image's config. */
#include "tools/buildkit/cache_inline.h"

#include <string.h>

#include "tools/buildkit/base64.h"
#include "tools/oci/document.h"

#define MEMBER "moby.buildkit.cache.v0"

static int parse(const void *config, size_t len, json_t **ret, struct err *err)
{
	auto_document json_t *json = NULL;
	int rc = document_parse(config, len, &json, err);

	if (!rc && !json_is_object(json))
		rc = err_set(err, ERR_INVALID, "the config is not an object");
	if (rc)
		return rc;
	*ret = steal_ptr(&json);
	return 0;
}

int cache_inline_get(const void *config, size_t len, struct buf *ret, struct err *err)
{
	auto_document json_t *json = NULL;
	const char *text = NULL;
	int rc = parse(config, len, &json, err);

	if (!rc)
		rc = document_text(json, MEMBER, &text, err);
	if (rc)
		return rc;
	if (!text || !*text)
		return err_set(err, ERR_NOTFOUND, "the image has no inline build cache");
	rc = base64_decode(text, strlen(text), ret, err);
	return rc ? err_wrap(err, "%s", MEMBER) : 0;
}

int cache_inline_set(const void *config, size_t len, const void *records,
		     size_t records_len, struct buf *ret, struct err *err)
{
	auto_document json_t *json = NULL;
	auto_free char *out = NULL;
	auto_buf struct buf text;
	int rc = parse(config, len, &json, err);

	buf_init(&text, DOCUMENT_MAX);
	if (!rc)
		rc = base64_encode(records, records_len, &text, err);
	if (rc)
		return rc;
	if (json_object_set_new(json, MEMBER,
				json_stringn((const char *)text.data, text.len)) < 0)
		return err_nomem(err);
	out = json_dumps(json, JSON_COMPACT);
	return out ? buf_append(ret, out, strlen(out), err) : err_nomem(err);
}

/* SPDX-License-Identifier: Apache-2.0
 * Manifests that are kept for their own sake. */
#include "store/artifact.h"

int artifact_put(struct session *s, const void *manifest, size_t len,
		 const struct digest *subject, const struct digest *needs, size_t count,
		 struct digest *ret, struct err *err)
{
	struct record_item item = {.type = RECORD_ARTIFACT};
	struct digest self;
	int r;

	if (count > ARTIFACT_NEEDS_MAX)
		return err_set(err, ERR_LIMIT, "an artifact of more than %d parts",
			       ARTIFACT_NEEDS_MAX);
	if (subject)
		item.artifact.subject = *subject;
	r = session_put_document(s, manifest, len, &item.artifact.manifest, err);
	self = item.artifact.manifest;
	if (r == 0 && count == 0) { /* a list is never empty */
		needs = &self;
		count = 1;
	}
	if (r == 0)
		r = session_put_document(s, needs, count * sizeof(*needs),
					 &item.artifact.needs, err);
	if (r == 0)
		r = session_add(s, &item, err);
	if (r == 0)
		*ret = item.artifact.manifest;
	return r;
}

int artifact_needs(struct objects *o, const struct record_artifact *artifact,
		   struct buf *buf, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	size_t start = buf->len;
	int r = objects_read_all(o, &artifact->needs, buf, err);

	if (r == -ERR_NOTFOUND || (r == 0 && (buf->len - start) % DIGEST_SIZE))
		r = err_set(err, ERR_CORRUPT,
			    "the list of what artifact %s needs is missing or damaged",
			    digest_format(&artifact->manifest, text));
	return r;
}

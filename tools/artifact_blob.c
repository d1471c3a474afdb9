/* SPDX-License-Identifier: Apache-2.0
 * Parts of artifacts on their way into the store. */
#include "tools/artifact_blob.h"

#define COPY_SIZE (1u << 20)

int artifact_blob_put(struct session *s, struct stream *in, const struct digest *want,
		      struct err *err)
{
	auto_session_writer struct session_writer *w = NULL;
	auto_free char *chunk = malloc(COPY_SIZE);
	char text[DIGEST_TEXT_SIZE];
	struct digest digest;
	uint64_t size, fresh;
	size_t len = 1;
	int rc = chunk ? session_writer_new(s, NULL, &w, err) : err_nomem(err);

	while (!rc && len) {
		rc = in->read(in, chunk, COPY_SIZE, &len, err);
		if (!rc && len)
			rc = session_write(w, chunk, len, err);
	}
	if (!rc)
		rc = session_writer_finish(w, &digest, &size, &fresh, err);
	if (!rc && !digest_equal(&digest, want))
		return err_set(err, ERR_INVALID, "%s: digest mismatch",
			       digest_format(want, text));
	return rc ? rc : session_keep(s, &digest, err);
}

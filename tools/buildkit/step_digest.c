/* SPDX-License-Identifier: Apache-2.0
 * How BuildKit computes the digests of records. */
#include "tools/buildkit/step_digest.h"

#include "store/base/buf.h"

void step_digest_record(const struct digest *op, int output, struct digest *ret)
{
	char digest[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE + 16];
	int len =
		snprintf(text, sizeof(text), "%s@%d", digest_format(op, digest), output);

	digest_of(text, (size_t)len, ret);
}

void step_digest_base(const struct digest *chainid, struct digest *ret)
{
	char digest[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE + 32];
	int len = snprintf(text, sizeof(text), "buildkit.source.v0:%s",
			   digest_format(chainid, digest));
	struct digest op;

	digest_of(text, (size_t)len, &op);
	step_digest_record(&op, STEP_DIGEST_OUTPUT, ret);
}

int step_digest_content(const struct digest *paths, size_t count, struct digest *ret,
			struct err *err)
{
	auto_buf struct buf text;
	char digest[DIGEST_TEXT_SIZE];
	struct digest all;
	int rc = 0;

	buf_init(&text, 64u << 20);
	for (size_t i = 0; i < count && !rc; i++) {
		if (i)
			rc = buf_append_u8(&text, 0, err);
		if (!rc)
			rc = buf_printf(&text, err, "%s",
					digest_format(&paths[i], digest));
	}
	digest_of(text.data, text.len, &all);
	if (!rc)
		step_digest_record(&all, STEP_DIGEST_CONTENT, ret);
	return rc;
}

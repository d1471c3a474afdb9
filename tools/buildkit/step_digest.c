/* SPDX-License-Identifier: Apache-2.0
 * How BuildKit computes the digests of records. */
#include "tools/buildkit/step_digest.h"

#include <stdio.h>

void step_digest_record(const struct digest *op, struct digest *ret)
{
	char digest[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE + 16];
	int len = snprintf(text, sizeof(text), "%s@0", digest_format(op, digest));

	digest_of(text, (size_t)len, ret);
}

void step_digest_base(const struct digest *chainid, struct digest *ret)
{
	char digest[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE + 32];
	int len = snprintf(text, sizeof(text), "buildkit.source.v0:%s",
			   digest_format(chainid, digest));
	struct digest op;

	digest_of(text, (size_t)len, &op);
	step_digest_record(&op, ret);
}

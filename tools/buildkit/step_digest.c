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

/* Of what is pinned by its content: a source. */
static void source_record(const struct digest *id, struct digest *ret)
{
	char digest[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE + 32];
	int len = snprintf(text, sizeof(text), "buildkit.source.v0:%s",
			   digest_format(id, digest));
	struct digest op;

	digest_of(text, (size_t)len, &op);
	step_digest_record(&op, ret);
}

void step_digest_base(const struct digest *chainid, struct digest *ret)
{
	source_record(chainid, ret);
}

void step_digest_manifest(const struct digest *manifest, const struct platform *platform,
			  struct digest *ret)
{
	char digest[DIGEST_TEXT_SIZE], variant[40] = "", text[256];
	struct digest id;
	int len;

	if (*platform->variant)
		snprintf(variant, sizeof(variant), ",\"Variant\":\"%s\"",
			 platform->variant);
	len = snprintf(
		text, sizeof(text), "{\"Digest\":\"%s\",\"OS\":\"%s\",\"Arch\":\"%s\"%s}",
		digest_format(manifest, digest), platform->os, platform->arch, variant);
	digest_of(text, (size_t)len, &id);
	source_record(&id, ret);
}

/* SPDX-License-Identifier: Apache-2.0
 * How BuildKit computes the digests of records, as far as it can be done from outside. A text
 * form of a digest, with its "sha256:", is what is hashed again. Pure functions.
 */
#ifndef TOOLS_BUILDKIT_STEP_DIGEST_H
#define TOOLS_BUILDKIT_STEP_DIGEST_H

#include <stddef.h>

#include "store/digest.h"
#include "tools/oci/platform.h"

/* The record of an operation's output: SHA-256 of "<digest>@0". */
void step_digest_record(const struct digest *op, struct digest *ret);

/* The record of a base image by its layers. */
void step_digest_base(const struct digest *chainid, struct digest *ret);

/* The same by its manifest, or the index that was asked for. */
void step_digest_manifest(const struct digest *manifest, const struct platform *platform,
			  struct digest *ret);

#endif

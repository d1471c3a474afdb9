/* SPDX-License-Identifier: Apache-2.0
 * How BuildKit computes the digests of records, as far as it can be done from outside. A text
 * form of a digest, with its "sha256:", is what is hashed again. Pure functions.
 */
#ifndef TOOLS_BUILDKIT_STEP_DIGEST_H
#define TOOLS_BUILDKIT_STEP_DIGEST_H

#include <stddef.h>

#include "store/digest.h"

#define STEP_DIGEST_OUTPUT  0
#define STEP_DIGEST_CONTENT (-1)

/* The record of an operation's output: SHA-256 of "<digest>@<output>". */
void step_digest_record(const struct digest *op, int output, struct digest *ret);

/* The record of a base image by its layers. */
void step_digest_base(const struct digest *chainid, struct digest *ret);

/* The record of files by what they are: the digests of paths, sorted and each once. */
int step_digest_content(const struct digest *paths, size_t count, struct digest *ret,
			struct err *err) MUST_CHECK;

#endif

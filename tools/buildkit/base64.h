/* SPDX-License-Identifier: Apache-2.0
 * Base64 with padding, as RFC 4648 has it: one spelling per content. Pure functions.
 */
#ifndef TOOLS_BUILDKIT_BASE64_H
#define TOOLS_BUILDKIT_BASE64_H

#include "store/base/buf.h"

/* Append. Decoding refuses line breaks, missing padding and stray bits: ERR_INVALID. */
int base64_encode(const void *data, size_t len, struct buf *ret,
		  struct err *err) MUST_CHECK;
int base64_decode(const char *text, size_t len, struct buf *ret,
		  struct err *err) MUST_CHECK;

#endif

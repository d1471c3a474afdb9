/* SPDX-License-Identifier: Apache-2.0
 * The footer of an eStargz layer: an empty gzip member that says where the table of contents
 * begins. Pure.
 */
#ifndef TOOLS_CHUNKED_STARGZ_FOOTER_H
#define TOOLS_CHUNKED_STARGZ_FOOTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STARGZ_FOOTER_MAX 51u

/* DATA: the last LEN bytes of a blob. *ret_len: bytes of the footer, of either version. */
bool stargz_footer_parse(const uint8_t *data, size_t len, uint64_t *ret_toc_at,
			 size_t *ret_len);

#endif

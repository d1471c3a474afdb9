/* SPDX-License-Identifier: Apache-2.0
 * An entry of a tar as the table of contents has it. Readers compare that with what they make
 * of the tar's headers, so it says what they see: Go's archive/tar.
 */
#ifndef TOOLS_CHUNKED_TOC_ENTRY_H
#define TOOLS_CHUNKED_TOC_ENTRY_H

#include <jansson.h>

#include "store/tar_raw.h"

enum toc_form {
	TOC_ZSTD_CHUNKED,
	TOC_STARGZ, /* owners by name too; of the times only that of the content */
};

/* HEADER: all header blocks of the entry. *ret NULL: other readers cannot see it as we do,
 * *ret_why says of what kind it is ("a sparse file"). The caller owns *ret. */
int toc_entry_make(const struct tar_raw_entry *e, const uint8_t *header, size_t len,
		   enum toc_form form, json_t **ret, const char **ret_why,
		   struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * The compressions that archives on disk come in beside gzip and zstd: libarchive's
 * filters, without its formats. Layers of images never use them.
 *
 * Limits that come from libarchive: compress has no end mark, so its end is where the input
 * ends; four bytes behind lz4 data may be overlooked; a few bytes before an error may be
 * lost. Memory is bounded by what the first header asks for (MEMORY in tar_filter.c).
 */
#ifndef STORE_TAR_FILTER_H
#define STORE_TAR_FILTER_H

#include "store/inflate_decoder.h"

enum tar_filter {
	TAR_FILTER_NONE,
	TAR_FILTER_BZIP2,
	TAR_FILTER_COMPRESS,
	TAR_FILTER_LZ4,
	TAR_FILTER_LZMA,
	TAR_FILTER_XZ,
};

/* Bytes that tar_filter_detect looks at; with fewer it may find less. */
#define TAR_FILTER_DETECT 16u

enum tar_filter tar_filter_detect(const uint8_t *data, size_t len);
const char *tar_filter_name(enum tar_filter filter);

/* A decoder of FILTER (not NONE). Borrows IN, which lives longer. */
int tar_filter_new(enum tar_filter filter, struct inflate_input *in,
		   struct inflate_decoder **ret, struct err *err) MUST_CHECK;

#endif

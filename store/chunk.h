/* SPDX-License-Identifier: Apache-2.0
 * Where to cut large content: a pure function of the bytes, so equal runs in two files are
 * cut alike wherever they start (content-defined chunking).
 */
#ifndef STORE_CHUNK_H
#define STORE_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#define CHUNK_MIN (16u << 10)
#define CHUNK_MAX (256u << 10) /* average about 64 KiB */

/* Files up to this size are one object, never chunked. */
#define CHUNK_THRESHOLD (256u << 10)

/* The length of the first chunk of DATA. LEN is what is left of the content, or at least
 * CHUNK_MAX bytes of it: the answer never depends on bytes beyond CHUNK_MAX. 0 only for
 * LEN 0. */
size_t chunk_cut(const uint8_t *data, size_t len);

#endif

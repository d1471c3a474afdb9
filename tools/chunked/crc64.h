/* SPDX-License-Identifier: Apache-2.0
 * The 64-bit checksum of tar-split: the ISO polynomial, bits reflected.
 */
#ifndef TOOLS_CHUNKED_CRC64_H
#define TOOLS_CHUNKED_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from CRC, which is 0 for the first bytes. */
uint64_t crc64(uint64_t crc, const void *data, size_t len);

#endif

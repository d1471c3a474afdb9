/* SPDX-License-Identifier: Apache-2.0
 * Sums over header blocks, eight bytes at a time. */
#include "store/tar_block.h"

#include <string.h>

#include "store/tar_number.h"

#define WORDS (TAR_BLOCK_SIZE / sizeof(uint64_t))

bool tar_block_is_zero(const void *block)
{
	uint64_t any = 0, w;

	if (*(const uint8_t *)block)
		return false;
	for (size_t i = 0; i < WORDS; i++) {
		memcpy(&w, (const uint8_t *)block + i * sizeof(w), sizeof(w));
		any |= w;
	}
	return any == 0;
}

/* Sums of all bytes: four lanes of 16 bits hold 128 bytes of 255 each. */
static unsigned sum_of(const void *block)
{
	const uint64_t even = 0x00ff00ff00ff00ff;
	uint64_t sum = 0, w;

	for (size_t i = 0; i < WORDS; i++) {
		memcpy(&w, (const uint8_t *)block + i * sizeof(w), sizeof(w));
		sum += (w & even) + (w >> 8 & even);
	}
	return (unsigned)((sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 & 0xffff) +
			  (sum >> 48));
}

static unsigned high_bytes(const void *block)
{
	unsigned count = 0;

	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
		count += ((const uint8_t *)block)[i] >> 7;
	return count;
}

/* The checksum field counts as blanks. It has octal digits only, so no byte above 127. */
bool tar_block_is_header(const struct tar_block *b)
{
	int64_t told, sum = sum_of(b);

	if ((uint8_t)b->checksum[0] & 0x80 ||
	    !tar_number_field(b->checksum, sizeof(b->checksum), &told))
		return false;
	for (size_t i = 0; i < sizeof(b->checksum); i++)
		sum += ' ' - (uint8_t)b->checksum[i];
	return told == sum || told == sum - 256 * (int64_t)high_bytes(b);
}

bool tar_block_dialect(const struct tar_block *b, enum tar_dialect *ret)
{
	if (memcmp(b->magic, "ustar", 5) != 0)
		*ret = TAR_V7;
	else if (memcmp(b->magic, "ustar  ", 8) == 0)
		*ret = TAR_GNU;
	else if (b->magic[5] == '\0' || b->prefix[0] == '\0')
		*ret = TAR_USTAR;
	else
		return false;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0
 * Node ids made from digests.
 */
#include "fs/nodeid.h"

uint64_t nodeid_digest_bits(const struct digest *d, unsigned bits)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < sizeof(v); i++)
		v = v << 8 | d->bytes[i];
	return v >> (64 - bits);
}

uint64_t nodeid_object(const struct digest *d)
{
	return nodeid_make(NODEID_OBJECT, nodeid_digest_bits(d, NODEID_REST_BITS));
}

uint32_t nodeid_object_generation(const struct digest *d)
{
	return (uint32_t)d->bytes[8] << 24 | (uint32_t)d->bytes[9] << 16 |
	       (uint32_t)d->bytes[10] << 8 | d->bytes[11];
}

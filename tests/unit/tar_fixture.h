/* SPDX-License-Identifier: Apache-2.0
 * Small tar archives made by hand, for tests that read them. */
#ifndef TESTS_UNIT_TAR_FIXTURE_H
#define TESTS_UNIT_TAR_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "store/tar_write.h"

static inline void tar_fixture_header(struct buf *out, enum tar_type type,
				      const char *path, const char *link, uint64_t size)
{
	struct tar_entry e = {.type = type,
			      .path = path,
			      .path_len = strlen(path),
			      .link = link,
			      .link_len = strlen(link),
			      .mode = 0644,
			      .size = size};

	if (tar_write_entry(out, &e, NULL))
		abort();
}

static inline void tar_fixture_file(struct buf *out, const char *path, const void *data,
				    size_t len)
{
	tar_fixture_header(out, TAR_FILE, path, "", len);
	if (buf_append(out, data, len, NULL) ||
	    buf_append_zeros(out, tar_write_padding(len), NULL))
		abort();
}

static inline void tar_fixture_end(struct buf *out)
{
	if (tar_write_end(out, NULL))
		abort();
}

/* Bytes that do not compress, the same for the same SEED. */
static inline void tar_fixture_noise(uint8_t *data, size_t len, unsigned seed)
{
	uint64_t x = 88172645463325252ull + seed;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (uint8_t)x;
	}
}

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: a .dockerignore, up to the first 0xff, and the path behind it. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = memchr(data, 0xff, size);
	size_t lines = cut ? (size_t)(cut - data) : size;
	auto_ignore struct ignore *g = NULL;
	auto_free char *path =
		cut ? strndup((const char *)cut + 1, size - lines - 1) : strdup("a/b");
	int r;

	if (!path || strlen(path) > 4096 || ignore_new(&g, NULL))
		return 0;
	r = ignore_add_lines(g, data, lines, NULL);
	if (r < 0 && r != -ERR_INVALID && r != -ERR_LIMIT)
		abort();
	/* Where nothing is excepted nothing returns. */
	if (ignore_may_return(g, path) && !memchr(data, '!', lines))
		abort();
	ignore_match(g, path);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: tar-split, compressed or as plain text.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/chunked/tarsplit_read.h"

#define TEXT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tarsplit_read *r = NULL;
	struct tarsplit_line line;
	uint64_t bytes = 0;
	bool end = false;
	int rc = tarsplit_read_open(data, size, TEXT_MAX, &r, NULL);

	while (!rc) {
		rc = tarsplit_read_next(r, &line, &end, NULL);
		if (rc || end)
			break;
		if (line.file ? strlen(line.name) > TEXT_MAX || line.size > INT64_MAX
			      : line.bytes->len > TEXT_MAX)
			abort();
		bytes += line.file ? 0 : line.bytes->len;
	}
	if (bytes > TEXT_MAX)
		abort();
	tarsplit_read_close(r);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: what a client writes into the path and the range headers of a request. A path
 * that is taken must be made of what a path of a registry may have.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/serve/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_route(const char *text)
{
	struct route r;

	route_parse(text, &r);
	if (r.kind == ROUTE_NONE || r.fault)
		return;
	if (strstr(r.name, "..") || strchr(r.tag, '/') || r.name[0] == '/' ||
	    strspn(r.id, "0123456789abcdef") != strlen(r.id))
		abort();
	if (*r.name && !route_is_name(r.name, strlen(r.name)))
		abort();
}

static void check_ranges(const char *text)
{
	const uint64_t sizes[] = {0, 1, 1000, UINT64_MAX};
	uint64_t from, length;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		enum route_range kind = route_range_parse(text, sizes[i], &from, &length);

		if (kind == ROUTE_PART &&
		    (length == 0 || from >= sizes[i] || length > sizes[i] - from))
			abort();
	}
	if (route_piece_parse(text, &from, &length) && length == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_route(text);
	check_ranges(text);
	free(text);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: lists in headers of registries. What is taken out of them is in them. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tools/registry/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = strndup((const char *)data, size);
	struct challenge c = {0};
	auto_buf struct buf link;

	buf_init(&link, 4096);
	if (!text)
		return 0;
	challenge_parse(text, &c);
	if (c.scheme == CHALLENGE_BEARER && !*c.realm)
		abort();
	if (strlen(c.realm) + strlen(c.service) + strlen(c.scope) > strlen(text))
		abort();
	if (challenge_next_link(text, &link) && !strstr(text, (const char *)link.data))
		abort();
	return 0;
}

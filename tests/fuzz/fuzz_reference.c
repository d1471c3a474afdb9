/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: names of images. A normalised name is one that stays as it is. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tools/oci/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken must be taken again, unchanged. */
static void check_again(const char *name)
{
	auto_buf struct buf again;

	buf_init(&again, 4096);
	if (reference_normalize(name, &again, NULL) ||
	    strcmp(name, (const char *)again.data) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = strndup((const char *)data, size);
	auto_buf struct buf name, local;

	buf_init(&name, 4096);
	buf_init(&local, 4096);
	if (!text)
		return 0;
	if (reference_normalize(text, &name, NULL) == 0)
		check_again((const char *)name.data);
	if (reference_local(text, NULL, &local, NULL))
		abort();
	check_again((const char *)local.data);
	return 0;
}

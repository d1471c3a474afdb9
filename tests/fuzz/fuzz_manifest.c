/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: manifests, indexes and configs. */
#include <stddef.h>
#include <stdint.h>

#include "tools/oci/config.h"
#include "tools/oci/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all that a descriptor has. */
static size_t touch(const struct descriptor *d)
{
	char text[PLATFORM_TEXT_SIZE];

	return (d->media_type ? strlen(d->media_type) : 0) + strlen(d->url) +
	       (d->tag ? strlen(d->tag) : 0) +
	       (d->image_name ? strlen(d->image_name) : 0) +
	       strlen(platform_format(&d->platform, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_config struct config config = {0};
	auto_manifest struct manifest m = {0};
	volatile size_t sum = 0;
	struct err err = {0};
	int rc = manifest_parse(data, size, NULL, &m, &err);

	if (rc && rc != -ERR_INVALID && rc != -ERR_LIMIT)
		abort();
	for (size_t i = 0; i < m.count; i++)
		sum += touch(&m.items[i]);
	if (!rc)
		manifest_forget_texts(&m);
	rc = config_parse(data, size, 1, &config, &err);
	if (rc && rc != -ERR_INVALID && rc != -ERR_LIMIT)
		abort();
	if (!rc && config.count != 1)
		abort();
	return 0;
}

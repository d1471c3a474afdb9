/* SPDX-License-Identifier: Apache-2.0
 * What an image's own documents say about it, for people: when, by whom, and the steps it
 * was made in. Documents were checked at import; what is missing or odd here is left out.
 */
#ifndef TOOLS_IMAGE_CONFIG_H
#define TOOLS_IMAGE_CONFIG_H

#include <jansson.h>

#include "store/object.h"
#include "store/record.h"

struct image_config {
	json_t *config, *manifest; /* objects; NULL if not readable as JSON */
};

/* Reads both documents. ERR_CORRUPT if one is not in the store. */
int image_config_read(struct objects *objects, const struct record_image *image,
		      struct image_config *ret, struct err *err) MUST_CHECK;
void image_config_release(struct image_config *c);
#define auto_image_config __attribute__((cleanup(image_config_release)))

/* The text at KEY of the config; NULL if there is none. Valid until release. */
const char *image_config_text(const struct image_config *c, const char *key);

/* The steps of the history; 0 if there is none. */
size_t image_config_steps(const struct image_config *c);

struct image_config_step {
	const char *created_by; /* "" unknown */
	bool empty;             /* made no layer */
};
void image_config_step(const struct image_config *c, size_t i,
		       struct image_config_step *ret);

/* Compressed bytes of layer I of COUNT, by the manifest; false if it does not say. */
bool image_config_layer_size(const struct image_config *c, size_t i, size_t count,
			     uint64_t *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: decoders of recipe segments and indexes. Their magic tells which is meant. */
#include <stddef.h>
#include <stdint.h>

#include "store/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_step(void *arg, const struct recipe_step *step, struct err *err)
{
	uint64_t *sum = arg;

	(void)err;
	*sum += step->len;
	for (uint64_t i = 0; step->op == RECIPE_LITERAL && i < step->len; i++)
		*sum += step->literal[i];
	return 0;
}

static int on_segment(void *arg, const struct pack_place *place, uint64_t at,
		      uint64_t len, struct err *err)
{
	uint64_t *sum = arg;

	(void)err;
	*sum += place->off + at + len;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = {0};
	uint64_t sum = 0, tar_size;

	if (recipe_segment_decode(data, size, 0, on_step, &sum, &err) < 0 &&
	    err.code != ERR_CORRUPT)
		abort();
	if (recipe_index_decode(data, size, on_segment, &sum, &tar_size, &err) < 0 &&
	    err.code != ERR_CORRUPT)
		abort();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: documents of keys. The input is one or, cut at the first 0xff, two, which are
 * compared; listings of inputs are the second one's bytes. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/step_explain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
	const uint8_t *data;
	size_t size;
};

static void judge(int r)
{
	if (r < 0 && r != -ERR_CORRUPT && r != -ERR_INVALID && r != -ERR_LIMIT)
		abort();
}

static void look(const struct step_key_document *d)
{
	for (size_t i = 0; i < d->count; i++) {
		struct digest content, listing;
		enum step_key_parent kind;
		const char *dest;
		size_t len;

		judge(step_key_parent_of(&d->values[i], &kind, &content, NULL));
		judge(step_key_input_of(&d->values[i], &content, &listing, &dest, &len,
					NULL));
	}
}

static int load(void *arg, const struct digest *d, struct buf *ret, struct err *err)
{
	const struct bytes *b = arg;

	(void)d;
	return buf_append(ret, b->data, b->size, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_step_key_document struct step_key_document a = {0}, b = {0};
	auto_step_explain struct step_explain e = {0};
	const uint8_t *cut = memchr(data, 0xff, size);
	struct bytes second = {cut ? cut + 1 : data,
			       cut ? size - (size_t)(cut + 1 - data) : size};
	size_t first = cut ? (size_t)(cut - data) : size;
	int r = step_key_decode(data, first, &a, NULL);

	judge(r);
	if (r < 0)
		return 0;
	look(&a);
	r = step_key_decode(second.data, second.size, &b, NULL);
	judge(r);
	if (r == 0)
		judge(step_explain(&a, &b, load, &second, &e, NULL));
	return 0;
}

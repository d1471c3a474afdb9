/* SPDX-License-Identifier: Apache-2.0
 * Content that takes an encoder through all it can do: text, machine-like records, noise,
 * runs, and far and near repetitions, always the same. */
#ifndef TESTS_UNIT_ENCODING_FIXTURE_H
#define TESTS_UNIT_ENCODING_FIXTURE_H

#include <stdint.h>
#include <string.h>

struct content {
	uint8_t *data;
	size_t len, size;
	uint64_t seed;
};

static inline uint32_t content_random(struct content *c, uint32_t below)
{
	c->seed ^= c->seed << 13;
	c->seed ^= c->seed >> 7;
	c->seed ^= c->seed << 17;
	return (uint32_t)(c->seed >> 24) % below;
}

static inline void content_put(struct content *c, uint32_t byte)
{
	if (c->len < c->size)
		c->data[c->len++] = (uint8_t)byte;
}

static inline void content_words(struct content *c, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t word = content_random(c, 1500), len = 1 + word % 9;

		for (uint32_t k = 0; k < len; k++)
			content_put(c, 'a' + (word * 2654435761u >> (3 * k)) % 26);
		content_put(c, ' ');
	}
}

static inline void content_records(struct content *c, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t v = content_random(c, 70000);

		content_put(c, 0x48);
		content_put(c, 0x8b);
		content_put(c, v);
		content_put(c, v >> 8);
		content_put(c, v >> 16);
		content_put(c, 0);
		content_put(c, i);
	}
}

static inline void content_again(struct content *c, uint32_t count)
{
	size_t from = c->len > 40000 ? c->len - content_random(c, 40000) : 0;

	for (uint32_t i = 0; i < count && c->len; i++)
		content_put(c, c->data[from + i < c->len ? from + i : from]);
}

static inline void content_make(uint8_t *data, size_t size)
{
	struct content c = {data, 0, size, 88172645463325252u};

	while (c.len < size) {
		uint32_t count =
			1 + content_random(&c, content_random(&c, 4) ? 600 : 30000);

		switch (content_random(&c, 8)) {
		case 0:
			for (uint32_t i = 0; i < count; i++)
				content_put(&c, content_random(&c, 256));
			break;
		case 1:
			for (uint32_t i = 0; i < 2 * count; i++)
				content_put(&c, 0);
			break;
		case 2:
			for (uint32_t i = 0; i < count; i++)
				content_put(&c, content_random(&c, 11));
			break;
		case 3:
		case 4:
			content_again(&c, count);
			break;
		case 5:
			content_records(&c, count / 4);
			break;
		default:
			content_words(&c, count / 4);
		}
	}
}

/* Around the sizes at which something is different. */
static const size_t content_sizes[] = {0,
				       1,
				       20,
				       33,
				       127,
				       128,
				       5000,
				       32768,
				       65535,
				       65536,
				       131072,
				       131073,
				       200000,
				       1048575,
				       1048576,
				       1048577,
				       1048576 + 65535,
				       2500000};

#endif

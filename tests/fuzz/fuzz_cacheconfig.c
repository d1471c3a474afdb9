/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: BuildKit's cache document, and the records in an image's config. */
#include <stddef.h>
#include <stdint.h>

#include "tools/buildkit/cache_inline.h"
#include "tools/buildkit/cache_keys.h"
#include "tools/buildkit/cache_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_code(int rc)
{
	if (rc && rc != -ERR_INVALID && rc != -ERR_LIMIT && rc != -ERR_NOTFOUND)
		abort();
}

/* What was taken can be used, and is written so that it is taken again. */
static void use(const struct cacheconfig *c)
{
	auto_cacheconfig struct cacheconfig again = {0};
	auto_free struct cache_tree_line *lines = NULL;
	auto_cache_keys struct cache_keys keys = {0};
	uint32_t chain[CACHECONFIG_CHAIN_MAX], count;
	auto_buf struct buf out;

	buf_init(&out, 64u << 20);
	for (uint32_t i = 0; i < c->result_count; i++)
		if (cacheconfig_chain(c, &c->results[i], chain) == 0)
			abort();
	if (cache_tree_lines(c, &lines, &count, NULL) < 0 || count > c->record_count)
		abort();
	if (cache_keys_make(c, &keys, NULL) < 0 || cacheconfig_format(c, &out, NULL) < 0)
		abort();
	if (out.len <= CACHECONFIG_MAX &&
	    cacheconfig_parse(out.data, out.len, &again, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cacheconfig c;
	auto_buf struct buf records;
	struct err err = {0};
	int rc = cacheconfig_parse(data, size, &c, &err);

	check_code(rc);
	if (!rc) {
		use(&c);
		cacheconfig_release(&c);
	}
	buf_init(&records, CACHECONFIG_MAX);
	rc = cache_inline_get(data, size, &records, &err);
	check_code(rc);
	if (!rc) {
		rc = cacheconfig_parse_records(records.data, records.len, 5, &c, &err);
		check_code(rc);
		if (!rc) {
			use(&c);
			cacheconfig_release(&c);
		}
	}
	return 0;
}

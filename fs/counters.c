/* SPDX-License-Identifier: Apache-2.0
 * Counters of the daemon. Those of trees are in pages made on demand, as tree numbers are
 * dense but may start anywhere.
 */
#include "fs/counters.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "fs/nodeid.h"

#define PAGE_BITS 12
#define PAGE_SIZE (1u << PAGE_BITS)
#define PAGES     ((NODEID_TREE_MAX >> PAGE_BITS) + 1)

struct page {
	_Atomic int64_t held[PAGE_SIZE];
};

struct counters {
	atomic_ullong requests[COUNTERS_REQUESTS];
	atomic_ullong errors;
	atomic_ullong read_bytes;
	atomic_ullong given_bytes;
	_Atomic(struct page *) pages[PAGES];
};

static const char *const request_names[COUNTERS_REQUESTS] = {
	[COUNTERS_LOOKUP] = "lookup",     [COUNTERS_GETATTR] = "getattr",
	[COUNTERS_READLINK] = "readlink", [COUNTERS_OPEN] = "open",
	[COUNTERS_READ] = "read",         [COUNTERS_READDIR] = "readdir",
	[COUNTERS_GETXATTR] = "getxattr", [COUNTERS_LISTXATTR] = "listxattr",
	[COUNTERS_FORGET] = "forget",     [COUNTERS_STATFS] = "statfs",
};

int counters_new(struct counters **ret, struct err *err)
{
	struct counters *c = calloc(1, sizeof(*c));

	if (!c)
		return err_nomem(err);
	*ret = c;
	return 0;
}

void counters_free(struct counters *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < PAGES; i++)
		free(c->pages[i]);
	free(c);
}

void counters_request(struct counters *c, enum counters_request request)
{
	atomic_fetch_add_explicit(&c->requests[request], 1, memory_order_relaxed);
}

void counters_error(struct counters *c)
{
	atomic_fetch_add_explicit(&c->errors, 1, memory_order_relaxed);
}

void counters_read(struct counters *c, uint64_t bytes)
{
	atomic_fetch_add_explicit(&c->read_bytes, bytes, memory_order_relaxed);
}

void counters_given(struct counters *c, uint64_t bytes)
{
	atomic_fetch_add_explicit(&c->given_bytes, bytes, memory_order_relaxed);
}

static struct page *page_of(struct counters *c, uint32_t tree)
{
	_Atomic(struct page *) *slot = &c->pages[tree >> PAGE_BITS];
	struct page *page = atomic_load(slot), *none = NULL;

	if (page)
		return page;
	page = calloc(1, sizeof(*page));
	if (!page || atomic_compare_exchange_strong(slot, &none, page))
		return page;
	free(page);
	return none;
}

void counters_hold(struct counters *c, uint32_t tree, int64_t count)
{
	struct page *page;

	if (tree > NODEID_TREE_MAX)
		return;
	page = page_of(c, tree);
	if (page)
		atomic_fetch_add_explicit(&page->held[tree % PAGE_SIZE], count,
					  memory_order_relaxed);
}

int64_t counters_held(struct counters *c, uint32_t tree)
{
	struct page *page = tree > NODEID_TREE_MAX ? NULL : c->pages[tree >> PAGE_BITS];

	return page ? page->held[tree % PAGE_SIZE] : 0;
}

int counters_format(struct counters *c, struct buf *out, struct err *err)
{
	uint64_t trees = 0;
	int64_t nodes = 0;
	int rc = buf_printf(out, err, "# TYPE layercache_requests_total counter\n");

	for (unsigned i = 0; i < COUNTERS_REQUESTS && !rc; i++)
		rc = buf_printf(out, err, "layercache_requests_total{kind=\"%s\"} %llu\n",
				request_names[i], c->requests[i]);
	for (unsigned i = 0; i < PAGES; i++) {
		struct page *page = c->pages[i];

		for (unsigned k = 0; page && k < PAGE_SIZE; k++) {
			trees += page->held[k] > 0;
			nodes += page->held[k];
		}
	}
	if (rc)
		return rc;
	return buf_printf(out, err,
			  "# TYPE layercache_errors_total counter\n"
			  "layercache_errors_total %llu\n"
			  "# TYPE layercache_read_bytes_total counter\n"
			  "layercache_read_bytes_total %llu\n"
			  "# TYPE layercache_given_bytes_total counter\n"
			  "layercache_given_bytes_total %llu\n"
			  "# TYPE layercache_trees_in_use gauge\n"
			  "layercache_trees_in_use %" PRIu64 "\n"
			  "# TYPE layercache_nodes_in_use gauge\n"
			  "layercache_nodes_in_use %" PRId64 "\n",
			  c->errors, c->read_bytes, c->given_bytes, trees, nodes);
}

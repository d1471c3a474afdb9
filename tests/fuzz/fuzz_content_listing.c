/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: listings of inputs. What can be read is written again as the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/content_listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_xattrs(struct content_text at)
{
	struct content_text name;
	struct digest value;

	while (content_listing_xattr(&at, &name, &value))
		if (name.len > at.len + name.len)
			abort();
	if (at.len)
		abort();
}

/* Without xattrs, whose values are not known. */
static void write_again(const struct content_entry *e, const uint8_t *line)
{
	auto_buf struct buf out;
	struct xattr_list none;
	size_t at;

	buf_init(&out, CONTENT_LISTING_MAX);
	xattr_list_init(&none);
	if (content_listing_add(&out, e, &none, &at, NULL) ||
	    memcmp(out.data, line, out.len - 1) != 0)
		abort();
	xattr_list_release(&none);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct content_entry e, before = {0};
	struct cursor c;
	bool more = true;

	if (content_listing_begin(data, size, &c, NULL) < 0)
		return 0;
	while (more) {
		const uint8_t *line = c.p;

		if (content_listing_next(&c, &e, &more, NULL) < 0 || !more)
			return 0;
		walk_xattrs(e.xattrs);
		write_again(&e, line);
		if (content_listing_cmp(&before.path, &e.path) +
			    content_listing_cmp(&e.path, &before.path) !=
		    0)
			abort();
		before = e;
	}
	return 0;
}

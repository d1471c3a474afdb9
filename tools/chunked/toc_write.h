/* SPDX-License-Identifier: Apache-2.0
 * Writes the table of contents of a zstd:chunked or eStargz layer, entry by entry, in the order of the
 * tar. Where an entry's chunks lie in the blob is told later, so entries wait until it was.
 */
#ifndef TOOLS_CHUNKED_TOC_WRITE_H
#define TOOLS_CHUNKED_TOC_WRITE_H

#include <jansson.h>

#include "store/digest.h"
#include "tools/chunked/packed_text.h"
#include "tools/chunked/toc_entry.h"

struct toc_write_item;

struct toc_write {
	enum toc_form form;
	struct packed_text text;
	struct toc_write_item *items; /* those that wait, oldest first */
	size_t count, cap;
	size_t placing; /* the item whose chunks get their places now */
	uint64_t
		front; /* in the blob: the headers before the next chunk that gets its place */
};

int toc_write_init(struct toc_write *w, enum toc_form form, struct err *err) MUST_CHECK;
void toc_write_release(struct toc_write *w);

/* ENTRY: what the header says (toc_entry.h); its reference is taken, also on failure. SIZE:
 * bytes of content that chunks will cover. */
int toc_write_entry(struct toc_write *w, json_t *entry, uint64_t size,
		    struct err *err) MUST_CHECK;

/* The row of the last entry, which has content, says where the headers before it are
 * (stargz_toc.h). */
void toc_write_front(struct toc_write *w);

/* The next chunk of the last entry, in order. */
int toc_write_chunk(struct toc_write *w, const struct digest *digest, uint64_t len,
		    struct err *err) MUST_CHECK;

/* The last entry has all its chunks. */
void toc_write_content(struct toc_write *w, const struct digest *digest);

/* The first chunk that has no place yet lies at AT .. AT + LEN of the blob. */
int toc_write_place(struct toc_write *w, uint64_t at, uint64_t len,
		    struct err *err) MUST_CHECK;

/* The end: every chunk has its place. SPLIT: of the compressed tar-split; eStargz has none:
 * NULL. */
int toc_write_finish(struct toc_write *w, const struct digest *split,
		     struct err *err) MUST_CHECK;

#endif

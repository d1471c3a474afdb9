/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: tables of contents of eStargz layers, and the footer. What is taken covers its
 * files and lies in the blob in order, and the lengths of its parts add up.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tools/chunked/stargz_footer.h"
#include "tools/chunked/stargz_toc.h"

#define BLOB_SIZE (1u << 24)
#define TEXT_MAX  (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_untold(const struct stargz_stretch *s)
{
	if (s->count > 1 || s->headers_at < s->at || s->headers_at >= s->end)
		abort();
}

static void check(const struct stargz_stretch *s, uint64_t at)
{
	uint64_t len = 0, framing = 0;

	if (s->at != at || s->end < s->at || s->end > BLOB_SIZE || s->header > s->len)
		abort();
	for (size_t i = 0; i < s->count; i++) {
		const struct stargz_piece *p = &s->pieces[i];

		if (!p->len || p->len > STARGZ_PART_MAX || p->off > p->file_size ||
		    p->len > p->file_size - p->off)
			abort();
		len += p->len + p->framing;
		framing += p->framing;
	}
	if (!s->count)
		len = framing = s->framing->len;
	if (len != s->len || framing != s->framing->len)
		abort();
	if (s->untold)
		check_untold(s);
}

static void read_all(const uint8_t *data, size_t size, bool gnu)
{
	const struct stargz_stretch *s = NULL;
	struct stargz_toc *t = NULL;
	struct stream *in;
	uint64_t at = 0;
	int rc = stream_from_bytes(data, size, &in, NULL);

	if (!rc)
		rc = stargz_toc_open(in, TEXT_MAX, BLOB_SIZE, &t, NULL);
	while (!rc) {
		rc = stargz_toc_next(t, gnu, &s, NULL);
		if (rc || !s)
			break;
		check(s, at);
		at = s->end;
		gnu = !gnu;
	}
	if (!rc && at != BLOB_SIZE)
		abort();
	stargz_toc_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t at;
	size_t len;

	if (stargz_footer_parse(data, size, &at, &len) && len > size)
		abort();
	read_all(data, size, false);
	read_all(data, size, true);
	return 0;
}

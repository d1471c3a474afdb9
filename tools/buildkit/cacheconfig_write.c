/* SPDX-License-Identifier: Apache-2.0
 * BuildKit's cache document to bytes, spelled as BuildKit spells it. */
#include "tools/buildkit/cacheconfig.h"

static int put_layer(const struct cacheconfig_layer *layer, struct buf *ret,
		     struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = buf_printf(ret, err, "{\"blob\":\"%s\"",
			    digest_format(&layer->blob, text));

	/* Go leaves out 0, which is the first layer; none is -1. */
	if (!rc && layer->parent == CACHECONFIG_NONE)
		rc = buf_printf(ret, err, ",\"parent\":-1");
	else if (!rc && layer->parent)
		rc = buf_printf(ret, err, ",\"parent\":%u", layer->parent);
	return rc ? rc : buf_append_u8(ret, '}', err);
}

static int put_result(const struct cacheconfig *c, const struct cacheconfig_result *r,
		      struct buf *ret, struct err *err)
{
	int rc;

	if (r->layer != CACHECONFIG_NONE) {
		rc = buf_printf(ret, err, "{\"layer\":%u", r->layer);
	} else {
		rc = buf_printf(ret, err, "{\"layers\":[");
		for (uint32_t i = 0; i < r->count && !rc; i++)
			rc = buf_printf(ret, err, "%s%u", i ? "," : "",
					c->chains[r->first + i]);
		if (!rc)
			rc = buf_append_u8(ret, ']', err);
	}
	return rc ? rc : buf_printf(ret, err, ",\"createdAt\":\"%s\"}", r->created);
}

/* The results of one form under KEY, with a comma behind; nothing if there are none. */
static int put_results(const struct cacheconfig *c,
		       const struct cacheconfig_record *record, bool chains,
		       const char *key, struct buf *ret, struct err *err)
{
	uint32_t done = 0;
	int rc = 0;

	for (uint32_t i = 0; i < record->result_count && !rc; i++) {
		const struct cacheconfig_result *r =
			&c->results[record->result_first + i];

		if ((r->layer == CACHECONFIG_NONE) != chains)
			continue;
		if (done++)
			rc = buf_append_u8(ret, ',', err);
		else
			rc = buf_printf(ret, err, "\"%s\":[", key);
		if (!rc)
			rc = put_result(c, r, ret, err);
	}
	return rc || !done ? rc : buf_append(ret, "],", 2, err);
}

static int put_link(const struct cacheconfig_link *link, struct buf *ret, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = buf_append_u8(ret, '{', err);

	if (!rc && !digest_is_zero(&link->selector))
		rc = buf_printf(ret, err, "\"selector\":\"%s\",",
				digest_format(&link->selector, text));
	return rc ? rc : buf_printf(ret, err, "\"link\":%u}", link->record);
}

static int put_inputs(const struct cacheconfig *c,
		      const struct cacheconfig_record *record, struct buf *ret,
		      struct err *err)
{
	const struct cacheconfig_link *links = c->links + record->link_first;
	int rc = buf_printf(ret, err, ",\"inputs\":[");

	for (uint32_t i = 0; i < record->link_count && !rc; i++) {
		bool first = i == 0 || links[i].input != links[i - 1].input;

		if (i)
			rc = buf_printf(ret, err, first ? "]," : ",");
		if (!rc && first)
			rc = buf_append_u8(ret, '[', err);
		if (!rc)
			rc = put_link(&links[i], ret, err);
	}
	return rc ? rc : buf_append(ret, "]]", 2, err);
}

int cacheconfig_format_record(const struct cacheconfig *c, uint32_t record,
			      struct buf *ret, struct err *err)
{
	const struct cacheconfig_record *r = &c->records[record];
	char text[DIGEST_TEXT_SIZE];
	int rc = buf_append_u8(ret, '{', err);

	if (!rc)
		rc = put_results(c, r, false, "layers", ret, err);
	if (!rc)
		rc = put_results(c, r, true, "chains", ret, err);
	if (!rc)
		rc = buf_printf(ret, err, "\"digest\":\"%s\"",
				digest_format(&r->digest, text));
	if (!rc && r->link_count)
		rc = put_inputs(c, r, ret, err);
	return rc ? rc : buf_append_u8(ret, '}', err);
}

int cacheconfig_format_records(const struct cacheconfig *c, struct buf *ret,
			       struct err *err)
{
	int rc = buf_append_u8(ret, '[', err);

	for (uint32_t i = 0; i < c->record_count && !rc; i++) {
		if (i)
			rc = buf_append_u8(ret, ',', err);
		if (!rc)
			rc = cacheconfig_format_record(c, i, ret, err);
	}
	return rc ? rc : buf_append_u8(ret, ']', err);
}

int cacheconfig_format(const struct cacheconfig *c, struct buf *ret, struct err *err)
{
	int rc = buf_printf(ret, err, "{\"layers\":[");

	for (uint32_t i = 0; i < c->layer_count && !rc; i++) {
		if (i)
			rc = buf_append_u8(ret, ',', err);
		if (!rc)
			rc = put_layer(&c->layers[i], ret, err);
	}
	if (!rc)
		rc = buf_printf(ret, err, "],\"records\":");
	if (!rc)
		rc = cacheconfig_format_records(c, ret, err);
	return rc ? rc : buf_append_u8(ret, '}', err);
}

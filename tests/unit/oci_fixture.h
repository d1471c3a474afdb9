/* SPDX-License-Identifier: Apache-2.0
 * Documents and sources made in memory, for the tests of tools/oci. */
#ifndef TESTS_UNIT_OCI_FIXTURE_H
#define TESTS_UNIT_OCI_FIXTURE_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/oci/source.h"

/* Content by digest: a source without files. */
struct memory_source {
	struct source source;
	unsigned closed;
};

static inline int memory_open(struct source *s, const struct descriptor *d,
			      struct stream **ret, uint64_t *ret_size, struct err *err)
{
	(void)s;
	(void)d;
	(void)ret;
	(void)ret_size;
	return err_set(err, ERR_NOTFOUND, "not there");
}

static inline void memory_close(struct source *s)
{
	free(s);
}

static inline struct source *memory_source(void)
{
	static const struct source_ops ops = {memory_open, memory_close};
	struct memory_source *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->source.ops = &ops;
	m->source.what = strdup("oci:memory");
	m->source.stem = strdup("memory");
	return &m->source;
}

/* Adds a document made by printf; returns its descriptor as JSON in a buffer of its own,
 * with MEDIA_TYPE and, if not NULL, more members ("\"platform\":{...}"). */
static inline const char *memory_add(struct source *s, const char *media_type,
				     const char *more, struct descriptor *ret,
				     const char *fmt, ...) PRINTF_LIKE(5, 6);

static inline const char *memory_add(struct source *s, const char *media_type,
				     const char *more, struct descriptor *ret,
				     const char *fmt, ...)
{
	static char texts[64][1024];
	static unsigned turn;
	char *text = texts[turn++ % 64], digest[DIGEST_TEXT_SIZE];
	char body[65536];
	struct descriptor d;
	struct buf bytes;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(body, sizeof(body), fmt, ap);
	va_end(ap);
	buf_init(&bytes, sizeof(body));
	if (len < 0 || (size_t)len >= sizeof(body) ||
	    buf_append(&bytes, body, (size_t)len, NULL) ||
	    source_add_document(s, &bytes, &d, NULL))
		abort();
	snprintf(text, sizeof(texts[0]),
		 "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%d%s%s}", media_type,
		 digest_format(&d.digest, digest), len, more ? "," : "",
		 more ? more : "");
	d.media_type = media_type;
	d.kind = descriptor_kind(media_type);
	if (ret)
		*ret = d;
	return text;
}

/* An image of LAYERS layers (their content is of no interest) for a platform. */
static inline const char *memory_image(struct source *s, const char *arch,
				       const char *more, unsigned layers,
				       struct descriptor *ret)
{
	char diffids[4096] = "", descs[8192] = "", digest[DIGEST_TEXT_SIZE];
	const char *config;

	for (unsigned i = 0; i < layers; i++) {
		struct digest d;
		size_t used = strlen(diffids), used_descs = strlen(descs);

		digest_of(&i, sizeof(i), &d);
		digest_format(&d, digest);
		snprintf(diffids + used, sizeof(diffids) - used, "%s\"%s\"", i ? "," : "",
			 digest);
		snprintf(descs + used_descs, sizeof(descs) - used_descs,
			 "%s{\"mediaType\":\"" DESCRIPTOR_OCI_LAYER
			 "\",\"digest\":\"%s\",\"size\":%u}",
			 i ? "," : "", digest, i + 1);
	}
	config = memory_add(s, DESCRIPTOR_OCI_CONFIG, NULL, NULL,
			    "{\"os\":\"linux\",\"architecture\":\"%s\",\"rootfs\":"
			    "{\"type\":\"layers\",\"diff_ids\":[%s]}}",
			    arch, diffids);
	return memory_add(s, DESCRIPTOR_OCI_MANIFEST, more, ret,
			  "{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s]}", config,
			  descs);
}

#endif

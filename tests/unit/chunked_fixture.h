/* SPDX-License-Identifier: Apache-2.0
 * zstd:chunked blobs in memory: made from a tar, and a source that gives parts of one. */
#ifndef TESTS_UNIT_CHUNKED_FIXTURE_H
#define TESTS_UNIT_CHUNKED_FIXTURE_H

#include "store/inflate.h"
#include "tests/unit/inflate_fixture.h"
#include "tests/unit/oci_fixture.h"
#include "tests/unit/tar_fixture.h"
#include "tools/chunked/chunked_write.h"

struct chunked_blob {
	struct buf bytes;
	struct descriptor desc;
	const char *why;
};

static inline void chunked_make(const struct buf *tar, int level, unsigned threads,
				struct chunked_blob *ret)
{
	auto_chunked_write struct chunked_write *w = NULL;
	struct stream *in;

	*ret = (struct chunked_blob){0};
	buf_init(&ret->bytes, FIXTURE_MAX);
	assert_int_equal(stream_from_bytes(tar->data, tar->len, &in, NULL), 0);
	assert_int_equal(chunked_write_open(in, level, threads, &w, NULL), 0);
	assert_int_equal(
		fixture_read_all(chunked_write_stream(w), 4096, &ret->bytes, NULL), 0);
	stream_close(in);
	ret->desc.toc = *chunked_write_toc(w, &ret->why);
	ret->desc.size = ret->bytes.len;
	ret->desc.kind = DESCRIPTOR_LAYER;
	digest_of(ret->bytes.data, ret->bytes.len, &ret->desc.digest);
}

/* A source with one blob; counts what is asked for. */
struct chunked_source {
	struct source source; /* first */
	const struct buf *bytes;
	_Atomic unsigned requests;
	_Atomic uint64_t given;
	bool refuses;
};

static inline int chunked_open_range(struct source *s, const struct descriptor *d,
				     uint64_t from, uint64_t until, struct stream **ret,
				     struct err *err)
{
	struct chunked_source *c = (struct chunked_source *)s;

	(void)d;
	c->requests++;
	if (c->refuses)
		return err_set(err, ERR_FAILED, "no parts");
	if (from >= until || until > c->bytes->len)
		return err_set(err, ERR_FAILED, "no such part");
	c->given += until - from;
	return stream_from_bytes(c->bytes->data + from, until - from, ret, err);
}

static inline struct chunked_source chunked_source(const struct chunked_blob *blob)
{
	return (struct chunked_source){.source = {.open_range = chunked_open_range},
				       .bytes = &blob->bytes};
}

#define CHUNKED_FIXTURE_BIG (900u << 10)

/* Directories, links, an empty file, small files, a large one; CHANGED: others of some. */
static inline void chunked_fixture_entries(struct buf *tar, bool changed)
{
	static uint8_t big[CHUNKED_FIXTURE_BIG];

	buf_init(tar, FIXTURE_MAX);
	tar_fixture_noise(big, sizeof(big), 1);
	if (changed)
		memset(big + CHUNKED_FIXTURE_BIG / 2, 'x', 1000);
	tar_fixture_header(tar, TAR_DIR, "a/", "", 0);
	tar_fixture_file(tar, "a/empty", "", 0);
	tar_fixture_file(tar, "a/hello", "hello\n", 6);
	tar_fixture_header(tar, TAR_SYMLINK, "a/link", "hello", 0);
	tar_fixture_header(tar, TAR_HARDLINK, "a/hard", "a/hello", 0);
	tar_fixture_file(tar, "a/big", big, sizeof(big));
	for (unsigned i = 0; i < 40; i++) {
		char name[32];

		snprintf(name, sizeof(name), "a/noise%u", i);
		tar_fixture_noise(big, 20000,
				  100 + i + (changed && i % 10 == 3 ? 1000 : 0));
		tar_fixture_file(tar, name, big, 20000 - i);
	}
}

#endif

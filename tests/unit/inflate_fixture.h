/* SPDX-License-Identifier: Apache-2.0
 * Compressed bytes for tests: a source that drips, fails and counts, makers of gzip, zstd
 * and libarchive's compressions, and a reader of all that a decoder gives. */
#ifndef TESTS_UNIT_INFLATE_FIXTURE_H
#define TESTS_UNIT_INFLATE_FIXTURE_H

#include <archive.h>
#include <archive_entry.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "store/base/buf.h"
#include "store/inflate.h"

#define FIXTURE_MAX (64u << 20)

/* ---- a source ---- */

struct drip {
	struct stream base;
	const uint8_t *p;
	size_t left, step;
	size_t taken;
	bool fails; /* with ERR_BUSY, in place of its end */
	unsigned closed;
};

static inline int drip_read(struct stream *s, void *data, size_t cap, size_t *ret_len,
			    struct err *err)
{
	struct drip *d = (struct drip *)s;
	size_t n = d->left;

	if (!n && d->fails)
		return err_set(err, ERR_BUSY, "the source fails");
	n = n < cap ? n : cap;
	n = n < d->step ? n : d->step;
	if (n)
		memcpy(data, d->p, n);
	d->p += n;
	d->left -= n;
	d->taken += n;
	*ret_len = n;
	return 0;
}

static inline void drip_close(struct stream *s)
{
	((struct drip *)s)->closed++;
}

/* At most STEP bytes per read. */
static inline struct drip drip_of(const struct buf *b, size_t step)
{
	return (struct drip){.base = {drip_read, drip_close},
			     .p = b->data,
			     .left = b->len,
			     .step = step};
}

/* ---- content ---- */

/* LEN bytes that compress to about a third. */
static inline void fixture_content(struct buf *b, size_t len)
{
	static const char *const words[] = {"layer", "usr/", "lib", "\n", "0644 ", "tar"};
	uint32_t x = 1;

	buf_init(b, FIXTURE_MAX);
	if (buf_reserve(b, len + 8, NULL) < 0)
		abort();
	while (b->len < len) {
		const char *word;

		x = x * 1664525 + 1013904223;
		word = words[(x >> 16) % ARRAY_LEN(words)];
		if (buf_append(b, word, strlen(word), NULL) < 0)
			abort();
	}
	b->len = len;
}

static inline void fixture_append(struct buf *b, const void *data, size_t len)
{
	if (len && buf_append(b, data, len, NULL) < 0)
		abort();
}

/* Appends one gzip member. */
static inline void fixture_gzip(struct buf *b, const void *data, size_t len)
{
	struct isal_zstream z;
	auto_free uint8_t *out = malloc(len + len / 8 + 4096);

	isal_deflate_init(&z);
	z.gzip_flag = IGZIP_GZIP;
	z.end_of_stream = 1;
	z.next_in = (uint8_t *)(uintptr_t)data;
	z.avail_in = (uint32_t)len;
	z.next_out = out;
	z.avail_out = (uint32_t)(len + len / 8 + 4096);
	if (isal_deflate(&z) != COMP_OK || z.internal_state.state != ZSTATE_END)
		abort();
	fixture_append(b, out, z.total_out);
}

/* Appends one zstd frame with a checksum. */
static inline void fixture_zstd(struct buf *b, const void *data, size_t len)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	size_t n, room = ZSTD_compressBound(len);
	auto_free uint8_t *out = malloc(room);

	ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(ctx, out, room, data, len);
	ZSTD_freeCCtx(ctx);
	if (ZSTD_isError(n))
		abort();
	fixture_append(b, out, n);
}

/* Appends what libarchive makes with a filter (ARCHIVE_FILTER_...). */
static inline void fixture_filter(struct buf *b, int filter, const void *data, size_t len)
{
	size_t room = len + len / 2 + (1 << 16), used = 0;
	auto_free uint8_t *out = malloc(room);
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_pathname(e, "data");
	if (archive_write_add_filter(a, filter) != ARCHIVE_OK ||
	    archive_write_set_format_raw(a) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(a, 0) != ARCHIVE_OK ||
	    archive_write_open_memory(a, out, room, &used) != ARCHIVE_OK ||
	    archive_write_header(a, e) != ARCHIVE_OK ||
	    archive_write_data(a, data, len) != (la_ssize_t)len ||
	    archive_write_close(a) != ARCHIVE_OK)
		abort();
	archive_entry_free(e);
	archive_write_free(a);
	fixture_append(b, out, used);
}

/* ---- reading ---- */

/* Appends all that S gives to OUT, in reads of CAP bytes. */
static inline int fixture_read_all(struct stream *s, size_t cap, struct buf *out,
				   struct err *err)
{
	auto_free uint8_t *data = malloc(cap);
	size_t n;
	int r;

	do {
		r = s->read(s, data, cap, &n, err);
		if (r < 0)
			return r;
		fixture_append(out, data, n);
	} while (n);
	return 0;
}

/* Opens, reads and closes: BYTES arrive in pieces of STEP, reads have CAP bytes. OUT is
 * emptied first. */
static inline int fixture_inflate(const struct buf *bytes, size_t step, size_t cap,
				  struct buf *out, enum inflate_kind *ret_kind,
				  struct err *err)
{
	struct drip d = drip_of(bytes, step);
	struct stream *s;
	int r = inflate_open(&d.base, true, ret_kind, &s, err);

	buf_clear(out);
	if (r == 0) {
		r = fixture_read_all(s, cap, out, err);
		stream_close(s);
	}
	if (d.closed != 1)
		abort();
	return r;
}

static inline void fixture_gives(enum inflate_kind want, const struct buf *bytes,
				 const void *content, size_t len)
{
	static const size_t steps[] = {1, 3, 64 << 10};
	auto_buf struct buf out;
	struct err err = {0};

	buf_init(&out, FIXTURE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		enum inflate_kind kind = INFLATE_NONE;
		int r = fixture_inflate(bytes, steps[i], 100000, &out, &kind, &err);

		assert_string_equal(err.msg, "");
		assert_int_equal(r, 0);
		assert_int_equal(kind, want);
		assert_int_equal(out.len, len);
		if (len)
			assert_memory_equal(out.data, content, len);
	}
}

static inline void fixture_fails(enum inflate_kind want, const struct buf *bytes,
				 int code, const char *text)
{
	static const size_t steps[] = {1, 5, 1000, 64 << 10, 1 << 20};
	auto_buf struct buf out;

	buf_init(&out, FIXTURE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		enum inflate_kind kind = INFLATE_NONE;
		struct err err = {0};

		assert_int_equal(
			fixture_inflate(bytes, steps[i], 100000, &out, &kind, &err),
			-code);
		assert_int_equal(kind, want);
		if (!strstr(err.msg, text))
			fail_msg("'%s' does not say '%s'", err.msg, text);
	}
}

#endif

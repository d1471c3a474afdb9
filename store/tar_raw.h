/* SPDX-License-Identifier: Apache-2.0
 * The raw block scanner: knows where headers, extensions, payload and padding of a tar are,
 * from the 512-byte blocks alone; no libarchive. Push parser: bytes go in, spans come out.
 *
 * Understood: v7, ustar, GNU (long names, base-256, old sparse with extension blocks), PAX
 * (x and g; path, linkpath, size, GNU.sparse.* 0.0, 0.1, 1.0). Anything else that changes
 * the framing (multi-volume, unknown critical types) is ERR_INVALID, and so is what readers
 * are known to take differently: two sizes, two names, a directory with content.
 */
#ifndef STORE_TAR_RAW_H
#define STORE_TAR_RAW_H

#include "store/base/buf.h"
#include "store/tar_scan.h"
#include "store/tar_sparse.h"

/* What one entry is, for comparison with libarchive's view. Valid during the call. */
struct tar_raw_entry {
	uint64_t ordinal;
	uint64_t start;        /* tar offset of its first (extension) header block */
	uint64_t payload;      /* tar offset of its first payload byte */
	uint64_t payload_size; /* stored bytes, padding not counted */
	uint64_t map_size;     /* of these, leading bytes that are a PAX 1.0 sparse map */
	uint64_t size;         /* logical size of a file's content, 0 for all others */
	enum tar_type type;
	bool sparse;
	char typeflag;    /* as in the header */
	const char *path; /* both NUL-terminated */
	size_t path_len;
	const char *link;
	size_t link_len;
	const struct tar_extent *extents; /* of a sparse file */
	size_t extent_count;

	/* Exact numbers, because libarchive rounds times before the epoch the wrong way and
	 * mixes ACLs into the mode. */
	uint32_t mode; /* 07777 */
	uint32_t uid, gid;
	int64_t mtime;
	uint32_t mtime_nsec;
};

struct tar_raw_sink {
	/* Before the entry's payload, once all its headers are complete. */
	int (*entry)(void *arg, const struct tar_raw_entry *e, struct err *err);
	/* Bytes that are not payload, verbatim, in order with payload calls. A sparse map is
	 * literal; so is the stored payload of entries that are no regular files. */
	int (*literal)(void *arg, const void *data, size_t len, struct err *err);
	/* LEN stored payload bytes of a regular file; OFF is their place in its content. */
	int (*payload)(void *arg, uint64_t ordinal, uint64_t off, const void *data,
		       size_t len, struct err *err);
	void *arg;
};

struct tar_raw;

int tar_raw_new(const struct tar_limits *limits, const struct tar_raw_sink *sink,
		struct tar_raw **ret, struct err *err) MUST_CHECK;
void tar_raw_free(struct tar_raw *t); /* NULL is ignored */

AUTO_DEFINE(tar_raw, struct tar_raw, tar_raw_free)
#define auto_tar_raw AUTO(tar_raw)

int tar_raw_push(struct tar_raw *t, const void *data, size_t len,
		 struct err *err) MUST_CHECK;
/* The input is complete: ERR_INVALID inside an entry. A missing end-of-archive marker is
 * accepted; a lone zero block followed by anything but zeros is not. */
int tar_raw_finish(struct tar_raw *t, struct err *err) MUST_CHECK;

#endif

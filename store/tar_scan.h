/* SPDX-License-Identifier: Apache-2.0
 * One pass over a layer's tar: libarchive says what the entries are, the raw block scanner
 * (tar_raw.h) says which bytes are framing and which are payload. Both must agree on every
 * entry - start, type, name, link target, stored size - or the layer is refused: two readers
 * that see different archives are how smuggled files get in.
 *
 * Nothing of the archive touches the host's filesystem.
 */
#ifndef STORE_TAR_SCAN_H
#define STORE_TAR_SCAN_H

#include <sys/types.h>

#include "store/base/buf.h"
#include "store/base/stream.h"
#include "store/digest.h"

enum tar_type {
	TAR_FILE,
	TAR_DIR,
	TAR_SYMLINK,
	TAR_HARDLINK,
	TAR_CHAR,
	TAR_BLOCK,
	TAR_FIFO,
};

struct tar_xattr {
	const char *name; /* e.g. "security.capability" */
	size_t name_len;
	const void *value;
	size_t value_len;
};

/* An entry as the archive spells it; names are any bytes but NUL,
 * and NUL-terminated. Valid during the call. */
struct tar_entry {
	enum tar_type type;
	const char *path; /* as stored: may begin with "./" or "/", may end in "/" */
	size_t path_len;
	const char *link; /* symlink or hardlink target, else "" */
	size_t link_len;
	uint32_t mode; /* permission bits, 07777 */
	uint32_t uid, gid;
	int64_t mtime; /* seconds, may be negative */
	uint32_t mtime_nsec;
	uint32_t rdev_major, rdev_minor;
	uint64_t size; /* logical size of a file's content (0 for all others) */
	bool sparse;
	const struct tar_xattr *xattrs; /* sorted by name; ACLs given as text, too, as
					 * system.posix_acl_access and _default */
	size_t xattr_count;
};

struct tar_limits {
	uint64_t entries;    /* 4,194,304 */
	uint64_t bytes;      /* of the tar, 1 TiB */
	uint64_t file_bytes; /* logical size of one sparse file, 64 GiB */
	size_t pax_record; /* 1 MiB: one PAX record or long name; all of an entry: 4 MiB */
	size_t path;       /* 4096 */
	size_t name;       /* 255: one path component */
};

void tar_limits_default(struct tar_limits *limits);

/* What the scan tells, in stream order. Every function returns 0 or a negative code, which
 * ends the scan. Per entry: entry, then for files the content: data and hole calls in order
 * covering exactly `size` bytes, then entry_end. The framing calls describe the very bytes
 * of the tar: literal bytes, and for each stretch of stored payload that was told by data a
 * payload call. Framing of an entry may be told before or after its `entry` call, but
 * payload calls and entries are in the same order. */
struct tar_sink {
	int (*entry)(void *arg, const struct tar_entry *e, struct err *err);
	int (*data)(void *arg, const void *data, size_t len, struct err *err);
	int (*hole)(void *arg, uint64_t len, struct err *err);
	int (*entry_end)(void *arg, struct err *err);

	/* Framing. `payload`: the next LEN bytes of the tar are bytes [off, off + len) of the
	 * logical content of entry number ORDINAL (counted from 0). May be NULL: not
	 * wanted. */
	int (*literal)(void *arg, const void *data, size_t len, struct err *err);
	int (*payload)(void *arg, uint64_t ordinal, uint64_t off, uint64_t len,
		       struct err *err);
	void *arg;
};

struct tar_result {
	uint64_t size;    /* bytes of the tar, up to the end of the stream */
	uint64_t entries; /* GNU/PAX extension headers not counted */
};

/* Scans IN (plain tar bytes) to its end, trailing bytes included. The stream is not closed.
 * If DIFFID is not NULL it gets the SHA-256 of everything read.
 * SKIP_DATA: the caller does not want data/hole calls; the stream's payload bytes are read
 * but not looked at (a recipe replay delivers zeros there).
 * ERR_INVALID, ERR_LIMIT: the archive; else what the sink or stream returned. */
int tar_scan(struct stream *in, const struct tar_limits *limits, bool skip_data,
	     const struct tar_sink *sink, struct digest *diffid, struct tar_result *ret,
	     struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Where images come from: a few roots (manifests or indexes, with the names they have there)
 * and content by digest. What a concrete source gives is checked here: sizes and digests of
 * documents; of layers by whoever ingests them.
 *
 *	TRANSPORT ":" PATH [":" REF | "@" DIGEST]
 *
 *	oci:DIR  oci-archive:FILE  docker-archive:FILE  dir:DIR  docker://REF
 *
 * A FILE may be compressed, and "-" for standard input. Opening and documents: one thread;
 * source_open_blob: any number.
 */
#ifndef TOOLS_OCI_SOURCE_H
#define TOOLS_OCI_SOURCE_H

#include "store/base/stream.h"
#include "tools/oci/manifest.h"

struct source;

#define SOURCE_DOCUMENTS_MAX (64u << 20) /* bytes of all that are read */

/* Opens the bytes FROM .. UNTIL of a layer. Thread-safe. ERR_FAILED: parts cannot be had. */
typedef int source_range_fn(struct source *s, const struct descriptor *d, uint64_t from,
			    uint64_t until, struct stream **ret, struct err *err);

/* Appends to LIST the descriptors of what is about D, as it is listed there: nothing of it is
 * checked. */
typedef int source_referrers_fn(struct source *s, const struct digest *d, json_t *list,
				struct err *err);

struct source_ops {
	/* Opens content by its digest. ERR_NOTFOUND if the source does not have it, which may
	 * also show only when it is read. */
	int (*open)(struct source *s, const struct descriptor *d, struct stream **ret,
		    uint64_t *ret_size, struct err *err);
	void (*close)(struct source *s);
};

/* A document that the source does not have by its digest: read or made while opening. */
struct source_document {
	struct digest digest;
	struct buf bytes;
};

/* An image or index that can be imported. NAME and TAG may be NULL. */
struct source_root {
	struct descriptor desc; /* its texts live as long as the source */
	const char *name;       /* a full reference, as the source spells it */
	const char *tag;        /* a bare tag */
	bool referrer;          /* it is about another manifest, and has no name */
};

struct source {
	const struct source_ops *ops;
	char *what; /* as the user wrote it, for error texts */
	char *stem; /* of the file's or directory's name */
	struct source_root *roots;
	size_t root_count;
	bool chosen;                    /* the user named one root */
	bool far;                       /* what was read is worth a commit of its own */
	source_range_fn *open_range;    /* NULL: to read a layer whole costs no more */
	source_referrers_fn *referrers; /* NULL: there are none */
	struct source_document *documents;
	size_t document_count;
	uint64_t read_bytes; /* of documents, so far */
};

/* Opens what TEXT names and, if it ends in a REF or DIGEST, keeps only that root.
 * SPOOL_DIRFD: a directory for the temporary file that a compressed or piped archive needs.
 * ERR_INVALID: no such transport; ERR_NOTFOUND: only if the REF is not there; what cannot be
 * opened is ERR_FAILED or ERR_SYSTEM. */
int source_open(const char *text, int spool_dirfd, struct source **ret,
		struct err *err) MUST_CHECK;
void source_close(struct source *s); /* NULL is ignored */

/* The same for a transport of the caller's own: REST of TEXT is PATH[:REF], OPEN opens PATH. */
typedef int source_opener(void *arg, const char *path, struct source **ret,
			  struct err *err);
int source_open_by(const char *text, const char *rest, source_opener *open, void *arg,
		   struct source **ret, struct err *err) MUST_CHECK;

AUTO_DEFINE(source, struct source, source_close)
#define auto_source AUTO(source)

/* Whether TEXT begins with TRANSPORT and a colon; *ret_rest is what follows. */
bool source_transport(const char *text, const char *transport, const char **ret_rest);

/* Whether source_open knows the transport, and something follows it. */
bool source_is_known(const char *text);

/* "app-1.2" of "/tmp/app-1.2.tar.gz", "" of "/". The caller frees it; NULL
 * without memory. */
char *source_stem(const char *path);

/* Appends a document's verbatim bytes to BUF, size and digest checked. */
int source_read_document(struct source *s, const struct descriptor *d, struct buf *buf,
			 struct err *err) MUST_CHECK;

/* Opens a layer and checks its size where that is known before reading. ERR_NOTFOUND if the
 * source does not have it. Thread-safe. */
int source_open_blob(struct source *s, const struct descriptor *d, struct stream **ret,
		     struct err *err) MUST_CHECK;

/* Turns ERR_NOTFOUND into ERR_INVALID: a source that lacks one of its parts is a bad one; not
 * found is only what the user asked for. */
int source_lacks_part(struct err *err);

/* ---- for concrete sources ---- */

/* What a root is called there: REF picks by these. */
int source_add_root(struct source *s, const struct descriptor *desc, const char *name,
		    const char *tag, struct err *err) MUST_CHECK;

/* Takes over the bytes of a document (BYTES is empty then). *ret: its descriptor's digest and
 * size, all else zero. */
int source_add_document(struct source *s, struct buf *bytes, struct descriptor *ret,
			struct err *err) MUST_CHECK;

/* Each opens what is at PATH. */
int layout_open(const char *path, int spool_dirfd, struct source **ret,
		struct err *err) MUST_CHECK;
int layout_open_archive(const char *path, int spool_dirfd, struct source **ret,
			struct err *err) MUST_CHECK;
int docker_archive_open(const char *path, int spool_dirfd, struct source **ret,
			struct err *err) MUST_CHECK;
int dir_open(const char *path, int spool_dirfd, struct source **ret,
	     struct err *err) MUST_CHECK;

/* A layout in BUNDLE, which it owns from here on, also on failure. */
struct bundle;
int layout_open_bundle(struct bundle *bundle, struct source **ret,
		       struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Descriptors: how documents of images name other documents and blobs. OCI's and Docker's
 * media types mean the same here.
 */
#ifndef TOOLS_OCI_DESCRIPTOR_H
#define TOOLS_OCI_DESCRIPTOR_H

#include "store/digest.h"
#include "tools/oci/document.h"
#include "tools/oci/platform.h"

enum descriptor_kind {
	DESCRIPTOR_UNKNOWN = 0, /* a media type that is not ours */
	DESCRIPTOR_NONE,        /* no media type */
	DESCRIPTOR_INDEX,
	DESCRIPTOR_MANIFEST,
	DESCRIPTOR_CONFIG,
	DESCRIPTOR_LAYER,
	DESCRIPTOR_FOREIGN_LAYER, /* not distributed with the image */
	DESCRIPTOR_CACHE_CONFIG,  /* of a BuildKit build cache */
	DESCRIPTOR_SCHEMA1,       /* the obsolete signed manifest */
};

#define DESCRIPTOR_OCI_INDEX    "application/vnd.oci.image.index.v1+json"
#define DESCRIPTOR_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define DESCRIPTOR_OCI_CONFIG   "application/vnd.oci.image.config.v1+json"
#define DESCRIPTOR_OCI_LAYER    "application/vnd.oci.image.layer.v1.tar"

/* Where a zstd:chunked layer has its table of contents: annotations of its descriptor. Offsets
 * and lengths are of compressed bytes in the blob, sizes of what they decompress to. */
struct descriptor_toc {
	bool given;
	struct digest digest; /* of the compressed table */
	uint64_t at, len, size;
	uint64_t split_at, split_len, split_size; /* tar-split */
};

/* An eStargz layer has its table of contents at its end. */
struct descriptor_stargz {
	bool given;
	struct digest digest; /* of the table, not compressed */
	uint64_t size;        /* of the whole tar; 0: not said */
};

#define DESCRIPTOR_NOTE_STARGZ   "containerd.io/snapshot/stargz/toc.digest"
#define DESCRIPTOR_NOTE_TARSIZE  "io.containers.estargz.uncompressed-size"
#define DESCRIPTOR_NOTE_CHECKSUM "io.github.containers.zstd-chunked.manifest-checksum"
#define DESCRIPTOR_NOTE_POSITION "io.github.containers.zstd-chunked.manifest-position"
#define DESCRIPTOR_NOTE_TARSPLIT "io.github.containers.zstd-chunked.tarsplit-position"

/* Texts are borrowed from the document that the descriptor was read from, or NULL. */
struct descriptor {
	enum descriptor_kind kind;
	const char *media_type;
	struct digest digest;
	uint64_t size;
	struct platform platform;
	bool attestation;       /* says something about an image, is none itself */
	char url[128];          /* the first of `urls`, cut; "" if there is none */
	const char *tag;        /* annotation org.opencontainers.image.ref.name */
	const char *image_name; /* annotation io.containerd.image.name */
	struct descriptor_toc toc;
	struct descriptor_stargz stargz;
};

enum descriptor_kind descriptor_kind(const char *media_type);

/* Digest and size must be there and valid. ERR_INVALID. */
int descriptor_parse(json_t *object, struct descriptor *ret, struct err *err) MUST_CHECK;

#endif

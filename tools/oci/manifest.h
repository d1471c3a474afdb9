/* SPDX-License-Identifier: Apache-2.0
 * Manifests and indexes, OCI's and Docker's schema 2, parsed from their verbatim bytes. A
 * document that could be read as both, or that is not what was announced, is refused.
 */
#ifndef TOOLS_OCI_MANIFEST_H
#define TOOLS_OCI_MANIFEST_H

#include "store/base/buf.h"
#include "tools/oci/descriptor.h"

enum manifest_kind {
	MANIFEST_IMAGE = 1, /* config and layers */
	MANIFEST_INDEX,     /* a list of manifests */
	MANIFEST_CACHE,     /* of a BuildKit build cache, either form */
	MANIFEST_ARTIFACT,  /* anything else that registries keep */
};

struct manifest {
	enum manifest_kind kind;
	const char *media_type;   /* in the document itself; NULL: it does not say */
	const char *what;         /* MANIFEST_ARTIFACT: its type */
	struct descriptor config; /* not of an index */
	struct descriptor *items; /* layers, or an index's manifests */
	size_t count;
	json_t *json; /* the texts live here */
};

/* Parses LEN bytes. EXPECTED: the kind of the descriptor that led here (DESCRIPTOR_NONE or
 * DESCRIPTOR_UNKNOWN: nothing is expected). The bytes are not kept. ERR_INVALID, ERR_LIMIT. */
int manifest_parse(const void *bytes, size_t len, const char *expected,
		   struct manifest *ret, struct err *err) MUST_CHECK;

/* Drops the parsed JSON: the descriptors stay, their texts are NULL from here on. */
void manifest_forget_texts(struct manifest *m);

/* Also of a zeroed or released one. */
void manifest_release(struct manifest *m);

/* Appends the canonical OCI manifest of an image that came without one: compact, in fixed
 * order, so that the same image always has the same manifest digest. */
int manifest_make(const struct digest *config, uint64_t config_size,
		  const struct descriptor *layers, size_t count, struct buf *ret,
		  struct err *err) MUST_CHECK;

#define auto_manifest __attribute__((cleanup(manifest_release)))

#endif

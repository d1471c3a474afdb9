/* SPDX-License-Identifier: Apache-2.0
 * Where images go to, the twin of source.h: blobs and documents, then one root.
 *
 *	oci:DIR[:TAG]  oci-archive:FILE[:TAG]  docker-archive:FILE[:REF]  dir:DIR
 *	docker://REF
 *
 * A DIR of oci: that is there gets the image added. FILE "-" is standard output. Nothing is
 * visible before destination_finish (in a registry: nothing has a name before). One thread.
 */
#ifndef TOOLS_OCI_DESTINATION_H
#define TOOLS_OCI_DESTINATION_H

#include "tools/oci/bundle_writer.h"
#include "tools/oci/manifest_edit.h"
#include "tools/registry/remote.h"

enum destination_kind {
	DESTINATION_OCI = 1,
	DESTINATION_OCI_ARCHIVE,
	DESTINATION_DOCKER_ARCHIVE, /* plain layers, no manifest, one image */
	DESTINATION_DIR,
	DESTINATION_REGISTRY,
};

struct destination {
	enum destination_kind kind;
	char *path;
	char *ref; /* TAG or REF as the user wrote it, docker://'s normalised; NULL: none */
	struct bundle_writer *writer;
	struct remote *remote; /* of a registry */
	struct digest there;   /* what REF stands for in a registry, if that is known */
	json_t *listed;        /* NULL: nothing is */
};

/* ERR_USAGE: TEXT is no such destination. SPOOL_DIRFD: for temporary files. REGISTRY: how to
 * reach one, or NULL; lives as long as the destination. */
int destination_open(const char *text, int spool_dirfd,
		     const struct remote_options *registry, struct destination *ret,
		     struct err *err) MUST_CHECK;

/* Without destination_finish nothing is left. Also of a zeroed one. */
void destination_release(struct destination *d);

#define auto_destination __attribute__((cleanup(destination_release)))

/* Another writer of layers into the registry D, for another thread, which does not outlive D.
 * Only for layers; released with destination_unshare, also a zeroed one. */
int destination_share(const struct destination *d, struct destination *ret,
		      struct err *err) MUST_CHECK;
void destination_unshare(struct destination *d);

/* The name of a layer's file. BLOB: digest of its bytes, DIFFID: of the plain tar. */
#define DESTINATION_NAME_SIZE 96
const char *destination_layer_name(const struct destination *d, const struct digest *blob,
				   const struct digest *diffid,
				   char name[DESTINATION_NAME_SIZE]);

/* Whether a registry has the layer's blob, or takes it from the repository that remote_mount_from
 * named. Nowhere else is it looked for. */
int destination_has_layer(struct destination *d, const struct digest *blob, bool *ret,
			  struct err *err) MUST_CHECK;

/* The layer that is begun next is known: its digest and size. */
void destination_expect_layer(struct destination *d, const struct digest *blob,
			      uint64_t size);

/* A config, or a manifest or index that is not the root. */
int destination_put_config(struct destination *d, const struct digest *digest,
			   const void *data, size_t len, struct err *err) MUST_CHECK;
int destination_put_manifest(struct destination *d, const struct descriptor *desc,
			     const void *data, size_t len, struct err *err) MUST_CHECK;

/* A layout lists this descriptor besides the root, without a name. */
int destination_list(struct destination *d, const json_t *descriptor,
		     struct err *err) MUST_CHECK;

struct destination_root {
	struct descriptor desc;
	const void *data; /* the document itself; of LEN bytes */
	size_t len;
	const char *name; /* full reference that the store has for it; NULL: none */
	/* of DESTINATION_DOCKER_ARCHIVE only */
	const struct digest *config, *diffids;
	size_t layers;
};

/* Writes the root and makes all visible. */
int destination_finish(struct destination *d, const struct destination_root *root,
		       struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Image configs: only what an import needs of them, the platform and the DiffIDs. The rest
 * stays in the verbatim bytes.
 */
#ifndef TOOLS_OCI_CONFIG_H
#define TOOLS_OCI_CONFIG_H

#include "store/base/buf.h"
#include "tools/oci/document.h"
#include "tools/oci/platform.h"

struct config {
	struct platform platform;
	struct digest *diffids;
	size_t count;
};

/* The number of DiffIDs must be LAYERS. ERR_INVALID, ERR_LIMIT. */
int config_parse(const void *bytes, size_t len, size_t layers, struct config *ret,
		 struct err *err) MUST_CHECK;

/* Also of a zeroed or released one. */
void config_release(struct config *c);

/* Appends the config of an image that came as one bare layer: a pure function of its
 * arguments. CREATED: seconds since the epoch. CREATED_BY goes to the history; NULL: none. */
int config_make(const struct platform *platform, const struct digest *diffid,
		int64_t created, const char *created_by, struct buf *ret,
		struct err *err) MUST_CHECK;

/* What a build step says of the image it makes. */
struct config_change {
	const char *const *env; /* NAME=VALUE: replaces NAME's value, or comes last */
	size_t env_count;
	const char *workdir, *user; /* NULL: as before */
	bool no_layer;              /* the step made none */
};

/* Appends the config of an image that lies on another, whose config is PARENT: the same but
 * for CREATED, a step in the history, what CHANGE (may be NULL) says, and DIFFIDS (all of them,
 * bottom first; the last is the new layer's), without what only told how the parent was made. */
int config_derive(const void *parent, size_t len, const struct digest *diffids,
		  size_t count, int64_t created, const char *created_by,
		  const struct config_change *change, struct buf *ret,
		  struct err *err) MUST_CHECK;

/* Appends the config of LEN bytes with other DIFFIDS; all else stays. ERR_INVALID. */
int config_edit_diffids(const void *bytes, size_t len, const struct digest *diffids,
			size_t count, struct buf *ret, struct err *err) MUST_CHECK;

#define auto_config __attribute__((cleanup(config_release)))

#endif

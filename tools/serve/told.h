/* SPDX-License-Identifier: Apache-2.0
 * What another registry has told of its content, in memory: which manifest a tag was, when
 * that was asked last, and manifests that the store does not have (yet). Only a cache: what
 * was not asked for longest goes first. Thread-safe.
 *
 * A repository is named as the store would: "docker.io/library/app".
 */
#ifndef TOOLS_SERVE_TOLD_H
#define TOOLS_SERVE_TOLD_H

#include "store/base/buf.h"
#include "store/digest.h"
#include "tools/oci/manifest.h"

struct told;

int told_new(struct told **ret, struct err *err) MUST_CHECK;
void told_free(struct told *t); /* NULL is ignored */

/* ---- tags ---- */

/* NAME: "docker.io/library/app:v1". */
int told_tag_set(struct told *t, const char *name, const struct digest *digest,
		 struct err *err) MUST_CHECK;
/* *ret_age: seconds since it was set. False: nothing is known of it. */
bool told_tag(struct told *t, const char *name, struct digest *ret, unsigned *ret_age);
void told_tag_forget(struct told *t, const char *name);

/* All names of a repository that are this manifest. */
typedef int told_name_fn(void *arg, const char *name, struct err *err);
int told_names(struct told *t, const char *repository, const struct digest *digest,
	       told_name_fn *each, void *arg, struct err *err) MUST_CHECK;

/* ---- manifests ---- */

struct told_part {
	struct digest digest;
	uint64_t size;
	bool config;
};

struct told_manifest {
	struct digest digest;
	struct buf bytes;
	char media_type[128];
	enum manifest_kind kind;
	struct told_part *parts; /* blobs; of an index: manifests */
	size_t count;
};
void told_manifest_release(struct told_manifest *m); /* also of a zeroed one */

/* What the server says is its type counts if the document says nothing. ERR_INVALID: it is no
 * manifest. */
int told_add(struct told *t, const char *repository, const void *bytes, size_t len,
	     const char *media_type, struct err *err) MUST_CHECK;

/* A copy. ERR_NOTFOUND. */
int told_get(struct told *t, const char *repository, const struct digest *digest,
	     struct told_manifest *ret, struct err *err) MUST_CHECK;

/* The manifests of a repository that name a blob, or the indexes that name a manifest; the one
 * that was asked for last comes first. */
struct told_user {
	struct digest manifest;
	struct told_part part;
};
int told_users(struct told *t, const char *repository, const struct digest *part,
	       struct buf *ret, struct err *err) MUST_CHECK;

#define auto_told_manifest __attribute__((cleanup(told_manifest_release)))

#endif

/* SPDX-License-Identifier: Apache-2.0
 * The form in which an image is served. If all its blobs can be had as they came, that is its
 * own manifest, byte for byte. Else it is a manifest with the layers that cannot as plain
 * tars: config, image ID and DiffIDs are the same, nothing has to be compressed, and sizes and
 * digests are known without reading a byte. The form depends on the store's content only, so
 * it is the same after a restart.
 */
#ifndef TOOLS_SERVE_FORMS_H
#define TOOLS_SERVE_FORMS_H

#include "store/record.h"
#include "tools/serve/blobs.h"

struct forms;

struct form {
	struct buf bytes;
	struct digest digest;
	char media_type[128];
	bool verbatim; /* as it came */
};
void form_release(struct form *f); /* also of a zeroed one */

int forms_new(const struct blobs *blobs, struct forms **ret, struct err *err) MUST_CHECK;
void forms_free(struct forms *f); /* NULL is ignored */

/* ERR_CORRUPT: something of it is missing. */
int forms_image(struct forms *f, const struct record_image *image, struct form *ret,
		struct err *err) MUST_CHECK;

/* What a name stands for. INDEXES: the client takes indexes; else it gets the image for this
 * machine. */
int forms_name(struct forms *f, const struct record_ref *ref, bool indexes,
	       struct form *ret, struct err *err) MUST_CHECK;

/* A manifest or index by its digest, whatever name it has. ERR_NOTFOUND. */
int forms_digest(struct forms *f, const struct digest *digest, struct form *ret,
		 struct err *err) MUST_CHECK;

/* The image's own manifest, if DIGEST is of one that was made for it; else DIGEST itself. */
void forms_manifest(struct forms *f, const struct digest *digest, struct digest *ret);

#define auto_form __attribute__((cleanup(form_release)))

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Images out of the store, to where others read them. Config and layers stay what they are,
 * so the image ID and the DiffIDs do, except in eStargz, whose table is in the tar. If every layer can be had in the very form in which it
 * came, the manifest is the old one too; else one is made for the new forms.
 */
#ifndef TOOLS_IMAGE_EXPORT_H
#define TOOLS_IMAGE_EXPORT_H

#include "tools/layer_blob.h"

struct image_export_options {
	const char *platform; /* NULL: all that the name has */
	struct layer_blob_options blobs;
	const struct remote_options *registry; /* may be NULL */
	bool quiet;
};

struct exported {
	char name[RECORD_REF_NAME_MAX + PLATFORM_TEXT_SIZE + 2]; /* "" if it has none */
	struct record_image image;
	struct digest manifest; /* as it was written; zero: this form has none */
	struct layer_blob *layers;
	size_t count;
};

struct exports {
	struct exported *items;
	size_t count;
	struct blob_notes notes; /* for blob_notes_keep, once the store is closed */
};

/* X: a name or digest of an image. Says on stderr what became of each layer. */
int image_export(struct store *store, const char *x, const char *destination,
		 const struct image_export_options *options, struct exports *ret,
		 struct err *err) MUST_CHECK;

void exports_release(struct exports *list);

#define auto_exports __attribute__((cleanup(exports_release)))

#endif

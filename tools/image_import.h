/* SPDX-License-Identifier: Apache-2.0
 * Images and build caches from a source into the store: everything that is named is resolved, new layers are
 * read, and all of it is committed at once.
 */
#ifndef TOOLS_IMAGE_IMPORT_H
#define TOOLS_IMAGE_IMPORT_H

#include "store/store.h"
#include "tools/oci/image_set.h"

struct image_import_options {
	const char *name; /* as the user wrote it; NULL: the source's own */
	const struct platform *platform; /* NULL: this machine's */
	bool all_platforms;
	bool keep_blobs;  /* the compressed bytes of layers are stored too */
	bool spare_made;  /* but not of layers here that were made again once */
	bool match_blobs; /* only of those that cannot be made again, which is tried */
	bool caches;      /* only build caches, and images that have one inline */
	bool unnamed;     /* no name is set, whatever the source says */
	bool referrers;   /* what is about the images is taken too (referrers_take.h) */
	bool quiet;
};

/* One image that is in the store now. Of several platforms only the first has the plain
 * name, the others "<name>@<os>-<arch>[-<variant>]". */
struct imported {
	struct buf name;           /* NUL-terminated */
	struct record_image image; /* of a build cache: without chain */
	bool moved;                /* the name was another image's before */
};

struct imports {
	struct imported *items;
	size_t count;
};

int image_import(struct store *store, struct source *source,
		 const struct image_import_options *options, struct imports *ret,
		 struct err *err) MUST_CHECK;

/* One layer, as a tar in any compression, as an image of its own. OPTIONS needs a name. IN is
 * owned from here on, also on failure; SIZE is what the progress bar expects (0: unknown). */
int image_import_tar(struct store *store, struct stream *in, uint64_t size,
		     const struct image_import_options *options, struct imports *ret,
		     struct err *err) MUST_CHECK;

/* Adds a line to the result. NAME is normalised. */
int imports_add(struct imports *list, const char *name, const char *suffix,
		const struct record_image *image, bool moved, struct err *err) MUST_CHECK;
void imports_release(struct imports *list);

#define auto_imports __attribute__((cleanup(imports_release)))

#endif

/* SPDX-License-Identifier: Apache-2.0
 * What makes an image in the store: its documents, its chain, its record, its name.
 */
#ifndef TOOLS_IMAGE_RECORD_H
#define TOOLS_IMAGE_RECORD_H

#include "store/object.h"
#include "store/session.h"

/* Documents, verbatim. Their digests are in RECORD. DIFFIDS: bottom first. */
struct image_parts {
	const struct record_image *record;
	const void *manifest, *config;
	size_t manifest_len, config_len;
	const struct digest *diffids;
	size_t count;
};

/* Adds a chain and every chain below it. DIFFIDS: bottom first. */
int image_record_chain(struct session *s, const struct digest *diffids, size_t count,
		       struct err *err) MUST_CHECK;

/* Adds the documents, every prefix of the chain and the image. */
int image_record_add(struct session *s, const struct image_parts *parts,
		     struct err *err) MUST_CHECK;

/* Lets NAME (normalised) stand for IMAGES[0 .. count). INDEX: zero if there is none.
 * *ret_moved: the name was another image's. */
int image_record_name(struct session *s, const char *name, const struct digest *index,
		      const struct record_image *const *images, size_t count,
		      bool *ret_moved, struct err *err) MUST_CHECK;

/* A layer becomes an image: of its own, or on top of another's layers. Config and manifest are
 * made for it; the manifest names plain tars, so it depends on nothing but content. */
struct image_bare {
	const char *name; /* normalised; NULL: the image gets none */
	struct digest diffid;
	uint64_t tar_size;
	int64_t created;        /* seconds since the epoch */
	const char *created_by; /* for the history; NULL: none */
	/* What is below, bottom first. PARENT: the image of just these layers, whose config
	 * goes on; NULL: there is none. OBJECTS: to read its config. */
	const struct digest *below;
	size_t below_count;
	const struct record_image *parent;
	struct objects *objects;
};
int image_record_bare(struct session *s, const struct image_bare *bare,
		      struct record_image *ret, bool *ret_moved,
		      struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * New documents for images that go out: a manifest whose layers are compressed otherwise, an
 * index of images, the index.json of a layout, the list in a docker-archive. Compact and in
 * fixed order, so that the same image gives the same bytes. Pure functions.
 */
#ifndef TOOLS_OCI_MANIFEST_EDIT_H
#define TOOLS_OCI_MANIFEST_EDIT_H

#include "store/base/buf.h"
#include "tools/oci/descriptor.h"

/* Appends the manifest of LEN bytes with other layers: of each LAYERS[i] the media type,
 * digest, size and table of contents. Types become OCI's; what the old one says of
 * compressed bytes (URLs, other tables) is left out, all else stays. ERR_INVALID if the count differs. */
int manifest_edit_layers(const void *bytes, size_t len, const struct descriptor *layers,
			 size_t count, struct buf *ret, struct err *err) MUST_CHECK;

/* Appends the manifest of LEN bytes with another config; all else stays. ERR_INVALID. */
int manifest_edit_config(const void *bytes, size_t len, const struct digest *config,
			 uint64_t config_size, struct buf *ret,
			 struct err *err) MUST_CHECK;

/* Appends the index of LEN bytes with its entry WAS for another manifest. ERR_INVALID: it has no
 * such entry. */
int manifest_edit_entry(const void *bytes, size_t len, const struct digest *was,
			const struct digest *is, uint64_t size, struct buf *ret,
			struct err *err) MUST_CHECK;

/* Appends an index of these manifests with their platforms. */
int manifest_edit_index(const struct descriptor *manifests, size_t count, struct buf *ret,
			struct err *err) MUST_CHECK;

/* What a layout's index.json says of an image. TAG, NAME (a full reference) may be NULL. */
struct manifest_edit_root {
	struct descriptor desc;
	const char *tag, *name;
	json_t *besides; /* descriptors that are listed after it, unless they are; or NULL */
};

/* Appends OLD (LEN 0: a new one) with the root added; the entry that had its tag, or without
 * a tag its digest, is replaced. */
int manifest_edit_layout(const void *old, size_t len,
			 const struct manifest_edit_root *root, struct buf *ret,
			 struct err *err) MUST_CHECK;

/* Appends a docker-archive's manifest.json. NAME may be NULL. DIFFIDS: bottom first; the
 * layers' files are "<hex>.tar", the config's "<hex>.json". */
int manifest_edit_docker(const struct digest *config, const char *name,
			 const struct digest *diffids, size_t count, struct buf *ret,
			 struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Alternates: directories of published stores (share_format.h) whose content counts as this
 * store's own. What an alternate has is not stored again, layers it has are adopted (only
 * recipe and tree are copied), and their content is read from its packs, which may lie on a
 * read-only network filesystem: nothing there is locked or written.
 *
 *	<store>/alternates := one absolute path per line; '#' begins a comment
 *
 * The trust is that of the store itself: frames are checked, and verify proves digests. An
 * alternate that is not there is passed over, and looked for again; content that only it has
 * is then missing. One that was published anew is picked up within a second, without
 * reopening. Documents (manifests, configs) are never left to an alternate.
 *
 * Thread-safe. Places have pack numbers that only mean something to store_packs of this
 * process (PACK_ALTERNATE).
 */
#ifndef STORE_ALTERNATES_H
#define STORE_ALTERNATES_H

#include "store/share.h"

#define ALTERNATES_FILE "alternates"

struct alternates;

/* Reads the file in DIRFD. What it names is opened when something is looked for that is not
 * here, and its packs are attached to PACKS. Both are borrowed. */
int alternates_new(int dirfd, struct packs *packs, struct alternates **ret,
		   struct err *err) MUST_CHECK;
void alternates_free(struct alternates *a); /* NULL is ignored */

/* Adds a directory, which has to be there; known ones are left as they are. KEEP: also to the
 * file, durably. ERR_INVALID: it has no published store. */
int alternates_add(struct alternates *a, const char *path, bool keep,
		   struct err *err) MUST_CHECK;

/* Whether there are any. */
bool alternates_any(struct alternates *a);

/* A directory that could not be read when that was last tried; false: there is none. */
bool alternates_absent(struct alternates *a, char *path, size_t size);

/* ERR_NOTFOUND without a text. */
int alternates_object_get(struct alternates *a, const struct digest *d,
			  struct object_place *ret, struct err *err) MUST_CHECK;
int alternates_object_by_prefix(struct alternates *a, uint64_t prefix, unsigned bits,
				struct digest *ret, struct err *err) MUST_CHECK;
int alternates_layer_get(struct alternates *a, const struct digest *diffid,
			 struct record_layer *ret, struct err *err) MUST_CHECK;
int alternates_blob_get(struct alternates *a, const struct digest *blob,
			struct record_blob *ret, struct err *err) MUST_CHECK;
int alternates_encoding_get(struct alternates *a, const struct digest *blob,
			    struct record_encoding *ret, struct err *err) MUST_CHECK;

/* As they are there; numbers mean nothing here. ERR_NOTFOUND without a text. */
int alternates_chain_get(struct alternates *a, const struct digest *chainid,
			 struct record_chain *ret, struct err *err) MUST_CHECK;
int alternates_image_get(struct alternates *a, const struct digest *manifest,
			 struct record_image *ret, struct err *err) MUST_CHECK;
int alternates_key_get(struct alternates *a, const struct digest *key,
		       struct record_key *ret, struct err *err) MUST_CHECK;

/* The one key that MATCHES. ERR_NOTFOUND without a text; ERR_INVALID: several do. */
typedef bool alternates_match_fn(const void *arg, const struct digest *d);
int alternates_key_match(struct alternates *a, alternates_match_fn *matches,
			 const void *arg, struct digest *ret, struct err *err) MUST_CHECK;

/* The names in one alternate directory, of all its publishers; EACH may not call back.
 * ERR_NOTFOUND: PATH is no alternate. */
typedef int alternates_ref_fn(void *arg, const struct record_ref *ref, struct err *err);
int alternates_ref_each(struct alternates *a, const char *path, alternates_ref_fn *each,
			void *arg, struct err *err) MUST_CHECK;

#endif

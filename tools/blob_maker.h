/* SPDX-License-Identifier: Apache-2.0
 * Makes the compressed blobs of layers again, bit for bit, where the store knows how. What
 * was only guessed is known once it was tried, and noted.
 */
#ifndef TOOLS_BLOB_MAKER_H
#define TOOLS_BLOB_MAKER_H

#include "store/object.h"
#include "store/record.h"
#include "store/store.h"

/* How BLOB may be made; ERR_NOTFOUND: nobody knows, or it was tried and came out wrong. */
int blob_maker_get(struct store *store, const struct digest *blob,
		   struct record_encoding *ret, struct err *err) MUST_CHECK;

/* What is known of BLOB if it was made again once, and its layer is whole: its size and its
 * layer. ERR_NOTFOUND. */
int blob_maker_find(struct store *store, const struct digest *blob,
		    struct record_blob *ret, struct err *err) MUST_CHECK;

/* The bytes of such a BLOB from AT on; what is before AT is made too, and left out. The last
 * ones come only if all together have the digest: ERR_CORRUPT. */
int blob_maker_open(struct store *store, struct objects *objects,
		    const struct digest *blob, uint64_t at, struct stream **ret,
		    struct err *err) MUST_CHECK;

/* Results to be noted. */
struct blob_notes {
	struct record_encoding *items;
	size_t count;
};

int blob_notes_add(struct blob_notes *notes, const struct record_encoding *tried,
		   bool same, struct err *err) MUST_CHECK;
int blob_notes_join(struct blob_notes *notes, const struct blob_notes *more,
		    struct err *err) MUST_CHECK;

/* Commits them to the store at PATH, which this process has not open for reading. Left out
 * where it may not be written: they are not needed, only found again. */
void blob_notes_keep(struct blob_notes *notes, const char *path);
void blob_notes_release(struct blob_notes *notes);

#define auto_blob_notes __attribute__((cleanup(blob_notes_release)))

/* Tries what is guessed of these COUNT blobs, without writing anything but the notes. */
int blob_maker_prove(struct store *store, const struct digest *blobs, size_t count,
		     bool quiet, struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * A set of named files being written, the twin of bundle.h: into a directory or a tar
 * archive. Nothing of it is visible before bundle_writer_finish, and what is given up leaves
 * nothing.
 *
 * A file may get its name after its content: blobs are named by their digest. One thread.
 */
#ifndef TOOLS_OCI_BUNDLE_WRITER_H
#define TOOLS_OCI_BUNDLE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/err.h"

struct bundle_writer;

enum bundle_writer_mode {
	BUNDLE_WRITER_ADD = 1, /* files are added to a directory that is there already */
	BUNDLE_WRITER_REPLACE, /* a directory of plain files is replaced as a whole */
};

/* A directory that is not there is made; one that is must be empty or have a file MARKER, so
 * that nobody's own directory is changed (ERR_FAILED). ADD: waits while another process adds
 * to the same directory. */
int bundle_writer_dir(const char *path, enum bundle_writer_mode mode, const char *marker,
		      struct bundle_writer **ret, struct err *err) MUST_CHECK;

/* PATH "-": standard output, by way of a temporary file in SPOOL_DIRFD. The bytes of the
 * archive depend on names and content only. DIRS: "a/b/" makes entries for the directories
 * "a" and "a/b", "" none. */
int bundle_writer_archive(const char *path, const char *dirs, int spool_dirfd,
			  struct bundle_writer **ret, struct err *err) MUST_CHECK;

void bundle_writer_free(struct bundle_writer *w); /* NULL is ignored */

AUTO_DEFINE(bundle_writer, struct bundle_writer, bundle_writer_free)
#define auto_bundle_writer AUTO(bundle_writer)

/* Whether a file of this name was written, or is in the directory that is added to. */
bool bundle_writer_has(struct bundle_writer *w, const char *name);

/* One file: begin, its bytes, and its name at the end. A file whose name was written before
 * is dropped: the first one stays. */
int bundle_writer_begin(struct bundle_writer *w, struct err *err) MUST_CHECK;
int bundle_writer_write(struct bundle_writer *w, const void *data, size_t len,
			struct err *err) MUST_CHECK;
int bundle_writer_end(struct bundle_writer *w, const char *name,
		      struct err *err) MUST_CHECK;

/* All three. */
int bundle_writer_put(struct bundle_writer *w, const char *name, const void *data,
		      size_t len, struct err *err) MUST_CHECK;

/* Everything appears, in the order in which it was written. */
int bundle_writer_finish(struct bundle_writer *w, struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * What directories and archives being written share. Included by bundle_writer*.c only.
 */
#ifndef TOOLS_OCI_BUNDLE_WRITER_PRIVATE_H
#define TOOLS_OCI_BUNDLE_WRITER_PRIVATE_H

#include "tools/oci/bundle_writer.h"

struct bundle_writer_ops {
	bool (*has)(struct bundle_writer *w, const char *name); /* besides `names` */
	int (*begin)(struct bundle_writer *w, struct err *err);
	int (*write)(struct bundle_writer *w, const void *data, size_t len,
		     struct err *err);
	/* NAME NULL: the file is dropped. */
	int (*end)(struct bundle_writer *w, const char *name, struct err *err);
	int (*finish)(struct bundle_writer *w, struct err *err);
	void (*free)(struct bundle_writer *w);
};

struct bundle_writer {
	const struct bundle_writer_ops *ops;
	char *path;
	char **names; /* of what was written, in order */
	size_t count;
};

/* Calls EACH for every directory above NAME, from the top ("blobs", "blobs/sha256"). */
typedef int bundle_writer_parent_fn(void *arg, const char *dir, struct err *err);
int bundle_writer_parents(const char *name, bundle_writer_parent_fn *each, void *arg,
			  struct err *err) MUST_CHECK;

#endif

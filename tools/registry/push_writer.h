/* SPDX-License-Identifier: Apache-2.0
 * A repository of a registry as a set of files being written: each file is a blob, and its
 * name is "sha256:<hex>". What goes up is there at once, but nothing names it yet.
 */
#ifndef TOOLS_REGISTRY_PUSH_WRITER_H
#define TOOLS_REGISTRY_PUSH_WRITER_H

#include "store/digest.h"
#include "tools/oci/bundle_writer.h"
#include "tools/registry/remote.h"

/* REMOTE is borrowed. Errors of the network that may pass are ERR_AGAIN: the file may be
 * begun once more. */
int push_writer_new(struct remote *remote, struct bundle_writer **ret,
		    struct err *err) MUST_CHECK;

/* The next file that is begun is known already: it can go up in one request. */
void push_writer_expect(struct bundle_writer *w, const struct digest *d, uint64_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * docker://REF as a source of images: documents and layers come straight from the registry.
 */
#ifndef TOOLS_REGISTRY_REMOTE_SOURCE_H
#define TOOLS_REGISTRY_REMOTE_SOURCE_H

#include "tools/oci/source.h"
#include "tools/registry/remote.h"

/* TEXT is "docker://REF"; its only root has the normalised name. OPTIONS may be NULL, and
 * live as long as the source. ERR_NOTFOUND: the registry does not have it. */
int remote_source_open(const char *text, const struct remote_options *options,
		       struct source **ret, struct err *err) MUST_CHECK;

/* "REF" of "docker://REF"; NULL: TEXT is something else, or REF is empty. */
const char *remote_source_name(const char *text);

#endif

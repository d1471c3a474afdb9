/* SPDX-License-Identifier: Apache-2.0
 * Programs that keep secrets: docker-credential-NAME.
 */
#ifndef TOOLS_REGISTRY_CREDENTIAL_HELPER_H
#define TOOLS_REGISTRY_CREDENTIAL_HELPER_H

#include <stddef.h>

#include "store/base/buf.h"

/* Runs docker-credential-NAME VERB with INPUT and appends what it prints (bounded by
 * out->max). ERR_NOTFOUND: it has nothing for this server; ERR_FAILED: anything else. */
int credential_helper_run(const char *name, const char *verb, const char *input,
			  size_t len, struct buf *out, struct err *err) MUST_CHECK;

#endif

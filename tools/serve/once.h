/* SPDX-License-Identifier: Apache-2.0
 * Work that many ask for at the same time is done once: who comes while it is being done waits
 * for it and shares how it ended.
 */
#ifndef TOOLS_SERVE_ONCE_H
#define TOOLS_SERVE_ONCE_H

#include "tools/registry/remote.h"

struct once;

int once_new(struct once **ret, struct err *err) MUST_CHECK;
void once_free(struct once *o); /* nobody is in it; NULL is ignored */

/* KEY names the work. The refusal is of the thread that did it. */
typedef int once_fn(void *arg, struct err *err);
int once_do(struct once *o, const char *key, once_fn *work, void *arg,
	    struct remote_refusal *ret_refusal, struct err *err) MUST_CHECK;

#endif

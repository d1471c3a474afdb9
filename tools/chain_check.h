/* SPDX-License-Identifier: Apache-2.0
 * Whether a chain's layers fit together, asked before it is committed: a hardlink of a layer
 * may lead to a file that no layer below it has.
 */
#ifndef TOOLS_CHAIN_CHECK_H
#define TOOLS_CHAIN_CHECK_H

#include "store/session.h"

/* DIFFIDS: bottom first, in the store or added to the session. Costs nothing unless a layer
 * has links to lower layers and the chain is new; then the session is flushed. ERR_INVALID. */
int chain_check(struct session *s, const struct digest *diffids, size_t count,
		struct err *err) MUST_CHECK;

#endif

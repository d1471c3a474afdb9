/* SPDX-License-Identifier: Apache-2.0
 * What is about an image (signatures, SBOMs, attestations), out of the store to where the image
 * went.
 */
#ifndef TOOLS_REFERRERS_SEND_H
#define TOOLS_REFERRERS_SEND_H

#include "store/object.h"
#include "tools/oci/destination.h"

#define REFERRERS_SEND_MAX 1024 /* for one manifest, with what is about them in turn */

struct referrers_send {
	struct store *store;
	struct objects *objects;
	struct destination *dest;
	bool quiet;
};

/* Sends what is about SUBJECT, and what is about that, unless it is there. If the store has
 * none of it, nothing is asked. A registry gets it after the image; all else before
 * destination_finish. What a registry refuses is left out with a line on stderr. */
int referrers_send(const struct referrers_send *s, const struct digest *subject,
		   struct err *err) MUST_CHECK;

/* The same for a manifest that does not go there: says that these do not either, if there are
 * any. */
int referrers_leave(const struct referrers_send *s, const struct digest *subject,
		    struct err *err) MUST_CHECK;

#endif

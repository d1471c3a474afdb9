/* SPDX-License-Identifier: Apache-2.0
 * What is about images of a source (signatures, SBOMs, attestations, by `subject`), into the
 * store as artifacts. Bounded in number, bytes and depth. It is never worth the image: what is
 * bad, too much or not to be had is left out with a line on stderr.
 */
#ifndef TOOLS_REFERRERS_TAKE_H
#define TOOLS_REFERRERS_TAKE_H

#include "store/session.h"
#include "tools/oci/source.h"

#define REFERRERS_TAKE_MAX       128          /* tried in one session */
#define REFERRERS_TAKE_BYTES_MAX (256u << 20) /* of all their parts */
#define REFERRERS_TAKE_DEPTH_MAX 3            /* a signature of an SBOM of an image: 2 */

struct referrers_take; /* of one session; remembers what it has seen */

int referrers_take_new(struct session *session, struct source *source, bool quiet,
		       struct referrers_take **ret, struct err *err) MUST_CHECK;
void referrers_take_free(struct referrers_take *t); /* NULL is ignored */

AUTO_DEFINE(referrers_take, struct referrers_take, referrers_take_free)
#define auto_referrers_take AUTO(referrers_take)

/* Takes what is about SUBJECT, and what is about that. Each SUBJECT is asked for once. Only
 * lack of memory is an error. */
int referrers_take(struct referrers_take *t, const struct digest *subject,
		   struct err *err) MUST_CHECK;

#endif

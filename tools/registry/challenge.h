/* SPDX-License-Identifier: Apache-2.0
 * What a server's headers say in lists: WWW-Authenticate (how to authenticate) and Link
 * (where the next page is). Pure functions over foreign text.
 */
#ifndef TOOLS_REGISTRY_CHALLENGE_H
#define TOOLS_REGISTRY_CHALLENGE_H

#include <stdbool.h>

#include "store/base/buf.h"

#define CHALLENGE_VALUE_MAX 2048 /* bytes of one parameter, with NUL */

enum challenge_scheme {
	CHALLENGE_NONE = 0, /* nothing that we know */
	CHALLENGE_BASIC,
	CHALLENGE_BEARER,
};

struct challenge {
	enum challenge_scheme scheme;
	char realm[CHALLENGE_VALUE_MAX];
	char service[CHALLENGE_VALUE_MAX];
	char scope[CHALLENGE_VALUE_MAX];
};

/* Reads one header, which may have several challenges, and merges the best of them into
 * RET, which is zeroed before the first header: Bearer before Basic, then the first. What
 * cannot be understood is passed over; a value that is too long makes its challenge void. */
void challenge_parse(const char *header, struct challenge *ret);

/* Appends the target of rel="next" and a NUL; false if there is none. */
bool challenge_next_link(const char *header, struct buf *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Keys that alternates have, as users write them. What is found becomes the store's own
 * (key_adopt.h).
 */
#ifndef TOOLS_KEY_PUBLISHED_H
#define TOOLS_KEY_PUBLISHED_H

#include "tools/command.h"
#include "tools/subject.h"

/* The key of an alternate that the digest TEXT, or the beginning of one, stands for.
 * ERR_NOTFOUND without a text: none, or TEXT is something else; ERR_INVALID: several. */
int key_published_find(struct store *store, const char *text, struct digest *ret,
		       struct err *err) MUST_CHECK;

/* subject_find; but a key that only an alternate has is adopted, if the store may be written,
 * and R opened anew. */
int key_published_subject(const struct command_call *call, struct command_reader *r,
			  const char *text, const char *platform, struct subject *ret,
			  struct err *err) MUST_CHECK;

/* ERR_BUSY: an alternate has another result of the key, and the store has none. */
int key_published_check(struct store *store, const struct digest *key,
			const struct digest *chainid, struct err *err) MUST_CHECK;

#endif

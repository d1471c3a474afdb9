/* SPDX-License-Identifier: Apache-2.0
 * Which names use what: every name, platform by platform, with the layers it stands for.
 */
#ifndef TOOLS_IMAGE_USERS_H
#define TOOLS_IMAGE_USERS_H

#include "store/catalog.h"

struct image_user {
	const char *name;
	struct record_image image;
	const struct record_chain *links; /* its layers, bottom first */
	size_t count;
};

/* In order of the names; everything is valid during the call. EACH returns > 0 to stop. */
typedef int image_users_fn(void *arg, const struct image_user *user, struct err *err);
int image_users_each(struct catalog_txn *t, image_users_fn *each, void *arg,
		     struct err *err) MUST_CHECK;

/* Whether the layer or the chain is among what the user stands for. */
bool image_users_has_layer(const struct image_user *user, const struct digest *diffid);
bool image_users_has_chain(const struct image_user *user, const struct digest *chainid);

#endif

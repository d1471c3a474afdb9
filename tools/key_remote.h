/* SPDX-License-Identifier: Apache-2.0
 * Results of build steps that other stores share: each is an image in a repository of a
 * registry, or in an OCI layout, under a tag that says the step's key:
 *
 *	[docker://]REF[:TAG]	REF:<64 hex>, with TAG REF:TAG-<64 hex>
 *	oci:DIR[:TAG]		the same, as the layout's references
 *
 * So any number of hosts read and write one cache at once, and any registry will do. What is
 * found is believed: who can write there says what a step's result is.
 */
#ifndef TOOLS_KEY_REMOTE_H
#define TOOLS_KEY_REMOTE_H

#include "store/store.h"
#include "tools/registry_options.h"

/* Rows of a table whose struct S has a struct option_list M. */
#define KEY_REMOTE_FROM(s, m) \
	OPTION_LIST(0, "cache-from", "REF", s, m, \
		    "look for the result there as well (may be repeated)")

struct key_remote {
	struct store *store; /* open for writing */
	const struct remote_options *registry;
	bool quiet;
};

/* Whether REF can be one: ERR_USAGE. */
int key_remote_check(const char *ref, struct err *err) MUST_CHECK;

/* The first of REFS that has a result of KEY: its image comes into the store, without a name.
 * ERR_NOTFOUND: none has. One that cannot be asked is told of and taken for a miss. */
int key_remote_get(const struct key_remote *r, const struct option_list *refs,
		   const struct digest *key, struct record_image *ret,
		   const char **ret_ref, struct err *err) MUST_CHECK;

/* Sends the image with MANIFEST as the result of KEY; what is there is not sent again. */
int key_remote_put(const struct key_remote *r, const char *ref, const struct digest *key,
		   const struct digest *manifest, struct err *err) MUST_CHECK;

#endif

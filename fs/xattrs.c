/* SPDX-License-Identifier: Apache-2.0
 * From stored xattrs to shown ones.
 */
#include "fs/xattrs.h"

#include <linux/limits.h>
#include <string.h>

#include "store/tree_model.h"

#define TRUSTED      "trusted.overlay."
#define USER         "user.overlay."
#define ESCAPE       "overlay."
#define OPAQUE       "opaque"
#define OPAQUE_VALUE "y"

struct showing {
	bool opaque_user;
	node_xattr_fn *each;
	void *arg;
};

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static int show(void *arg, const char *prefix, const char *name, size_t name_len,
		const void *value, size_t value_len, struct err *err)
{
	struct showing *s = arg;
	char stored[XATTR_NAME_MAX + 1], escaped[XATTR_NAME_MAX + sizeof(ESCAPE)];
	int len = snprintf(stored, sizeof(stored), "%s%.*s", prefix, (int)name_len, name);
	const char *shown = stored;

	(void)err;
	if (len < 0 || (size_t)len >= sizeof(stored))
		return 0;
	if (starts(stored, TRUSTED) && !starts(stored, TRUSTED ESCAPE))
		return 0;
	if (s->opaque_user && starts(stored, USER)) {
		snprintf(escaped, sizeof(escaped), USER ESCAPE "%s",
			 stored + strlen(USER));
		shown = escaped;
	}
	return s->each(s->arg, shown, value, value_len) > 0;
}

int xattrs_each(const struct tree *t, const struct tree_node *node, bool layer,
		bool opaque_user, node_xattr_fn *each, void *arg)
{
	struct showing s = {.opaque_user = opaque_user, .each = each, .arg = arg};
	int rc;

	if (layer && node->flags & TREE_OPAQUE &&
	    each(arg, opaque_user ? USER OPAQUE : TRUSTED OPAQUE, OPAQUE_VALUE,
		 strlen(OPAQUE_VALUE)) > 0)
		return 0;
	rc = tree_xattr_each(t, node->nid, false, show, &s, NULL);
	return rc < 0 ? rc : 0;
}

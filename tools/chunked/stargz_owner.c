/* SPDX-License-Identifier: Apache-2.0
 * Names of owners in a table of contents of eStargz. */
#include "tools/chunked/stargz_owner.h"

#include <string.h>

int stargz_owner_name(struct stargz_owner *o, uint64_t id, const char *name,
		      const char **ret, struct err *err)
{
	size_t i = 0;

	while (i < o->count && o->known[i].id != id)
		i++;
	if (!*name) {
		*ret = i < o->count ? o->known[i].name : "";
		return 0;
	}
	if (i == STARGZ_OWNER_MAX)
		return err_set(err, ERR_LIMIT, "more than %u owners with a name",
			       STARGZ_OWNER_MAX);
	if (strlen(name) > STARGZ_OWNER_NAME)
		return err_set(err, ERR_INVALID, "an owner's name that is too long");
	if (i == o->count)
		o->count++;
	o->known[i].id = id;
	memcpy(o->known[i].name, name, strlen(name) + 1);
	*ret = o->known[i].name;
	return 0;
}

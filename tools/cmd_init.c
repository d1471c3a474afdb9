/* SPDX-License-Identifier: Apache-2.0
 * `layercache init`: makes a store.
 */
#include <grp.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/output.h"

struct init_options {
	const char *group;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "group", "GROUP", struct init_options, group,
		    "open the store to this group (name or number), mode 2770"),
	OPTION_END,
};

static int find_group(const char *name, gid_t *ret, struct err *err)
{
	const struct group *g = getgrnam(name);
	unsigned long number;
	char *end;

	if (g) {
		*ret = g->gr_gid;
		return 0;
	}
	errno = 0;
	number = strtoul(name, &end, 10);
	if (name[0] < '0' || name[0] > '9' || *end || errno || number >= (gid_t)-1)
		return err_set(err, ERR_INVALID, "no group '%s'", name);
	*ret = (gid_t)number;
	return 0;
}

static int run(struct command_call *call, struct err *err)
{
	const struct init_options *o = call->values;
	auto_store struct store *store = NULL;
	gid_t gid = (gid_t)-1;
	int rc = 0;

	if (o->group)
		rc = find_group(o->group, &gid, err);
	if (!rc)
		rc = store_init(call->store, gid, err);
	/* Opened once: says now rather than later if something about the place is wrong. */
	if (!rc)
		rc = command_open_store(call, STORE_WRITE, &store, err);
	if (!rc)
		output_line("%s", store_path(store));
	return rc;
}

const struct command cmd_init = {
	.name = "init",
	.summary = "make a store",
	.arguments = "",
	.details =
		"Makes the store directory with its parents (mode 0700) and prints its\n"
		"path. A store that is there already is left as it is. Every command that\n"
		"writes makes a missing store itself.",
	.options = options,
	.values_size = sizeof(struct init_options),
	.run = run,
};

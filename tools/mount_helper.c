/* SPDX-License-Identifier: Apache-2.0
 * What mount(8) says, turned into a mount.
 */
#include "tools/mount_helper.h"

#include <string.h>

#include "fs/mount.h"
#include "tools/options.h"
#include "tools/paths.h"

struct helper_options {
	const char *options;
	const char *type, *namespace;
	bool sloppy, fake, no_mtab, verbose, read_only;
};

/* mount(8) uses the letters only. */
static const struct option_spec specs[] = {
	OPTION_TEXT('o', "options", "OPTIONS", struct helper_options, options,
		    "mount options"),
	OPTION_TEXT('t', "type", "TYPE", struct helper_options, type, "ignored"),
	OPTION_TEXT('N', "namespace", "NS", struct helper_options, namespace, "ignored"),
	OPTION_FLAG('f', "fake", struct helper_options, fake, "check, do not mount"),
	OPTION_FLAG('s', "sloppy", struct helper_options, sloppy, "ignored"),
	OPTION_FLAG('n', "no-mtab", struct helper_options, no_mtab, "ignored"),
	OPTION_FLAG('v', "verbose", struct helper_options, verbose, "ignored"),
	OPTION_FLAG('r', "read-only", struct helper_options, read_only, "ignored"),
	OPTION_END,
};

bool mount_helper_is(const char *name)
{
	return strcmp(name, "mount.fuse.layercache") == 0 ||
	       strcmp(name, "mount.layercache") == 0;
}

int mount_helper_run(int argc, char **argv, struct err *err)
{
	struct helper_options h = {0};
	const struct option_table table = {specs, &h};
	struct mount_options mount = {0};
	auto_free char *rest = NULL;
	int first, rc;

	rc = options_parse(&table, 1, false, argc, argv, &first, err);
	if (rc)
		return rc;
	if (argc - first != 2)
		return err_set(
			err, ERR_USAGE,
			"usage: mount.fuse.layercache STORE MOUNTPOINT [-o OPTIONS]");
	rc = mount_options_parse(&mount, h.options ? h.options : "", &rest, err);
	if (rc || h.fake)
		return rc;
	mount.store = argv[first];
	mount.mountpoint = argv[first + 1];
	rc = paths_check_mountpoint(mount.store, mount.mountpoint, err);
	return rc ? rc : mount_run(&mount, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * One mount, in the foreground or as a daemon.
 */
#include "fs/mount.h"

#include "fs/daemonise.h"
#include "fs/logline.h"
#include "fs/serve.h"

int mount_run(const struct mount_options *options, struct err *err)
{
	struct err failed = {0};
	int report = -1;
	int rc;

	if (options->foreground)
		return serve_run(options, &report, err);
	rc = daemonise_start(&report, err);
	if (rc || report < 0)
		return rc;

	/* The daemon itself never returns to the caller. The store is opened only here: its
	 * catalog must not be carried over a fork. */
	rc = serve_run(options, &report, &failed);
	if (rc && report < 0)
		logline_write("%s", failed.msg);
	daemonise_report(&report, rc, &failed);
	_exit(rc ? 1 : 0);
}

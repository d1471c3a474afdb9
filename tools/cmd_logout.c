/* SPDX-License-Identifier: Apache-2.0
 * `layercache logout HOST`: removes what login stored.
 */
#include "tools/commands.h"
#include "tools/registry/credentials.h"

struct logout_options {
	const char *authfile;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "authfile", "FILE", struct logout_options, authfile,
		    "credentials of registries"),
	OPTION_END,
};

static int run(struct command_call *call, struct err *err)
{
	const struct logout_options *v = call->values;
	const char *host = call->count ? call->args[0] : "docker.io";
	int rc = credentials_store(v->authfile, host, NULL, err);

	return rc ? err_wrap(err, "log out at '%s'", host) : 0;
}

const struct command cmd_logout = {
	.name = "logout",
	.summary = "forget the credentials for a registry",
	.arguments = "[HOST]",
	.details =
		"HOST is docker.io by default. The file is that of `layercache login`. Exit\n"
		"status 3 if there were none.",
	.options = options,
	.values_size = sizeof(struct logout_options),
	.max_args = 1,
	.run = run,
};

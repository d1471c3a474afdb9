/* SPDX-License-Identifier: Apache-2.0
 * `layercache version`: which program this is and which stores it can use.
 */
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/version.h"

static int run(struct command_call *call, struct err *err)
{
	if (call->json)
		return output_json(json_pack("{s:s, s:i, s:i}", "version", VERSION_TEXT,
					     "store_read", STORE_READ_VERSION,
					     "store_write", STORE_WRITE_VERSION),
				   err);
	output_line("layercache %s", VERSION_TEXT);
	return 0;
}

const struct command cmd_version = {
	.name = "version",
	.summary = "print the version",
	.arguments = "",
	.details = "--json adds the newest store version that can be read and written.",
	.flags = COMMAND_JSON,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 * `layercache help [COMMAND]`.
 */
#include "tools/commands.h"
#include "tools/output.h"

static int print_overview(struct err *err)
{
	auto_buf struct buf options;
	int rc;

	buf_init(&options, 16u << 10);
	rc = options_help(command_common_options, &options, err);
	if (rc)
		return rc;
	output_line(
		"usage: layercache [--store DIR] COMMAND [OPTIONS] [ARGUMENTS]\n\n"
		"A content-addressable store of container layers, seen as directories.\n\n"
		"commands:");
	for (size_t i = 0; commands[i]; i++)
		output_line("  %-10s  %s", commands[i]->name, commands[i]->summary);
	output_line("\noptions:\n%.*s", (int)options.len, (char *)options.data);
	output_line(
		"X is a name, an image ID, a DiffID or a ChainID; digests may be cut to\n"
		"6 digits or more, and be qualified: image:DIGEST, chain:DIGEST,\n"
		"layer:DIGEST.\n\n"
		"exit status: 0 done, 1 failed, 2 wrong use, 3 not found, 4 damage in the\n"
		"store\n\n"
		"'layercache help COMMAND' tells more.");
	return 0;
}

static int run(struct command_call *call, struct err *err)
{
	const struct command *command;

	if (!call->count)
		return print_overview(err);
	command = commands_find(call->args[0]);
	if (!command)
		return err_set(err, ERR_USAGE, "unknown command '%s'", call->args[0]);
	if (call->count > 1)
		command = command_member(command, call->args[1]);
	if (!command)
		return err_set(err, ERR_USAGE, "unknown command '%s %s'", call->args[0],
			       call->args[1]);
	return command_help(command, err);
}

const struct command cmd_help = {
	.name = "help",
	.summary = "explain a command",
	.arguments = "[COMMAND [SUBCOMMAND]]",
	.max_args = 2,
	.complete = COMPLETE_VERB,
	.run = run,
};

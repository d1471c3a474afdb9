/* SPDX-License-Identifier: Apache-2.0
 * The list of all commands.
 */
#include "tools/commands.h"

#include <string.h>

const struct command *const commands[] = {
	&cmd_init,    &cmd_import, &cmd_pull,     &cmd_export,   &cmd_push,   &cmd_login,
	&cmd_logout,  &cmd_cache,  &cmd_snapshot, &cmd_key,      &cmd_lookup, &cmd_run,
	&cmd_list,    &cmd_show,   &cmd_path,     &cmd_checkout, &cmd_diff,   &cmd_tag,
	&cmd_remove,  &cmd_mount,  &cmd_unmount,  &cmd_overlay,  &cmd_gc,     &cmd_repack,
	&cmd_verify,  &cmd_repair, &cmd_publish,  &cmd_stats,    &cmd_serve,  &cmd_help,
	&cmd_version, NULL,
};

const struct command *commands_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

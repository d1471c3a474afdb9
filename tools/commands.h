/* SPDX-License-Identifier: Apache-2.0
 * The list of all commands.
 */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "tools/command.h"

/* In the order of the help, ended by NULL. */
extern const struct command *const commands[];

/* NULL if there is none of this name. */
const struct command *commands_find(const char *name);

extern const struct command cmd_cache;
extern const struct command cmd_cache_complete;
extern const struct command cmd_cache_explain;
extern const struct command cmd_cache_export;
extern const struct command cmd_cache_import;
extern const struct command cmd_cache_merge;
extern const struct command cmd_cache_prune;
extern const struct command cmd_cache_show;
extern const struct command cmd_checkout;
extern const struct command cmd_diff;
extern const struct command cmd_export;
extern const struct command cmd_gc;
extern const struct command cmd_help;
extern const struct command cmd_import;
extern const struct command cmd_init;
extern const struct command cmd_key;
extern const struct command cmd_list;
extern const struct command cmd_login;
extern const struct command cmd_logout;
extern const struct command cmd_lookup;
extern const struct command cmd_mount;
extern const struct command cmd_overlay;
extern const struct command cmd_path;
extern const struct command cmd_publish;
extern const struct command cmd_pull;
extern const struct command cmd_push;
extern const struct command cmd_remove;
extern const struct command cmd_repack;
extern const struct command cmd_repair;
extern const struct command cmd_serve;
extern const struct command cmd_show;
extern const struct command cmd_snapshot;
extern const struct command cmd_run;
extern const struct command cmd_stats;
extern const struct command cmd_tag;
extern const struct command cmd_unmount;
extern const struct command cmd_verify;
extern const struct command cmd_version;

#endif

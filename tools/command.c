/* SPDX-License-Identifier: Apache-2.0
 * Runs one command: its table and the common options, the help, the store it works on.
 */
#include "tools/command.h"

#include <string.h>

#include "tools/output.h"
#include "tools/paths.h"

#define HELP_MAX (64u << 10)

const struct option_spec command_common_options[] = {
	OPTION_TEXT_OF(COMPLETE_DIRECTORY, 0, "store", "DIR", struct command_common,
		       store, "the store's directory (LAYERCACHE_STORE)"),
	OPTION_TEXT_OF(COMPLETE_DIRECTORY, 0, "alternate", "DIR", struct command_common,
		       alternate, "read from what is published in DIR, too"),
	OPTION_FLAG('q', "quiet", struct command_common, quiet,
		    "no progress bar, no notices"),
	OPTION_FLAG('h', "help", struct command_common, help, "show this help"),
	OPTION_END,
};

const struct option_spec command_json_option[] = {
	OPTION_FLAG(0, "json", struct command_common, json,
		    "print one JSON document instead of lines"),
	OPTION_END,
};

const char *command_short_name(const struct command *command)
{
	const char *space = strrchr(command->name, ' ');

	return space ? space + 1 : command->name;
}

const struct command *command_member(const struct command *command, const char *name)
{
	for (size_t i = 0; command->group && command->group[i]; i++)
		if (strcmp(command_short_name(command->group[i]), name) == 0)
			return command->group[i];
	return NULL;
}

static int list_members(const struct command *c, struct buf *out, struct err *err)
{
	int rc = buf_printf(out, err, "\ncommands:\n");

	for (size_t i = 0; c->group[i] && !rc; i++)
		rc = buf_printf(out, err, "  %-10s  %s\n",
				command_short_name(c->group[i]), c->group[i]->summary);
	return rc;
}

static int format_help(const struct command *c, struct buf *out, struct err *err)
{
	bool own = c->options && c->options->type != OPTION_IS_END;
	int rc;

	rc = buf_printf(out, err, "usage: layercache %s [OPTIONS]%s%s\n\n%s\n", c->name,
			*c->arguments ? " " : "", c->arguments, c->summary);
	if (!rc && c->details)
		rc = buf_printf(out, err, "\n%s\n", c->details);
	if (!rc && c->group)
		rc = list_members(c, out, err);
	if (!rc)
		rc = buf_printf(out, err, "\noptions:\n");
	if (!rc && own)
		rc = options_help(c->options, out, err);
	if (!rc && (c->flags & COMMAND_JSON))
		rc = options_help(command_json_option, out, err);
	return rc ? rc : options_help(command_common_options, out, err);
}

int command_help(const struct command *command, struct err *err)
{
	auto_buf struct buf text;
	int rc;

	buf_init(&text, HELP_MAX);
	rc = format_help(command, &text, err);
	if (!rc)
		fwrite(text.data, 1, text.len, stdout);
	return rc;
}

static int check_count(const struct command *c, int count, struct err *err)
{
	if (count < (int)c->min_args)
		return err_set(err, ERR_USAGE, "%s needs %s", c->name, c->arguments);
	if (c->max_args != COMMAND_ANY_ARGS && count > (int)c->max_args)
		return err_set(err, ERR_USAGE, "%s takes %s%s", c->name,
			       *c->arguments ? "only " : "no arguments", c->arguments);
	return 0;
}

static int run(const struct command *c, const struct command_common *common, void *values,
	       char **args, int count, int *ret_status, struct err *err)
{
	auto_free char *default_store = NULL;
	struct command_call call = {
		.command = c,
		.store = common->store,
		.alternate = common->alternate,
		.json = common->json,
		.quiet = common->quiet,
		.values = values,
		.args = args,
		.count = (unsigned)count,
	};
	int rc;

	if (common->help) {
		*ret_status = 0;
		return command_help(c, err);
	}
	rc = check_count(c, count, err);
	if (!rc && !call.store) {
		rc = paths_store(&default_store, err);
		call.store = default_store;
	}
	if (!rc)
		rc = c->run(&call, err);
	if (!rc)
		*ret_status = call.status;
	return rc;
}

static int group_main(const struct command *group, const struct command_common *globals,
		      int argc, char **argv, int *ret_status, struct err *err)
{
	struct command_common common = *globals;
	const struct option_table table = {command_common_options, &common};
	const struct command *member;
	int first, rc;

	rc = options_parse(&table, 1, true, argc, argv, &first, err);
	if (rc)
		return rc;
	if (common.help && first == argc) {
		*ret_status = 0;
		return command_help(group, err);
	}
	if (first == argc)
		return err_set(err, ERR_USAGE, "%s needs %s", group->name,
			       group->arguments);
	member = command_member(group, argv[first]);
	if (!member)
		return err_set(err, ERR_USAGE, "unknown command '%s %s'", group->name,
			       argv[first]);
	return command_main(member, &common, argc - first, argv + first, ret_status, err);
}

int command_main(const struct command *command, const struct command_common *globals,
		 int argc, char **argv, int *ret_status, struct err *err)
{
	struct command_common common = *globals;
	auto_free void *values = calloc(1, command->values_size + 1);
	const struct option_table tables[] = {
		{command->options, values},
		{command_common_options, &common},
		{command->flags & COMMAND_JSON ? command_json_option : NULL, &common},
	};
	int first, rc;

	if (command->group)
		return group_main(command, globals, argc, argv, ret_status, err);
	if (!values)
		return err_nomem(err);
	rc = options_parse(tables, ARRAY_LEN(tables), false, argc, argv, &first, err);
	if (!rc)
		rc = run(command, &common, values, argv + first, argc - first, ret_status,
			 err);
	options_release(&tables[0]);
	return rc;
}

int command_open_store(const struct command_call *call, unsigned flags,
		       struct store **ret, struct err *err)
{
	auto_store struct store *s = NULL;
	int rc = store_open(call->store, flags, &s, err);

	if (!rc && call->alternate)
		rc = alternates_add(store_alternates(s), call->alternate,
				    store_writable(s), err);
	if (!rc)
		*ret = steal_ptr(&s);
	return rc;
}

int command_reader_open(const struct command_call *call, struct command_reader *ret,
			struct err *err)
{
	auto_store struct store *store = NULL;
	struct catalog_txn *txn;
	int rc;

	rc = command_open_store(call, 0, &store, err);
	if (!rc)
		rc = catalog_begin(store_catalog(store), false, &txn, err);
	if (rc)
		return rc;
	ret->txn = txn;
	ret->store = steal_ptr(&store);
	return 0;
}

void command_reader_close(struct command_reader *r)
{
	catalog_abort(r->txn);
	if (r->store)
		store_close(r->store);
	*r = (struct command_reader){0};
}

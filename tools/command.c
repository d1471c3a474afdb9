/* SPDX-License-Identifier: Apache-2.0
 * Runs one command: its table and the common options, the help, the store it works on.
 */
#include "tools/command.h"

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

static int format_help(const struct command *c, struct buf *out, struct err *err)
{
	bool own = c->options && c->options->type != OPTION_IS_END;
	int rc;

	rc = buf_printf(out, err, "usage: layercache %s [OPTIONS]%s%s\n\n%s\n", c->name,
			*c->arguments ? " " : "", c->arguments, c->summary);
	if (!rc && c->details)
		rc = buf_printf(out, err, "\n%s\n", c->details);
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

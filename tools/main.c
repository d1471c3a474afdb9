/* SPDX-License-Identifier: Apache-2.0
 * The program: finds the command, prints the error, chooses the exit status.
 *
 *	0 done, 1 failed, 2 wrong use, 3 not found, 4 damage in the store
 */
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/complete.h"
#include "tools/mount_helper.h"
#include "tools/output.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOTFOUND = 3,
	EXIT_DAMAGE = 4,
};

struct main_options {
	struct command_common common;
	bool version;
	bool complete;
};

static const struct option_spec main_options[] = {
	OPTION_FLAG('V', "version", struct main_options, version, "print the version"),
	OPTION_FLAG(0, "complete", struct main_options, complete,
		    "print what could come next (for shells)"),
	OPTION_END,
};

/* COMMAND: NULL if none was named. */
static int exit_status(const struct err *err, const struct command *command)
{
	if (command && command->failure)
		return command->failure;
	switch (err->code) {
	case ERR_USAGE:
		return EXIT_USAGE;
	case ERR_NOTFOUND:
		return EXIT_NOTFOUND;
	case ERR_CORRUPT:
		return EXIT_DAMAGE;
	default:
		return EXIT_FAILED;
	}
}

/* Runs COMMAND with what is behind the global options. */
static int dispatch(const struct main_options *o, const char **ret_verb, int argc,
		    char **argv, int *ret_status, struct err *err)
{
	static char self[] = "layercache";
	char *alone[] = {self, NULL};
	const struct command *command;

	if (o->complete) {
		complete_print(argv, (unsigned)argc);
		return 0;
	}
	if (o->version)
		return command_main(&cmd_version, &o->common, 1, alone, ret_status, err);
	if (o->common.help && !argc)
		return command_main(&cmd_help, &(struct command_common){0}, 1, alone,
				    ret_status, err);
	if (!argc)
		return err_set(err, ERR_USAGE, "no command given");
	command = commands_find(argv[0]);
	if (!command)
		return err_set(err, ERR_USAGE, "unknown command '%s'", argv[0]);
	*ret_verb = command->name;
	return command_main(command, &o->common, argc, argv, ret_status, err);
}

static int run(int argc, char **argv, const char **ret_verb, int *ret_status,
	       struct err *err)
{
	struct main_options o = {0};
	const struct option_table tables[] = {
		{main_options, &o},
		{command_common_options, &o.common},
	};
	int first, rc;

	rc = options_parse(tables, ARRAY_LEN(tables), true, argc, argv, &first, err);
	if (rc)
		return rc;
	return dispatch(&o, ret_verb, argc - first, argv + first, ret_status, err);
}

static void report(const struct err *err, const char *verb)
{
	if (err->code == ERR_USAGE)
		fprintf(stderr, "layercache: %s; see 'layercache help%s%s'\n", err->msg,
			*verb ? " " : "", verb);
	else
		fprintf(stderr, "layercache: %s\n", err->msg);
}

int main(int argc, char **argv)
{
	const char *name = argc ? strrchr(argv[0], '/') : NULL;
	const char *verb = "";
	struct err err = {0};
	int status = EXIT_DONE, rc;

	/* File names are bytes: only messages and character classes, and those as UTF-8. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "C");
	/* A reader of our output that goes away is an error like a full disk. */
	signal(SIGPIPE, SIG_IGN);
	name = name ? name + 1 : argc ? argv[0] : "";
	if (mount_helper_is(name))
		rc = mount_helper_run(argc, argv, &err);
	else
		rc = run(argc, argv, &verb, &status, &err);
	if (rc) {
		report(&err, verb);
		status = exit_status(&err, commands_find(verb));
	}
	if (output_finish(&err) && !rc) {
		report(&err, verb);
		status = EXIT_FAILED;
	}
	return status;
}

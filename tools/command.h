/* SPDX-License-Identifier: Apache-2.0
 * A verb of the command line: each tools/cmd_<verb>.c exports one constant
 * `const struct command cmd_<verb>`, listed in commands.c. From these tables come parsing,
 * --help, `help VERB` and the completion of shells.
 *
 *	struct values { const char *name; bool force; };
 *
 *	static const struct option_spec options[] = {
 *		OPTION_TEXT('n', "name", "NAME", struct values, name, "call it NAME"),
 *		OPTION_FLAG('f', "force", struct values, force, "also when it exists"),
 *		OPTION_END,
 *	};
 *
 *	static int run(struct command_call *call, struct err *err)
 *	{
 *		const struct values *v = call->values;
 *		...
 *	}
 *
 *	const struct command cmd_example = {
 *		.name = "example", .summary = "do something to a directory",
 *		.arguments = "DIR [NAME]", .min_args = 1, .max_args = 2,
 *		.options = options, .values_size = sizeof(struct values),
 *		.flags = COMMAND_JSON, .run = run,
 *	};
 *
 * The options every command has (--store, --alternate, --quiet, --help; --json with COMMAND_JSON) are
 * added by the framework and must not be in its table.
 */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "store/base/err.h"
#include "store/store.h"
#include "tools/options.h"

enum command_flags {
	COMMAND_JSON = 1, /* prints data: has --json */
	COMMAND_PROGRESS =
		2, /* shows progress that --quiet silences (for the help only) */
};

#define COMMAND_ANY_ARGS 0x7fffffffu /* as max_args: no limit */

/* One invocation. Everything is valid until run returns. */
struct command_call {
	const struct command *command;
	const char *store; /* directory, from --store, LAYERCACHE_STORE or the default */
	const char *alternate; /* NULL: only those that the store knows of */
	bool json;             /* print one JSON document instead of lines */
	bool quiet;            /* no progress, no notices; errors are still printed */
	const void *values; /* the command's own struct, filled from its option table */
	char *const *args;  /* min_args to max_args of them */
	unsigned count;
	int status; /* run may set it: the exit status when run returns 0 */
};

struct command {
	const char *name;
	const char *summary;   /* lower case, no full stop, at most 60 bytes */
	const char *arguments; /* "SOURCE [NAME]", "" for none */
	const char *details;   /* paragraphs for the help, NULL: none */
	const struct option_spec *options; /* up to OPTION_END, NULL: none of its own */
	size_t values_size;                /* of the struct the options go to */
	unsigned min_args, max_args;
	unsigned flags;                  /* enum command_flags */
	enum option_completion complete; /* what its arguments are, for completion */
	const char *words;               /* with COMPLETE_WORDS: what they can be */
	/* A group: its first argument is the name of one of these (ended by NULL), which are
	 * called "<group> <name>". It has no options of its own and no run. */
	const struct command *const *group;

	/* Returns 0 or a negative error code; main.c prints the error and chooses the exit
	 * status: ERR_USAGE 2, ERR_NOTFOUND 3, ERR_CORRUPT 4, any other 1. Data goes to
	 * stdout by output.h; whether that could be written is checked afterwards. */
	int (*run)(struct command_call *call, struct err *err);
};

/* Opens the call's store with store_open's FLAGS, and its alternate, which a store that is open
 * for writing keeps. A command that writes passes STORE_CREATE, so that a missing store is
 * made. */
int command_open_store(const struct command_call *call, unsigned flags,
		       struct store **ret, struct err *err) MUST_CHECK;

/* A store and one read transaction on its catalog: what most reading commands need. */
struct command_reader {
	struct store *store;
	struct catalog_txn *txn;
};

/* Opens the store read-only and begins a read transaction. */
int command_reader_open(const struct command_call *call, struct command_reader *ret,
			struct err *err) MUST_CHECK;
void command_reader_close(struct command_reader *r); /* also a zeroed one */
#define auto_command_reader __attribute__((cleanup(command_reader_close)))

/* What every command has; the same options may stand before the command's name. */
struct command_common {
	const char *store; /* NULL: the default */
	const char *alternate;
	bool quiet, json, help;
};
extern const struct option_spec command_common_options[];
extern const struct option_spec command_json_option[]; /* only with COMMAND_JSON */

/* The member of a group called NAME, NULL if there is none; and what each is called there. */
const struct command *command_member(const struct command *command, const char *name);
const char *command_short_name(const struct command *command);

/* Parses ARGV (argv[0] is the command's name) by the command's table and runs it with what
 * GLOBALS already says; --help prints the help instead. */
int command_main(const struct command *command, const struct command_common *globals,
		 int argc, char **argv, int *ret_status, struct err *err) MUST_CHECK;

/* Prints the help text of one command on stdout. */
int command_help(const struct command *command, struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0
 * `layercache diff A B`: what changed from one tree to another.
 */
#include <sys/stat.h>

#include "store/forest.h"
#include "store/tree_diff.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/subject.h"

#define PATH_TEXT_MAX (64u << 10)

struct diff_options {
	const char *platform;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "platform", "OS/ARCH", struct diff_options, platform,
		    "which platform of a name"),
	OPTION_END,
};

struct diff {
	struct buf line;
	json_t *json; /* array; NULL: print lines */
};

/* A size for a side that is a file, else null. */
static json_t *json_size(const struct tree_node *n)
{
	return n && S_ISREG(n->mode) ? output_json_u64(n->size) : json_null();
}

static int print_json(struct diff *d, char what, const char *path,
		      const struct tree_node *a, const struct tree_node *b,
		      struct err *err)
{
	const char change[2] = {what, '\0'};
	json_t *item = json_pack("{s:s, s:o, s:o}", "change", change, "old_size",
				 json_size(a), "new_size", json_size(b));

	if (!item || json_array_append_new(d->json, item) != 0)
		return err_nomem(err);
	return output_json_set_text(item, "path", path, err);
}

static int print(void *arg, char what, const char *path, const struct tree_node *a,
		 const struct tree_node *b, struct err *err)
{
	struct diff *d = arg;
	int rc;

	if (d->json)
		return print_json(d, what, path, a, b, err);
	buf_clear(&d->line);
	rc = output_quote(&d->line, path, err);
	if (rc)
		return rc;
	output_line("%c %.*s", what, (int)d->line.len, (char *)d->line.data);
	return output_failed() ? 1 : 0;
}

/* A layer by itself is compared as it is seen below layers/: its own entries. */
static int get_tree(struct command_reader *r, struct forest *f, const char *text,
		    const char *platform, struct forest_tree **ret, struct err *err)
{
	struct digest chainid;
	struct subject x;
	int rc;

	rc = subject_find(r->txn, text, platform, 0, &x, err);
	if (!rc && x.kind == SUBJECT_LAYER)
		return forest_get_layer(f, &x.layer.diffid, ret, err);
	if (!rc)
		rc = subject_chain(r->txn, &x, &chainid, err);
	return rc ? rc : forest_get_chain(f, &chainid, ret, err);
}

static int compare(struct command_call *call, struct command_reader *r, struct forest *f,
		   struct diff *d, struct err *err)
{
	const struct diff_options *o = call->values;
	struct forest_tree *a = NULL, *b = NULL;
	int rc;

	rc = get_tree(r, f, call->args[0], o->platform, &a, err);
	if (!rc)
		rc = get_tree(r, f, call->args[1], o->platform, &b, err);
	if (!rc)
		rc = tree_diff(&a->tree, &b->tree, print, d, err);
	forest_put(f, b);
	forest_put(f, a);
	return rc < 0 ? rc : 0;
}

static int run(struct command_call *call, struct err *err)
{
	auto_command_reader struct command_reader r = {0};
	auto_json json_t *json = call->json ? json_array() : NULL;
	auto_forest struct forest *forest = NULL;
	struct diff d = {.json = json};
	int rc;

	if (call->json && !json)
		return err_nomem(err);
	rc = command_reader_open(call, &r, err);
	if (!rc)
		rc = forest_new(r.store, 0, &forest, err);
	if (rc)
		return rc;
	buf_init(&d.line, PATH_TEXT_MAX);
	rc = compare(call, &r, forest, &d, err);
	buf_release(&d.line);
	if (!rc && json)
		rc = output_json(steal_ptr(&json), err);
	return rc;
}

const struct command cmd_diff = {
	.name = "diff",
	.summary = "compare the trees of A and B",
	.arguments = "A B",
	.details =
		"Prints what leads from A to B, one line per path, in path order:\n"
		"  A /path   added\n"
		"  C /path   changed: type, mode, owner, time, xattrs, link, content\n"
		"  D /path   deleted, with everything below it\n"
		"Only metadata is read; content is compared by digest. Control bytes in a\n"
		"path are printed as \\n, \\t or \\ooo, a backslash as \\\\.\n"
		"The exit status is 0 whether there are differences or not.",
	.options = options,
	.values_size = sizeof(struct diff_options),
	.min_args = 2,
	.max_args = 2,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_NAME,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 * `layercache checkout X DIR`: a tree as plain files.
 */
#include <string.h>

#include "tools/checkout/checkout.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/output.h"
#include "tools/subject.h"

#define CACHE_BYTES (32u << 20)

struct checkout_values {
	const char *platform;
	bool exact;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "platform", "OS/ARCH[/VARIANT]", struct checkout_values, platform,
		    "which platform of a name"),
	OPTION_FLAG(0, "exact", struct checkout_values, exact,
		    "fail rather than leave out what the system does not permit"),
	OPTION_END,
};

/* As `path` does it: a layer is the layer by itself. */
static int get_tree(struct store *store, struct forest *f, const char *text,
		    const char *platform, struct forest_tree **ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct digest chain;
	struct subject x;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = subject_find(t, text, platform, 0, &x, err);
	if (!rc && x.kind != SUBJECT_LAYER)
		rc = subject_chain(t, &x, &chain, err);
	catalog_abort(steal_ptr(&t));
	if (rc)
		return rc;
	return x.kind == SUBJECT_LAYER ? forest_get_layer(f, &x.layer.diffid, ret, err)
				       : forest_get_chain(f, &chain, ret, err);
}

static int write_tree(struct command_call *call, struct store *store,
		      struct forest_tree *tree, struct checkout_counts *ret,
		      struct err *err)
{
	const struct checkout_values *v = call->values;
	auto_progress struct progress *progress = NULL;
	auto_objects struct objects *objects = NULL;
	struct checkout_options o = {.exact = v->exact};
	int rc = objects_new(store, CACHE_BYTES, &objects, err);

	if (rc)
		return rc;
	progress = progress_begin(0, "checkout", call->quiet);
	o.progress = progress;
	interrupt_catch();
	return checkout_write(store, objects, tree, call->args[1], &o, ret, err);
}

/* ---- what was left out ---- */

static int add_left(struct buf *line, uint64_t count, const char *what, struct err *err)
{
	if (!count)
		return 0;
	return buf_printf(line, err, "%s%llu %s", line->len ? ", " : "",
			  (unsigned long long)count, what);
}

static int tell_left(const struct checkout_left *left, const char *dir, bool quiet,
		     struct err *err)
{
	auto_buf struct buf line;
	int rc;

	buf_init(&line, 1024);
	rc = add_left(&line, left->owners, "owners", err);
	if (!rc)
		rc = add_left(&line, left->set_ids, "setuid or setgid bits", err);
	if (!rc)
		rc = add_left(&line, left->devices, "device nodes", err);
	if (!rc)
		rc = add_left(&line, left->xattrs, "extended attributes", err);
	if (!rc)
		rc = add_left(&line, left->links, "hardlinks to layers below", err);
	if (!rc && line.len)
		output_notice(quiet, "left out in '%s': %.*s", dir, (int)line.len,
			      (const char *)line.data);
	return rc;
}

static json_t *json_counts(const struct checkout_counts *n)
{
	json_t *left = json_pack("{s:o, s:o, s:o, s:o, s:o}", "owners",
				 output_json_u64(n->left.owners), "set_ids",
				 output_json_u64(n->left.set_ids), "devices",
				 output_json_u64(n->left.devices), "xattrs",
				 output_json_u64(n->left.xattrs), "hardlinks",
				 output_json_u64(n->left.links));

	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "directories",
		output_json_u64(n->directories), "files", output_json_u64(n->files),
		"symlinks", output_json_u64(n->symlinks), "specials",
		output_json_u64(n->specials), "hardlinks", output_json_u64(n->hardlinks),
		"bytes", output_json_u64(n->bytes), "left_out", left);
}

static int print(const struct command_call *call, const struct forest_tree *tree,
		 const struct checkout_counts *counts, struct err *err)
{
	const char *kind = tree->owner == TREE_OF_LAYER ? "layer" : "chain";
	auto_buf struct buf dir;
	char text[DIGEST_TEXT_SIZE];
	json_t *out;
	int rc;

	if (call->json) {
		out = json_counts(counts);
		rc = output_json_set(out, kind, output_json_digest(&tree->id), err);
		if (!rc)
			rc = output_json_set_text(out, "directory", call->args[1], err);
		if (!rc)
			return output_json(out, err);
		json_decref(out);
		return rc;
	}
	buf_init(&dir, 64u << 10);
	rc = output_quote(&dir, call->args[1], err);
	if (!rc)
		output_line("%s %.*s", output_digest(&tree->id, text), (int)dir.len,
			    (const char *)dir.data);
	return rc;
}

static int run(struct command_call *call, struct err *err)
{
	const struct checkout_values *v = call->values;
	auto_store struct store *store = NULL;
	auto_forest struct forest *forest = NULL;
	struct forest_tree *tree = NULL;
	struct checkout_counts counts;
	int rc = command_open_store(call, 0, &store, err);

	if (!rc)
		rc = forest_new(store, 0, &forest, err);
	if (!rc)
		rc = get_tree(store, forest, call->args[0], v->platform, &tree, err);
	if (!rc)
		rc = write_tree(call, store, tree, &counts, err);
	if (!rc)
		rc = tell_left(&counts.left, call->args[1], call->quiet, err);
	if (!rc)
		rc = print(call, tree, &counts, err);
	forest_put(forest, tree);
	if (rc == -ERR_CANCELED) {
		output_notice(false, "checkout '%s': %s", call->args[0], err->msg);
		interrupt_die();
	}
	return rc ? err_wrap(err, "checkout '%s'", call->args[0]) : 0;
}

const struct command cmd_checkout = {
	.name = "checkout",
	.summary = "write the tree of X as plain files",
	.arguments = "X DIR",
	.details =
		"Needs neither a mount nor privilege. DIR must not exist, or be empty; if it\n"
		"did not exist it appears when it is complete ('DIR.part' until then). Every\n"
		"content is checked against its digest. If anything fails nothing is left.\n"
		"\n"
		"For root all is as in the image: owners, modes, times, hardlinks, devices,\n"
		"extended attributes with ACLs and capabilities. What the system does not\n"
		"permit is left out, and one line on stderr says how much: owners, and with\n"
		"them setuid and setgid, device nodes, some extended attributes. With --exact\n"
		"that is a failure.\n"
		"\n"
		"A layer is written as it is in the mount below layers/, with whiteouts; all\n"
		"else as its merged root filesystem. Prints 'CHAIN-ID DIR' (of a layer\n"
		"'DIFF-ID DIR').",
	.options = options,
	.values_size = sizeof(struct checkout_values),
	.min_args = 2,
	.max_args = 2,
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.complete = COMPLETE_NAME,
	.run = run,
};

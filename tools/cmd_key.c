/* SPDX-License-Identifier: Apache-2.0
 * `layercache key`: the cache digest of a build step.
 */
#include "tools/commands.h"
#include "tools/key_explain.h"
#include "tools/output.h"
#include "tools/step.h"
#include "tools/subject.h"

struct key_options {
	struct step_options step;
	const char *record;
	bool explain, replace;
};

static const struct option_spec options[] = {
	STEP_OPTIONS(struct key_options, step),
	OPTION_FLAG(0, "explain", struct key_options, explain,
		    "tell what differs first between two keys"),
	OPTION_TEXT_OF(COMPLETE_NAME, 0, "record", "X", struct key_options, record,
		       "record X as the result of the step"),
	OPTION_FLAG(0, "replace", struct key_options, replace,
		    "with --record: also when the step has another result so far"),
	OPTION_END,
};

static json_t *json_inputs(const struct step *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->input_count; i++) {
		const struct step_input *in = &s->inputs[i];
		json_t *item = json_pack("{s:o, s:o, s:o}", "digest",
					 output_json_digest(&in->content.digest),
					 "entries", output_json_u64(in->content.entries),
					 "bytes", output_json_u64(in->content.bytes));

		if (!item || output_json_set_text(item, "path", in->source, NULL) ||
		    output_json_set_text(item, "dest", in->dest, NULL) ||
		    json_array_append(list, item) != 0) {
			json_decref(list);
			list = NULL;
		}
		json_decref(item);
		if (!list)
			break;
	}
	return list;
}

/* "chain_key": the same step by its parent's ChainID. */
static int print_json(const struct step *s, struct err *err)
{
	bool by_key = s->has_key;
	const struct digest *chain_key = &s->keys[s->key_count - 1];

	if (by_key && s->key_count == 1)
		chain_key = NULL;
	return output_json(
		json_pack("{s:o, s:o, s:o, s:o, s:o}", "key",
			  output_json_digest(&s->keys[0]), "chain_key",
			  output_json_digest(chain_key), "parent_key",
			  output_json_digest(by_key ? &s->parent_key : NULL),
			  "parent_chain",
			  output_json_digest(s->has_chain ? &s->chainid : NULL), "inputs",
			  json_inputs(s)),
		err);
}

/* A step that does nothing is a mistake. */
static bool says_nothing(const struct step_options *o, unsigned command)
{
	return !command && !o->instruction && !o->inputs.count && !o->env.count &&
	       !o->workdir && !o->user;
}

static int open_step(const struct command_call *call, struct store *store,
		     char *const *command, unsigned count, struct step *ret,
		     struct err *err)
{
	const struct key_options *o = call->values;

	if (says_nothing(&o->step, count))
		return err_set(err, ERR_USAGE,
			       "a step needs a command, an --instruction or an --input");
	return step_open(store, &o->step, command, count, ret, err);
}

/* The chain of X, and its image if it has one. */
static int find_result(struct store *store, const char *text, const char *platform,
		       struct digest *ret_chain, struct record_image *ret_image,
		       struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct subject x;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = subject_find(t, text, platform, 0, &x, err);
	if (!rc)
		rc = subject_chain(t, &x, ret_chain, err);
	if (rc)
		return rc;
	rc = subject_image(t, &x, ret_image, err);
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

static int record(struct store *store, const struct key_options *o,
		  const struct step *step, struct err *err)
{
	auto_session struct session *session = NULL;
	struct record_image image = {0};
	struct digest chainid;
	int rc = session_begin(store, NULL, &session, err);

	if (!rc)
		rc = find_result(store, o->record, o->step.platform, &chainid, &image,
				 err);
	if (!rc)
		rc = step_record(session, step, &chainid, &image.manifest, o->replace,
				 err);
	if (!rc)
		rc = session_commit(steal_ptr(&session), err);
	return rc ? err_wrap(err, "record '%s'", o->record) : 0;
}

/* With --parent, the second key is that of the step. */
static int explain(const struct command_call *call, struct store *store, struct err *err)
{
	const struct key_options *o = call->values;
	auto_step struct step step = {0};
	int rc;

	if (!o->step.parent) {
		if (call->count != 2)
			return err_set(err, ERR_USAGE,
				       "--explain needs two keys, or one and the "
				       "--parent of a step");
		return key_explain_keys(call, call->args[0], call->args[1], err);
	}
	if (!call->count)
		return err_set(err, ERR_USAGE, "--explain needs a key");
	rc = open_step(call, store, call->args + 1, call->count - 1, &step, err);
	return rc ? rc : key_explain_step(call, call->args[0], &step, err);
}

static int print(const struct command_call *call, const struct step *step,
		 struct err *err)
{
	char text[DIGEST_TEXT_SIZE];

	if (call->json)
		return print_json(step, err);
	output_line("%s", output_digest(&step->keys[0], text));
	return 0;
}

static int run(struct command_call *call, struct err *err)
{
	const struct key_options *o = call->values;
	auto_store struct store *store = NULL;
	auto_step struct step step = {0};
	int rc = 0;

	if (o->explain && o->record)
		return err_set(err, ERR_USAGE,
			       "--explain and --record exclude each other");
	if (o->replace && !o->record)
		return err_set(err, ERR_USAGE, "--replace needs --record");
	if (o->step.parent || o->record)
		rc = command_open_store(call, o->record ? STORE_WRITE : 0, &store, err);
	if (rc)
		return rc;
	if (o->explain)
		return explain(call, store, err);
	rc = open_step(call, store, call->args, call->count, &step, err);
	if (!rc && o->record)
		rc = record(store, o, &step, err);
	return rc ? rc : print(call, &step, err);
}

const struct command cmd_key = {
	.name = "key",
	.summary = "print the cache digest of a build step",
	.arguments = "[-- CMD...]",
	.details =
		"The key says what a step's result depends on: X (its key if it was made by\n"
		"a step, else its layers), the command, environment, arguments, workdir,\n"
		"user, network, platform, scope and what is in the inputs. Names, modes,\n"
		"owners, xattrs, link targets and bytes of files count, times do not.\n"
		"Inputs are owned by 0:0; a .dockerignore at the top of an input directory\n"
		"leaves out what it names. DEST is relative to the workdir; PATH's last part\n"
		"if not given. 'run' has the same options and finds the same key; for steps\n"
		"done by other means --record X says that X, which is in the store, is the\n"
		"result.\n"
		"  key --explain A B                  what differs first between two keys\n"
		"  key --explain A --parent X ...     the same for A and a step\n"
		"prints lines 'WHAT [NAME [ATTRIBUTE]]: A -> B', '-' for nothing. If WHAT is\n"
		"parent, the next line is about the parents.",
	.options = options,
	.values_size = sizeof(struct key_options),
	.max_args = COMMAND_ANY_ARGS,
	.flags = COMMAND_JSON,
	.run = run,
};

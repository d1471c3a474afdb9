/* SPDX-License-Identifier: Apache-2.0
 * `layercache verify`: is everything still there and right.
 */
#include <inttypes.h>

#include "store/check.h"
#include "tools/commands.h"
#include "tools/output.h"

struct verify_options {
	struct option_number sample;
};

static const struct option_spec options[] = {
	OPTION_NUMBER(0, "sample", "PERCENT", 1, 100, struct verify_options, sample,
		      "hash the content of only this share of the frames"),
	OPTION_END,
};

static void print_problem(void *arg, const char *text)
{
	json_t *problems = arg;

	fprintf(stderr, "layercache: verify: %s\n", text);
	if (problems && json_is_array(problems))
		json_array_append_new(problems, json_string(text));
}

/* Takes the reference to PROBLEMS. */
static int print_json(const struct check_result *r, json_t *problems, struct err *err)
{
	return output_json(json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "frames",
				     output_json_u64(r->frames), "objects",
				     output_json_u64(r->objects), "layers",
				     output_json_u64(r->layers), "chains",
				     output_json_u64(r->chains), "images",
				     output_json_u64(r->images), "names",
				     output_json_u64(r->refs), "bytes",
				     output_json_u64(r->bytes), "problems", problems),
			   err);
}

static int run(struct command_call *call, struct err *err)
{
	const struct verify_options *o = call->values;
	struct check_options check = {
		.sample = o->sample.given ? (unsigned)o->sample.value : 100,
	};
	auto_json json_t *problems = json_array();
	auto_store struct store *store = NULL;
	struct check_result result;
	int rc;

	rc = command_open_store(call, 0, &store, err);
	if (!rc)
		rc = check_verify(store, &check, print_problem, problems, &result, err);
	if (rc)
		return rc;
	if (call->json)
		rc = print_json(&result, steal_ptr(&problems), err);
	else
		output_line("frames %" PRIu64 " objects %" PRIu64 " layers %" PRIu64
			    " chains %" PRIu64 " images %" PRIu64 " names %" PRIu64
			    " bytes %" PRIu64 " problems %" PRIu64,
			    result.frames, result.objects, result.layers, result.chains,
			    result.images, result.refs, result.bytes, result.problems);
	if (!rc && result.problems)
		return err_set(err, ERR_CORRUPT,
			       "verify '%s': %" PRIu64 " problems; 'layercache repair' "
			       "mends what can be mended",
			       call->store, result.problems);
	return rc;
}

const struct command cmd_verify = {
	.name = "verify",
	.summary = "check that everything is there and right",
	.arguments = "",
	.details =
		"Checks the journal, every frame's checksums, every object's SHA-256, every\n"
		"recipe against its DiffID, every chain, image, name and tree. Problems go\n"
		"to stderr, one per line, a summary to stdout:\n"
		"  frames N objects N layers N chains N images N names N bytes N problems N\n"
		"The exit status is 4 if there are problems.",
	.options = options,
	.values_size = sizeof(struct verify_options),
	.flags = COMMAND_JSON,
	.run = run,
};

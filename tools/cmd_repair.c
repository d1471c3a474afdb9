/* SPDX-License-Identifier: Apache-2.0
 * `layercache repair`: brings back what can be brought back.
 */
#include <inttypes.h>

#include "store/check.h"
#include "tools/commands.h"
#include "tools/output.h"

static void tell(void *arg, const char *text)
{
	const struct command_call *call = arg;

	output_notice(call->quiet, "repair: %s", text);
}

static int print(const struct command_call *call, const struct repair_result *r,
		 struct err *err)
{
	if (call->json)
		return output_json(
			json_pack("{s:o, s:o, s:o, s:o, s:b}", "layers",
				  output_json_u64(r->layers), "names",
				  output_json_u64(r->refs), "lost_objects",
				  output_json_u64(r->lost_objects), "damaged_layers",
				  output_json_u64(r->damaged_layers), "journal_salvaged",
				  (int)r->journal_salvaged),
			err);
	output_line("layers %" PRIu64 " names %" PRIu64 " lost-objects %" PRIu64
		    " damaged-layers %" PRIu64,
		    r->layers, r->refs, r->lost_objects, r->damaged_layers);
	return 0;
}

static int run(struct command_call *call, struct err *err)
{
	auto_store struct store *store = NULL;
	struct repair_result result;
	int rc;

	rc = command_open_store(call, STORE_WRITE | STORE_NO_RECOVERY, &store, err);
	if (!rc)
		rc = check_repair(store, tell, call, &result, err);
	if (!rc)
		rc = print(call, &result, err);
	if (!rc && result.damaged_layers)
		return err_set(err, ERR_CORRUPT,
			       "repair '%s': %" PRIu64
			       " layers stay damaged; import them "
			       "again",
			       call->store, result.damaged_layers);
	return rc;
}

const struct command cmd_repair = {
	.name = "repair",
	.summary = "rebuild what can be rebuilt",
	.arguments = "",
	.details =
		"Rebuilds the catalog from the packs and the journal, the journal as far as\n"
		"the packs tell, drops damaged trees (they are derived), and tells on stderr\n"
		"what it did. Prints what is there now:\n"
		"  layers N names N lost-objects N damaged-layers N\n"
		"The exit status is 4 if something stays damaged: importing the image again\n"
		"brings it back.",
	.flags = COMMAND_JSON,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 * `layercache publish DIR`: a sealed copy of the store for others to read from.
 */
#include <inttypes.h>

#include "store/publish.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/progress.h"

#define GRACE_HOURS 24

struct publish_values {
	struct option_number grace;
};

static const struct option_spec options[] = {
	OPTION_NUMBER(0, "grace", "HOURS", 0, 24 * 365, struct publish_values, grace,
		      "keep what is not needed any more for readers (24)"),
	OPTION_END,
};

struct copying {
	struct progress *progress;
	bool quiet;
	uint64_t told;
};

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct copying *c = arg;

	if (!c->progress)
		c->progress = progress_begin(total, "publish", c->quiet);
	progress_add(c->progress, done - c->told);
	c->told = done;
}

static int print(const struct command_call *call, const struct publish_result *r,
		 struct err *err)
{
	if (call->json)
		return output_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}",
					     "publisher", r->publisher, "index", r->index,
					     "objects", (json_int_t)r->objects, "packs",
					     (json_int_t)r->packs, "bytes",
					     (json_int_t)r->bytes, "copied",
					     (json_int_t)r->copied, "removed",
					     (json_int_t)r->removed),
				   err);
	output_line("%s/%s objects %" PRIu64 " packs %" PRIu64 " bytes %" PRIu64
		    " copied %" PRIu64 " removed %" PRIu64,
		    r->publisher, r->index, r->objects, r->packs, r->bytes, r->copied,
		    r->removed);
	return 0;
}

static int run(struct command_call *call, struct err *err)
{
	const struct publish_values *v = call->values;
	struct copying copying = {.quiet = call->quiet};
	const struct publish_options o = {
		.grace = 3600 * (uint64_t)(v->grace.given ? v->grace.value : GRACE_HOURS),
		.progress = on_progress,
		.arg = &copying,
	};
	auto_store struct store *store = NULL;
	struct publish_result result;
	int rc = command_open_store(call, STORE_WRITE, &store, err);

	if (!rc)
		rc = publish(store, call->args[0], &o, &result, err);
	progress_end(copying.progress);
	if (rc)
		return err_wrap(err, "publish to '%s'", call->args[0]);
	return print(call, &result, err);
}

const struct command cmd_publish = {
	.name = "publish",
	.summary = "seal a copy of the store that others read from",
	.arguments = "DIR",
	.details =
		"Copies what DIR does not have yet of the store's packs, and a sealed index.\n"
		"DIR may be exported over NFS, read-only too: other stores read from it with\n"
		"--alternate DIR or 'import share:DIR'. Several hosts may publish into one\n"
		"DIR, each its own store. Readers see the new state within a second. Prints\n"
		"  PUBLISHER/INDEX objects N packs N bytes N copied N removed N",
	.options = options,
	.values_size = sizeof(struct publish_values),
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.complete = COMPLETE_DIRECTORY,
	.run = run,
};

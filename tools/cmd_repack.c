/* SPDX-License-Identifier: Apache-2.0
 * `layercache repack`: content that is there already, compressed harder.
 */
#include <inttypes.h>

#include "store/repack.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/progress.h"

#define DAY 86400

struct repack_values {
	bool dry_run;
	struct option_number level, min_age, max_time;
};

static const struct option_spec options[] = {
	OPTION_FLAG('n', "dry-run", struct repack_values, dry_run,
		    "only print how much there is to do; nothing is changed"),
	OPTION_NUMBER(0, "level", "N", 1, REPACK_LEVEL_MAX, struct repack_values, level,
		      "compress at zstd's level N (default 19)"),
	OPTION_NUMBER(
		0, "min-age", "N", 0, 36500, struct repack_values, min_age,
		"leave layers that were imported or used within N days (default 0)"),
	OPTION_NUMBER(0, "max-time", "SECONDS", 1, 100000000, struct repack_values,
		      max_time, "stop after so long; the next run goes on from there"),
	OPTION_END,
};

static void expect(void *arg, uint64_t bytes)
{
	progress_expect(arg, bytes);
}

static void advance(void *arg, uint64_t bytes)
{
	progress_add(arg, bytes);
}

static int print(const struct command_call *call, const struct repack_result *r,
		 struct err *err)
{
	if (call->json)
		return output_json(
			json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
				  "objects", output_json_u64(r->objects), "content_bytes",
				  output_json_u64(r->bytes), "left",
				  output_json_u64(r->left), "damaged",
				  output_json_u64(r->damaged), "packs_dropped",
				  output_json_u64(r->packs_dropped), "packs_rewritten",
				  output_json_u64(r->packs_rewritten), "packs_busy",
				  output_json_u64(r->packs_busy), "bytes_before",
				  output_json_u64(r->bytes_before), "bytes_after",
				  output_json_u64(r->bytes_after)),
			err);
	output_line("objects %" PRIu64 " content-bytes %" PRIu64 " left %" PRIu64
		    " damaged %" PRIu64 " packs-dropped %" PRIu64
		    " packs-rewritten %" PRIu64 " packs-busy %" PRIu64
		    " bytes-before %" PRIu64 " bytes-after %" PRIu64,
		    r->objects, r->bytes, r->left, r->damaged, r->packs_dropped,
		    r->packs_rewritten, r->packs_busy, r->bytes_before, r->bytes_after);
	return 0;
}

static int run(struct command_call *call, struct err *err)
{
	const struct repack_values *v = call->values;
	struct repack_options o = {
		.dry_run = v->dry_run,
		.level = (int)v->level.value,
		.min_age = v->min_age.value * DAY,
		.max_seconds = (uint64_t)v->max_time.value,
		.expect = expect,
		.advance = advance,
	};
	auto_store struct store *store = NULL;
	struct repack_result result;
	int rc = command_open_store(call, o.dry_run ? 0 : STORE_WRITE, &store, err);

	if (rc)
		return rc;
	o.arg = o.dry_run ? NULL : progress_begin(0, "repack", call->quiet);
	rc = repack_run(store, &o, &result, err);
	progress_end(o.arg);
	return rc ? err_wrap(err, "repack '%s'", call->store) : print(call, &result, err);
}

const struct command cmd_repack = {
	.name = "repack",
	.summary = "compress what is there already harder",
	.arguments = "",
	.details =
		"Moves content into new frames, at a high level and beside what is like it,\n"
		"and gives the space of the old ones back. May run while others import, read\n"
		"and mount; gc, verify and repair wait for it. What was done stays done: stop\n"
		"it at any time, the next run goes on. What it made once, later runs leave\n"
		"alone. While it runs, up to 2 GiB of packs lie there in both forms. Prints\n"
		"  objects N content-bytes N left N damaged N packs-dropped N\n"
		"  packs-rewritten N packs-busy N bytes-before N bytes-after N\n"
		"on one line: what moved (with --dry-run: what would), and the bytes of all\n"
		"packs. Left is what there was no time for; damaged what could not be read\n"
		"and stays as it is: 'layercache verify' tells more.",
	.options = options,
	.values_size = sizeof(struct repack_values),
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 * `layercache cache prune REF`: a build cache that BuildKit still reads.
 */
#include <string.h>
#include <time.h>

#include "tools/buildkit/cache_find.h"
#include "tools/buildkit/cache_prune.h"
#include "tools/commands.h"
#include "tools/oci/reference.h"
#include "tools/output.h"

#define CACHE_BYTES (16u << 20)
#define DAY_NS      (86400 * INT64_C(1000000000))

struct values {
	struct option_number max_bytes, keep_days;
	const char *name;
};

static const struct option_spec options[] = {
	OPTION_NUMBER(0, "max-bytes", "N", 1, 4 << 20, struct values, max_bytes,
		      "of each document (default 1048576, BuildKit's limit)"),
	OPTION_NUMBER(0, "keep-days", "N", 0, 36500, struct values, keep_days,
		      "drop results made more than N days ago, too"),
	OPTION_TEXT(0, "name", "NAME", struct values, name,
		    "call the result NAME; REF stays what it is"),
	OPTION_END,
};

struct outcome {
	struct cache pruned;
	uint32_t records_before, results_before;
	char name[RECORD_REF_NAME_MAX + 1];
	bool moved;
};

static int name_of(const struct command_call *call, const struct cache_found *found,
		   struct outcome *out, struct err *err)
{
	const struct values *v = call->values;
	auto_buf struct buf name;
	int rc;

	snprintf(out->name, sizeof(out->name), "%s", found->name);
	if (digest_is_zero(&found->cache.record.manifest) && !v->name)
		return err_set(err, ERR_INVALID,
			       "it is an image with an inline cache: --name says how to "
			       "call a cache made from it");
	if (!v->name)
		return *out->name ? 0
				  : err_set(err, ERR_USAGE,
					    "'%s' is no name: --name says how to call "
					    "the result",
					    call->args[0]);
	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	rc = reference_normalize(v->name, &name, err);
	if (!rc)
		snprintf(out->name, sizeof(out->name), "%s", (const char *)name.data);
	return rc;
}

static int prune(const struct command_call *call, struct store *store,
		 struct outcome *out, struct err *err)
{
	const struct values *v = call->values;
	auto_cache_found struct cache_found found = {0};
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_objects struct objects *objects = NULL;
	size_t max = v->max_bytes.given ? (size_t)v->max_bytes.value : CACHE_MAKE_LIMIT;
	int64_t oldest = INT64_MIN;
	int rc = objects_new(store, CACHE_BYTES, &objects, err);

	if (v->keep_days.given)
		oldest = (int64_t)time(NULL) * 1000000000 - v->keep_days.value * DAY_NS;
	if (!rc)
		rc = catalog_begin(store_catalog(store), false, &t, err);
	if (!rc)
		rc = cache_find(t, objects, call->args[0], NULL, &found, err);
	if (!rc)
		rc = name_of(call, &found, out, err);
	if (rc)
		return rc;
	out->records_before = found.cache.doc.record_count;
	out->results_before = cache_count_results(&found.cache);
	return cache_prune(&found.cache, max, oldest, &out->pruned, err);
}

static int print(const struct command_call *call, const struct outcome *out,
		 struct err *err)
{
	const struct cache *c = &out->pruned;
	uint32_t results = cache_count_results(c);
	char config[DIGEST_TEXT_SIZE];

	output_notice(call->quiet,
		      "%u of %u records and %u of %u results stay, %zu bytes",
		      c->doc.record_count, out->records_before, results,
		      out->results_before, c->config.len);
	if (!call->json) {
		output_line("%s %s -", out->name,
			    output_digest(&c->record.config, config));
		return 0;
	}
	return output_json(json_pack("{s:s, s:o, s:o, s:i, s:i, s:i}", "name", out->name,
				     "image", output_json_digest(&c->record.config),
				     "manifest", output_json_digest(&c->record.manifest),
				     "records", (int)c->doc.record_count, "results",
				     (int)results, "bytes", (int)c->config.len),
			   err);
}

static int run(struct command_call *call, struct err *err)
{
	auto_session struct session *session = NULL;
	auto_store struct store *store = NULL;
	struct outcome out = {0};
	int rc = command_open_store(call, STORE_WRITE, &store, err);

	if (!rc)
		rc = prune(call, store, &out, err);
	if (!rc)
		rc = session_begin(store, NULL, &session, err);
	if (!rc)
		rc = cache_make_named(session, &out.pruned, out.name, &out.moved, err);
	if (!rc)
		rc = session_commit(steal_ptr(&session), err);
	if (!rc)
		rc = print(call, &out, err);
	else if (rc != -ERR_USAGE)
		rc = err_wrap(err, "prune '%s'", call->args[0]);
	cache_release(&out.pruned);
	return rc;
}

const struct command cmd_cache_prune = {
	.name = "cache prune",
	.summary = "make a build cache small enough for BuildKit",
	.arguments = "REF",
	.details =
		"BuildKit reads no cache whose document or manifest has more than 1 MiB.\n"
		"Dropped is first what leads to no result, then the oldest results on which\n"
		"no other rests. The layers stay in the store until 'gc'. Prints 'NAME\n"
		"DIGEST -'; the name stands for the smaller cache.",
	.options = options,
	.values_size = sizeof(struct values),
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_NAME,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 * `layercache cache merge REF... --name NAME`: several build caches as one.
 */
#include <string.h>

#include "tools/buildkit/cache_find.h"
#include "tools/buildkit/cache_make.h"
#include "tools/buildkit/cache_union.h"
#include "tools/commands.h"
#include "tools/oci/reference.h"
#include "tools/output.h"

#define CACHE_BYTES (16u << 20)

struct values {
	const char *name;
	const char *platform;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "name", "NAME", struct values, name,
		    "what the result is called (default: the first REF)"),
	OPTION_TEXT(0, "platform", "OS/ARCH[/VARIANT]", struct values, platform,
		    "which platform of images of several"),
	OPTION_END,
};

static int add(const struct command_call *call, struct catalog_txn *t,
	       struct objects *objects, const char *ref, struct cache_union *u,
	       struct err *err)
{
	const struct values *v = call->values;
	auto_cache_found struct cache_found found = {0};
	int rc = cache_find(t, objects, ref, v->platform, &found, err);

	if (!rc)
		rc = cache_union_add(u, &found.cache, NULL, err);
	return rc ? err_wrap(err, "merge '%s'", ref) : 0;
}

static int unite(const struct command_call *call, struct store *store, struct cache *ret,
		 struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_objects struct objects *objects = NULL;
	auto_cache_union struct cache_union u;
	int rc = objects_new(store, CACHE_BYTES, &objects, err);

	cache_union_init(&u);
	if (!rc)
		rc = catalog_begin(store_catalog(store), false, &t, err);
	for (unsigned i = 0; i < call->count && !rc; i++)
		rc = add(call, t, objects, call->args[i], &u, err);
	return rc ? rc : cache_union_finish(&u, ret, err);
}

static int print(const struct command_call *call, const char *name, const struct cache *c,
		 bool moved, struct err *err)
{
	char config[DIGEST_TEXT_SIZE];

	if (moved)
		output_notice(call->quiet, "'%s' now names something else", name);
	if (c->config.len > CACHE_MAKE_LIMIT || c->manifest.len > CACHE_MAKE_LIMIT)
		output_notice(call->quiet,
			      "it is larger than BuildKit reads: 'cache prune' helps");
	if (!call->json) {
		output_line("%s %s -", name, output_digest(&c->record.config, config));
		return 0;
	}
	return output_json(json_pack("{s:s, s:o, s:o, s:i, s:i, s:i}", "name", name,
				     "image", output_json_digest(&c->record.config),
				     "manifest", output_json_digest(&c->record.manifest),
				     "records", (int)c->doc.record_count, "layers",
				     (int)c->doc.layer_count, "bytes",
				     (int)c->config.len),
			   err);
}

static int run(struct command_call *call, struct err *err)
{
	const struct values *v = call->values;
	auto_store struct store *store = NULL;
	auto_session struct session *session = NULL;
	auto_cache struct cache merged = {0};
	auto_buf struct buf name;
	bool moved = false;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	rc = reference_normalize(v->name ? v->name : call->args[0], &name, err);
	if (!rc)
		rc = command_open_store(call, STORE_WRITE, &store, err);
	if (!rc)
		rc = unite(call, store, &merged, err);
	if (!rc)
		rc = session_begin(store, NULL, &session, err);
	if (!rc)
		rc = cache_make_named(session, &merged, (const char *)name.data, &moved,
				      err);
	if (!rc)
		rc = session_commit(steal_ptr(&session), err);
	return rc ? rc : print(call, (const char *)name.data, &merged, moved, err);
}

const struct command cmd_cache_merge = {
	.name = "cache merge",
	.summary = "make one build cache of several",
	.arguments = "REF...",
	.details =
		"Of platforms, stages and branches: one cache that hits where any of them\n"
		"would. Records that are the same are joined, and of two results the newer\n"
		"stays. An image with an inline cache counts as a cache. The result is a\n"
		"cache of its own, with no image. Prints 'NAME DIGEST -'.",
	.options = options,
	.values_size = sizeof(struct values),
	.min_args = 1,
	.max_args = COMMAND_ANY_ARGS,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_NAME,
	.run = run,
};

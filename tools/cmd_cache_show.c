/* SPDX-License-Identifier: Apache-2.0
 * `layercache cache show REF|SOURCE`: what is in a build cache.
 */
#include <fcntl.h>

#include "tools/buildkit/cache_find.h"
#include "tools/buildkit/cache_show.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/registry/remote_source.h"
#include "tools/registry_options.h"

#define CACHE_BYTES (16u << 20)

struct values {
	const char *platform;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "platform", "OS/ARCH[/VARIANT]", struct values, platform,
		    "which platform of a name or an index"),
	REGISTRY_OPTIONS(struct values, registry),
	OPTION_END,
};

/* Layers at the bottom of the cache's own chains may be its base images. */
static int learn_own(const struct cache *c, struct cache_steps *steps, struct err *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < c->doc.layer_count && !rc; i++)
		if (!digest_is_zero(&c->layers[i].chainid))
			rc = cache_steps_learn_chain(steps, &c->layers[i].chainid, err);
	return rc;
}

static int print(const struct command_call *call, const struct cache_show *s,
		 struct cache_steps *steps, struct err *err)
{
	json_t *document = NULL;
	int rc = learn_own(s->cache, steps, err);

	if (rc)
		return rc;
	if (!call->json)
		return cache_show_lines(s, err);
	rc = cache_show_json(s, &document, err);
	return rc ? rc : output_json(document, err);
}

/* Straight from where it lies; what the store knows of its layers is told too, if there is a
 * store. */
static int show_source(struct command_call *call, struct cache_steps *steps,
		       const struct command_reader *r, struct err *err)
{
	const struct values *v = call->values;
	auto_cache_found struct cache_found found = {0};
	auto_source struct source *source = NULL;
	struct cache_show s = {call->args[0], &found.cache, steps, r->txn};
	struct remote_options remote;
	struct platform platform;
	int spool = r->store ? store_dirfd(r->store) : AT_FDCWD;
	int rc = 0;

	if (v->platform)
		rc = platform_parse(v->platform, &platform, err);
	registry_options_take(&v->registry, &remote);
	if (!rc)
		rc = remote_source_name(call->args[0])
			     ? remote_source_open(call->args[0], &remote, &source, err)
			     : source_open(call->args[0], spool, &source, err);
	if (!rc)
		rc = cache_find_source(source, v->platform ? &platform : NULL, &found,
				       steps, err);
	return rc ? rc : print(call, &s, steps, err);
}

static int show_ref(struct command_call *call, struct cache_steps *steps,
		    const struct command_reader *r, struct objects *objects,
		    struct err *err)
{
	const struct values *v = call->values;
	auto_cache_found struct cache_found found = {0};
	struct cache_show s = {call->args[0], &found.cache, steps, r->txn};
	int rc = cache_find(r->txn, objects, call->args[0], v->platform, &found, err);

	if (*found.name)
		s.name = found.name;
	return rc ? rc : print(call, &s, steps, err);
}

static int run(struct command_call *call, struct err *err)
{
	auto_command_reader struct command_reader r = {0};
	auto_cache_steps struct cache_steps steps = {0};
	auto_objects struct objects *objects = NULL;
	bool source = source_is_known(call->args[0]);
	int rc = command_reader_open(call, &r, err);

	if (rc == -ERR_NOTFOUND && source)
		rc = 0;
	if (!rc && r.store)
		rc = objects_new(r.store, CACHE_BYTES, &objects, err);
	if (!rc && r.store)
		rc = cache_steps_learn(&steps, r.txn, objects, err);
	if (!rc)
		rc = source ? show_source(call, &steps, &r, err)
			    : show_ref(call, &steps, &r, objects, err);
	return rc && rc != -ERR_USAGE ? err_wrap(err, "show '%s'", call->args[0]) : rc;
}

const struct command cmd_cache_show = {
	.name = "cache show",
	.summary = "print the steps of a build cache as a tree",
	.arguments = "REF|SOURCE",
	.details =
		"A cache or an image with an inline cache, in the store or (oci:DIR,\n"
		"docker://REF and so on) where it lies. After some counts, a line per record:\n"
		"  root DIGEST WHAT\n"
		"  step DIGEST CHAIN-ID LAYERS SIZE CREATED here|away WHAT\n"
		"each step below what it rests on, deeper where several rest on the same.\n"
		"SIZE is that of its own layer, compressed; 'here' means that the store has\n"
		"the chain. '-': a step without result. WHAT comes from the history of\n"
		"images in the store that have the same layers. 'or' says which record will\n"
		"do in place of the one above, 'with' which others the step needs.",
	.options = options,
	.values_size = sizeof(struct values),
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_NAME,
	.run = run,
};

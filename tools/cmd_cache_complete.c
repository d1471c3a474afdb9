/* SPDX-License-Identifier: Apache-2.0
 * `layercache cache complete REF`: results for all steps whose layers are there.
 */
#include <string.h>

#include "tools/buildkit/complete_name.h"
#include "tools/commands.h"
#include "tools/oci/reference.h"
#include "tools/output.h"
#include "tools/subject.h"

#define CACHE_BYTES (16u << 20)

struct values {
	const char *name;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "name", "NAME", struct values, name,
		    "call the result NAME; REF stays what it is"),
	OPTION_END,
};

struct completion {
	struct store *store;
	struct catalog_txn *txn;
	struct objects *objects;
	struct session *session;
	struct record_ref ref;
	struct record_ref_target target;
	void *memory; /* of ref */
	char name[RECORD_REF_NAME_MAX + 1];
};

static void completion_release(struct completion *c)
{
	session_abort(c->session);
	objects_free(c->objects);
	catalog_abort(c->txn);
	free(c->memory);
	if (c->store)
		store_close(c->store);
}

static int find(struct completion *c, const char *text, const char *name, struct err *err)
{
	auto_buf struct buf normal;
	struct subject s;
	int rc = subject_find(c->txn, text, NULL, 0, &s, err);

	if (!rc && s.kind != SUBJECT_IMAGE)
		rc = err_set(err, ERR_INVALID,
			     "it is neither a build cache nor an image");
	if (rc)
		return rc;
	c->target.manifest = s.image.manifest;
	memcpy(c->target.platform, s.image.platform, sizeof(c->target.platform));
	c->ref = (struct record_ref){.count = 1, .targets = &c->target};
	snprintf(c->name, sizeof(c->name), "%s", s.name);
	if (*s.name)
		rc = catalog_ref_get(c->txn, s.name, &c->ref, &c->memory, err);
	if (rc || !name)
		return rc || *s.name ? rc
				     : err_set(err, ERR_USAGE,
					       "'%s' is no name: --name says how to call "
					       "the result",
					       text);
	buf_init(&normal, RECORD_REF_NAME_MAX + 1);
	rc = reference_normalize(name, &normal, err);
	if (!rc)
		snprintf(c->name, sizeof(c->name), "%s", (const char *)normal.data);
	return rc;
}

static int complete(struct completion *c, const struct command_call *call,
		    struct complete_name *ret, struct err *err)
{
	const struct values *v = call->values;
	int rc = command_open_store(call, STORE_WRITE, &c->store, err);

	if (!rc)
		rc = objects_new(c->store, CACHE_BYTES, &c->objects, err);
	if (!rc)
		rc = catalog_begin(store_catalog(c->store), false, &c->txn, err);
	if (!rc)
		rc = find(c, call->args[0], v->name, err);
	if (!rc)
		rc = session_begin(c->store, NULL, &c->session, err);
	if (!rc)
		rc = complete_name(c->session, c->txn, c->objects, &c->ref, c->name, ret,
				   err);
	if (rc)
		return rc;
	catalog_abort(steal_ptr(&c->txn));
	return session_commit(steal_ptr(&c->session), err);
}

static int print(const struct command_call *call, const char *name,
		 const struct complete_name *r, struct err *err)
{
	char image[DIGEST_TEXT_SIZE], chain[DIGEST_TEXT_SIZE];

	if (r->changed)
		output_notice(call->quiet,
			      "%u steps were given results, %u have none; %s changed",
			      r->done.given, r->done.lacking,
			      digest_is_zero(&r->image.chainid) ? "the cache's digest"
								: "the image ID");
	else
		output_notice(call->quiet,
			      "there is nothing to complete: %u steps have no result",
			      r->done.lacking);
	if (!call->json) {
		output_line("%s %s %s", name, output_digest(&r->image.config, image),
			    output_digest(&r->image.chainid, chain));
		return 0;
	}
	return output_json(json_pack("{s:s, s:o, s:o, s:o, s:i, s:i}", "name", name,
				     "image", output_json_digest(&r->image.config),
				     "manifest", output_json_digest(&r->image.manifest),
				     "chain", output_json_digest(&r->image.chainid),
				     "completed", (int)r->done.given, "without_result",
				     (int)r->done.lacking),
			   err);
}

static int run(struct command_call *call, struct err *err)
{
	__attribute__((cleanup(completion_release))) struct completion c = {0};
	struct complete_name result = {0};
	int rc = complete(&c, call, &result, err);

	if (rc)
		return rc == -ERR_USAGE ? rc
					: err_wrap(err, "complete '%s'", call->args[0]);
	return print(call, c.name, &result, err);
}

const struct command cmd_cache_complete = {
	.name = "cache complete",
	.summary = "give every step of a build cache its result",
	.arguments = "REF",
	.details =
		"An inline cache that BuildKit writes in a build that itself came from a\n"
		"cache has only the results of steps that were executed, so the next change\n"
		"finds nothing before it. The layers are all in the image: this gives them\n"
		"back to their steps. A step gets a result only where base image, steps and\n"
		"layers prove which it is.\n"
		"\n"
		"Of an image the config changes, hence the image ID. Prints 'NAME IMAGE-ID\n"
		"CHAIN-ID' of what REF, or NAME, stands for now.",
	.options = options,
	.values_size = sizeof(struct values),
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_NAME,
	.run = run,
};

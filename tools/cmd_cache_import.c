/* SPDX-License-Identifier: Apache-2.0
 * `layercache cache import SOURCE [NAME]`: build caches into the store.
 */
#include "tools/import_options.h"
#include "tools/imports_print.h"
#include "tools/registry/remote_source.h"

static int import(const struct command_call *call, struct imports *ret, struct err *err)
{
	const struct import_options *v = call->values;
	struct image_import_options o;
	auto_source struct source *source = NULL;
	auto_store struct store *store = NULL;
	struct remote_options remote;
	struct platform platform;
	int rc = import_options_take(call, &platform, &o, err);

	if (rc)
		return rc;
	o.caches = true;
	rc = command_open_store(call, STORE_CREATE, &store, err);
	registry_options_take(&v->registry, &remote);
	if (!rc)
		rc = remote_source_name(call->args[0])
			     ? remote_source_open(call->args[0], &remote, &source, err)
			     : source_open(call->args[0], store_dirfd(store), &source,
					   err);
	return rc ? rc : image_import(store, source, &o, ret, err);
}

static int run(struct command_call *call, struct err *err)
{
	auto_imports struct imports done = {0};
	int rc;

	if (!source_is_known(call->args[0]))
		return err_set(err, ERR_USAGE, "'%s' is no source of build caches",
			       call->args[0]);
	rc = import(call, &done, err);
	if (rc)
		return rc == -ERR_USAGE ? rc
					: err_wrap(err, "import '%s'", call->args[0]);
	return imports_print(&done, call->json, call->quiet, err);
}

const struct command cmd_cache_import = {
	.name = "cache import",
	.summary = "take a build cache into the store",
	.arguments = "SOURCE [NAME]",
	.details =
		"SOURCE is what 'import' takes: a cache that BuildKit wrote with `type=local`\n"
		"(oci:DIR) or `type=registry` (docker://REF), in either form, or an image with an inline\n"
		"cache. Every result is a chain of layers in the store then, and has keys:\n"
		"its tree is under chains/ and cache/. The documents are kept as they are.\n"
		"Prints 'NAME IMAGE-ID CHAIN-ID'; a cache has the digest of its document for\n"
		"the first and no chain.",
	.options = import_options,
	.values_size = sizeof(struct import_options),
	.min_args = 1,
	.max_args = 2,
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.complete = COMPLETE_SOURCE,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 * `layercache cache import SOURCE [NAME]`: build caches into the store.
 */
#include "tools/commands.h"
#include "tools/image_import.h"
#include "tools/imports_print.h"
#include "tools/registry/remote_source.h"
#include "tools/registry_options.h"

struct values {
	const char *platform;
	bool all_platforms;
	bool keep_blobs;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "platform", "OS/ARCH[/VARIANT]", struct values, platform,
		    "of an index of images, take this platform's"),
	OPTION_FLAG(0, "all-platforms", struct values, all_platforms,
		    "of an index of images, take all"),
	OPTION_FLAG(0, "keep-blobs", struct values, keep_blobs,
		    "keep layers as they were compressed, too"),
	REGISTRY_OPTIONS(struct values, registry),
	OPTION_END,
};

static int import(const struct command_call *call, struct imports *ret, struct err *err)
{
	const struct values *v = call->values;
	struct image_import_options o = {
		.name = call->count > 1 ? call->args[1] : NULL,
		.all_platforms = v->all_platforms,
		.keep_blobs = v->keep_blobs,
		.caches = true,
		.quiet = call->quiet,
	};
	auto_source struct source *source = NULL;
	auto_store struct store *store = NULL;
	struct remote_options remote;
	struct platform platform;
	int rc = 0;

	if (v->platform)
		rc = platform_parse(v->platform, &platform, err);
	if (v->platform)
		o.platform = &platform;
	if (!rc)
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
	.options = options,
	.values_size = sizeof(struct values),
	.min_args = 1,
	.max_args = 2,
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.complete = COMPLETE_SOURCE,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 * `layercache pull REF [NAME]`: images from a registry.
 */
#include "tools/commands.h"
#include "tools/image_import.h"
#include "tools/imports_print.h"
#include "tools/oci/reference.h"
#include "tools/registry/remote_source.h"
#include "tools/registry_options.h"

struct pull_options {
	const char *platform;
	bool all_platforms;
	bool keep_blobs;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "platform", "OS/ARCH[/VARIANT]", struct pull_options, platform,
		    "of an index, take the image for this platform"),
	OPTION_FLAG(0, "all-platforms", struct pull_options, all_platforms,
		    "of an index, take all images"),
	OPTION_FLAG(0, "keep-blobs", struct pull_options, keep_blobs,
		    "keep layers as they were compressed, too"),
	REGISTRY_OPTIONS(struct pull_options, registry),
	OPTION_END,
};

static int check(const struct image_import_options *o, const char *ref, struct err *err)
{
	auto_buf struct buf name;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	if (o->platform && o->all_platforms)
		return err_set(err, ERR_USAGE,
			       "--platform and --all-platforms exclude each other");
	rc = reference_normalize(ref, &name, err);
	buf_clear(&name);
	return rc || !o->name ? rc : reference_normalize(o->name, &name, err);
}

static int pull(struct store *store, const char *ref,
		const struct registry_options *registry,
		const struct image_import_options *o, struct imports *ret,
		struct err *err)
{
	auto_source struct source *source = NULL;
	struct remote_options remote;
	auto_free char *text = NULL;
	int rc;

	registry_options_take(registry, &remote);
	if (asprintf(&text, "docker://%s", ref) < 0) {
		text = NULL;
		return err_nomem(err);
	}
	rc = remote_source_open(text, &remote, &source, err);
	return rc ? rc : image_import(store, source, o, ret, err);
}

static int run(struct command_call *call, struct err *err)
{
	const struct pull_options *v = call->values;
	struct image_import_options o = {
		.name = call->count > 1 ? call->args[1] : NULL,
		.all_platforms = v->all_platforms,
		.keep_blobs = v->keep_blobs,
		.quiet = call->quiet,
	};
	auto_imports struct imports done = {0};
	auto_store struct store *store = NULL;
	const char *ref = call->args[0];
	struct platform platform;
	int rc = 0;

	if (v->platform) {
		rc = platform_parse(v->platform, &platform, err);
		o.platform = &platform;
	}
	if (!rc)
		rc = check(&o, ref, err);
	if (!rc)
		rc = command_open_store(call, STORE_CREATE | STORE_WRITE, &store, err);
	if (rc)
		return rc;
	rc = pull(store, ref, &v->registry, &o, &done, err);
	if (rc)
		return rc == -ERR_USAGE ? rc : err_wrap(err, "pull '%s'", ref);
	return imports_print(&done, call->json, call->quiet, err);
}

const struct command cmd_pull = {
	.name = "pull",
	.summary = "take images from a registry into the store",
	.arguments = "REF [NAME]",
	.details =
		"The same as `import docker://REF`. Layers stream from the registry into the\n"
		"store; those that it has, by their digest or their content, are not fetched.\n"
		"Broken connections are resumed, and so is a pull that was cut off: layers\n"
		"that had come stay.\n"
		"\n"
		"Credentials are those of docker and podman: $REGISTRY_AUTH_FILE,\n"
		"${XDG_RUNTIME_DIR}/containers/auth.json, $DOCKER_CONFIG/config.json or\n"
		"~/.docker/config.json, with the helpers these name (`layercache login`).\n"
		"Certificates are those of /etc/containers/certs.d, /etc/docker/certs.d and\n"
		"~/.config/containers/certs.d. Proxies come from the environment.\n"
		"Plain HTTP is used for loopback, or if asked for.\n"
		"\n"
		"Prints 'NAME IMAGE-ID CHAIN-ID' for every image. A REF that is not there is\n"
		"exit status 3.",
	.options = options,
	.values_size = sizeof(struct pull_options),
	.min_args = 1,
	.max_args = 2,
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.run = run,
};

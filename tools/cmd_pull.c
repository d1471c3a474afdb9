/* SPDX-License-Identifier: Apache-2.0
 * `layercache pull REF [NAME]`: images from a registry.
 */
#include "tools/import_options.h"
#include "tools/imports_print.h"
#include "tools/oci/reference.h"
#include "tools/registry/remote_source.h"

static int check(const struct image_import_options *o, const char *ref, struct err *err)
{
	auto_buf struct buf name;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
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
	const struct import_options *v = call->values;
	struct image_import_options o;
	auto_imports struct imports done = {0};
	auto_store struct store *store = NULL;
	const char *ref = call->args[0];
	struct platform platform;
	int rc = import_options_take(call, &platform, &o, err);

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
		"Of zstd:chunked layers only the files that it lacks are, if the registry\n"
		"gives parts of blobs and --keep-blobs does not ask for the whole.\n"
		"Broken connections are resumed, and so is a pull that was cut off: layers\n"
		"that had come stay. Signatures, SBOMs and the like that are about the image\n"
		"come along, unless --no-referrers is given; they never make a pull fail.\n"
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
	.options = import_options,
	.values_size = sizeof(struct import_options),
	.min_args = 1,
	.max_args = 2,
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.run = run,
};

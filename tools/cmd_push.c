/* SPDX-License-Identifier: Apache-2.0
 * `layercache push NAME [REF]`: images to a registry.
 */
#include "tools/commands.h"
#include "tools/exports_print.h"
#include "tools/oci/reference.h"
#include "tools/registry_options.h"
#include "tools/subject.h"

struct push_options {
	const char *platform;
	const char *compression;
	struct option_number level;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "platform", "OS/ARCH[/VARIANT]", struct push_options, platform,
		    "of several platforms, only this one"),
	OPTION_WORD(
		0, "compression", "KIND", LAYER_BLOB_COMPRESSIONS, struct push_options,
		compression,
		"none, gzip, zstd, zstd:chunked or estargz; default: as the layers came"),
	OPTION_NUMBER(0, "level", "N", 1, 19, struct push_options, level,
		      "compress anew at this level (gzip 1-12, zstd 1-19)"),
	REGISTRY_OPTIONS(struct push_options, registry),
	OPTION_END,
};

/* Without REF an image goes to where its name says; what is given by its digest has none. */
static int own_name(struct store *store, const char *x, const char *platform,
		    struct buf *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct subject s;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (!rc)
		rc = subject_find(t, x, platform, 0, &s, err);
	if (!rc && !*s.name)
		return err_set(err, ERR_USAGE, "'%s' is no name: give a REF after it", x);
	return rc ? rc : buf_printf(ret, err, "docker://%s", s.name);
}

static int run(struct command_call *call, struct err *err)
{
	const struct push_options *v = call->values;
	const char *x = call->args[0], *ref = call->count > 1 ? call->args[1] : NULL;
	struct image_export_options o = {.platform = v->platform, .quiet = call->quiet};
	auto_exports struct exports done = {0};
	auto_store struct store *store = NULL;
	struct remote_options remote;
	auto_buf struct buf name, to;
	int rc = layer_blob_options_parse(
		v->compression, v->level.given ? (int)v->level.value : 0, &o.blobs, err);

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	buf_init(&to, RECORD_REF_NAME_MAX + 16);
	if (!rc && ref)
		rc = reference_normalize(ref, &name, err);
	if (!rc)
		rc = exports_open_store(call, true, &store, err);
	if (rc)
		return rc;
	rc = ref ? buf_printf(&to, err, "docker://%s", ref)
		 : own_name(store, x, v->platform, &to, err);
	if (!rc)
		rc = buf_append_u8(&to, 0, err);
	registry_options_take(&v->registry, &remote);
	o.registry = &remote;
	if (!rc)
		rc = image_export(store, x, (const char *)to.data, &o, &done, err);
	if (rc)
		return rc == -ERR_USAGE ? rc : err_wrap(err, "push '%s'", x);
	store_close(steal_ptr(&store));
	blob_notes_keep(&done.notes, call->store);
	return exports_print(&done, call->json, err);
}

const struct command cmd_push = {
	.name = "push",
	.summary = "write images to a registry",
	.arguments = "NAME [REF]",
	.details =
		"The same as `export NAME docker://REF`; without REF to where NAME says.\n"
		"What the registry has is not sent: layers in any compression that is known\n"
		"to have the same content, and layers of the repository that NAME says, if\n"
		"that is in the same registry. The name is set last; after it goes what is\n"
		"about the image (signatures, SBOMs), unless its manifest had to change.\n"
		"\n"
		"Credentials, certificates and proxies as `layercache pull` has them. Prints\n"
		"'NAME IMAGE-ID MANIFEST-DIGEST' for every image; stderr says what became of\n"
		"each layer. Of layers pushed with --compression zstd:chunked or estargz, a\n"
		"later pull fetches only files that are new. Image ID and DiffIDs never change,\n"
		"except with estargz, whose table of contents is in the tar.",
	.options = options,
	.values_size = sizeof(struct push_options),
	.min_args = 1,
	.max_args = 2,
	.flags = COMMAND_JSON | COMMAND_PROGRESS,
	.complete = COMPLETE_NAME,
	.run = run,
};

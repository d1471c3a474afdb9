/* SPDX-License-Identifier: Apache-2.0
 * `layercache path X`: where X is in the mount.
 */
#include "fs/mounts.h"
#include "tools/commands.h"
#include "tools/key_published.h"
#include "tools/output.h"
#include "tools/paths.h"
#include "tools/subject.h"

struct path_options {
	const char *platform;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "platform", "OS/ARCH", struct path_options, platform,
		    "which platform of a name"),
	OPTION_END,
};

static int find_directory(struct catalog_txn *t, const struct subject *x,
			  const char **ret_kind, struct digest *ret, struct err *err)
{
	if (x->kind == SUBJECT_LAYER) {
		*ret_kind = "layers";
		*ret = x->layer.diffid;
		return 0;
	}
	if (x->kind == SUBJECT_KEY) {
		*ret_kind = "cache";
		*ret = x->key.key;
		return 0;
	}
	*ret_kind = "chains";
	return subject_chain(t, x, ret, err);
}

static int run(struct command_call *call, struct err *err)
{
	auto_command_reader struct command_reader r = {0};
	const struct path_options *o = call->values;
	auto_free char *mountpoint = NULL, *path = NULL;
	char hex[DIGEST_HEX_SIZE];
	const char *kind = NULL;
	struct digest digest;
	struct subject x;
	int rc;

	rc = command_reader_open(call, &r, err);
	if (!rc)
		rc = key_published_subject(call, &r, call->args[0], o->platform, &x, err);
	if (!rc)
		rc = find_directory(r.txn, &x, &kind, &digest, err);
	if (rc)
		return rc;
	rc = mounts_find(store_path(r.store), &mountpoint, err);
	if (rc == -ERR_NOTFOUND)
		rc = paths_mountpoint(&mountpoint, err);
	if (rc)
		return rc;
	if (asprintf(&path, "%s/%s/sha256/%s", mountpoint, kind,
		     digest_hex(&digest, hex)) < 0)
		return err_nomem(err);
	if (call->json)
		return output_json(json_pack("{s:s}", "path", path), err);
	output_line("%s", path);
	return 0;
}

const struct command cmd_path = {
	.name = "path",
	.summary = "print the directory of X in the mount",
	.arguments = "X",
	.details =
		"The directory is below the live mount of this store, or below the default\n"
		"mountpoint if the store is not mounted. For a layer it is the layer by\n"
		"itself, for all else the merged root filesystem (of a key below cache/).",
	.options = options,
	.values_size = sizeof(struct path_options),
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_NAME,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0
 * `layercache lookup KEY...`: is there a result?
 */
#include "fs/mounts.h"
#include "tools/commands.h"
#include "tools/mounted_key.h"
#include "tools/output.h"
#include "tools/paths.h"
#include "tools/step.h"
#include "tools/subject.h"

struct lookup_options {
	const char *scope;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "scope", "TEXT", struct lookup_options, scope,
		    "the scope of keys that are texts of your own"),
	OPTION_END,
};

struct hit {
	struct digest key, chainid, image;
};

static int image_id(struct catalog_txn *t, const struct digest *manifest,
		    struct digest *ret, struct err *err)
{
	struct record_image image;
	int rc;

	*ret = (struct digest){0};
	if (digest_is_zero(manifest))
		return 0;
	rc = catalog_image_get(t, manifest, &image, err);
	if (!rc)
		*ret = image.config;
	return rc == -ERR_NOTFOUND ? 0 : rc;
}

/* The beginning of a key. */
static bool is_prefix(const char *text)
{
	struct subject_text x;

	return subject_parse(text, &x, NULL) == 0 && x.digest && x.certain &&
	       x.digits < 64 && (!x.kind || x.kind == SUBJECT_KEY);
}

static int find_prefix(struct catalog_txn *t, const char *text, struct digest *ret,
		       struct err *err)
{
	struct subject x;
	int rc = subject_find(t, text, NULL, 0, &x, err);

	if (rc)
		return rc;
	if (x.kind != SUBJECT_KEY)
		return err_set(err, ERR_NOTFOUND, "'%s' is no key", text);
	*ret = x.key.key;
	return 0;
}

static int look_up(struct catalog_txn *t, const char *text, const char *scope,
		   struct hit *ret, struct err *err)
{
	auto_buf struct buf document = {0};
	struct record_key key;
	int rc;

	if (is_prefix(text))
		rc = find_prefix(t, text, &ret->key, err);
	else
		rc = step_own_key(text, scope, &ret->key, &document, err);
	if (!rc)
		rc = catalog_key_get(t, &ret->key, &key, err);
	if (!rc) {
		ret->chainid = key.chainid;
		rc = image_id(t, &key.manifest, &ret->image, err);
	}
	return rc;
}

static int look_up_mounted(const char *mountpoint, const char *text, const char *scope,
			   struct hit *ret, struct err *err)
{
	auto_buf struct buf document = {0};
	int rc = step_own_key(text, scope, &ret->key, &document, err);

	ret->image = (struct digest){0};
	return rc ? rc : mounted_key_chain(mountpoint, &ret->key, &ret->chainid, err);
}

static int print(const struct command_call *call, const char *mountpoint,
		 const struct hit *hit, struct err *err)
{
	char hex[DIGEST_HEX_SIZE], chain[DIGEST_TEXT_SIZE];
	auto_free char *path = NULL;
	auto_json json_t *out = NULL;
	int rc;

	if (asprintf(&path, "%s/cache/sha256/%s", mountpoint,
		     digest_hex(&hit->key, hex)) < 0)
		return err_nomem(err);
	if (!call->json) {
		output_line("%s %s", output_digest(&hit->chainid, chain), path);
		return 0;
	}
	out = json_pack("{s:o, s:o, s:o}", "key", output_json_digest(&hit->key), "chain",
			output_json_digest(&hit->chainid), "image",
			output_json_digest(&hit->image));
	rc = out ? output_json_set_text(out, "path", path, err) : err_nomem(err);
	return rc ? rc : output_json(steal_ptr(&out), err);
}

/* The first of the keys that has a result. READER's transaction is NULL if only the mount
 * can be read. */
static int find_first(const struct command_call *call, struct catalog_txn *t,
		      const char *mountpoint, struct hit *ret, struct err *err)
{
	const struct lookup_options *o = call->values;
	int rc = -ERR_NOTFOUND;

	for (unsigned i = 0; i < call->count && rc == -ERR_NOTFOUND; i++)
		rc = t ? look_up(t, call->args[i], o->scope, ret, err)
		       : look_up_mounted(mountpoint, call->args[i], o->scope, ret, err);
	if (rc != -ERR_NOTFOUND)
		return rc;
	return call->count == 1 ? err_set(err, ERR_NOTFOUND, "no result of key '%s'",
					  call->args[0])
				: err_set(err, ERR_NOTFOUND,
					  "no result of any of the %u keys", call->count);
}

static bool is_denied(int rc, const struct err *e)
{
	return rc == -ERR_SYSTEM && (e->sys == EACCES || e->sys == EPERM);
}

/* Without the right to read the store its mount tells enough. */
static int open_mount(const struct command_call *call, char **ret, struct err *err)
{
	auto_free char *store = NULL;
	int rc = paths_resolve(call->store, &store, err);

	return rc ? rc : mounts_find(store, ret, err);
}

static int run(struct command_call *call, struct err *err)
{
	auto_command_reader struct command_reader r = {0};
	auto_free char *mountpoint = NULL;
	struct hit hit;
	struct err why;
	int rc = command_reader_open(call, &r, &why);

	if (is_denied(rc, &why) && open_mount(call, &mountpoint, NULL) == 0)
		rc = 0;
	if (rc)
		return err_copy(err, &why);
	if (!mountpoint) {
		rc = mounts_find(store_path(r.store), &mountpoint, err);
		if (rc == -ERR_NOTFOUND)
			rc = paths_mountpoint(&mountpoint, err);
	}
	if (!rc)
		rc = find_first(call, r.txn, mountpoint, &hit, err);
	return rc ? rc : print(call, mountpoint, &hit, err);
}

const struct command cmd_lookup = {
	.name = "lookup",
	.summary = "find the result of a cached build step",
	.arguments = "KEY...",
	.details =
		"Prints 'CHAIN-ID DIRECTORY' of the first key that has a result, with status\n"
		"3 if none has: a cache miss. A key is a digest as 'key' prints it, or any\n"
		"text of your own that was given to 'snapshot --key', with the same --scope.\n"
		"The directory is in the live mount of this store, or in the default\n"
		"mountpoint if it is not mounted. Who may only read the mount can use whole\n"
		"keys, too.",
	.options = options,
	.values_size = sizeof(struct lookup_options),
	.min_args = 1,
	.max_args = COMMAND_ANY_ARGS,
	.flags = COMMAND_JSON,
	.run = run,
};

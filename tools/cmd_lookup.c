/* SPDX-License-Identifier: Apache-2.0
 * `layercache lookup KEY...`: is there a result?
 */
#include "fs/mounts.h"
#include "store/key_adopt.h"
#include "store/key_use.h"
#include "tools/commands.h"
#include "tools/key_published.h"
#include "tools/key_remote.h"
#include "tools/mounted_key.h"
#include "tools/output.h"
#include "tools/paths.h"
#include "tools/step.h"
#include "tools/subject.h"

struct lookup_options {
	const char *scope;
	struct option_list cache_from;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "scope", "TEXT", struct lookup_options, scope,
		    "the scope of keys that are texts of your own"),
	KEY_REMOTE_FROM(struct lookup_options, cache_from),
	REGISTRY_OPTIONS(struct lookup_options, registry),
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

/* ---- other stores ---- */

/* A result that an alternate has becomes this store's own. */
static int adopt(struct store *store, const char *text, const struct lookup_options *o,
		 struct hit *ret, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	auto_buf struct buf document = {0};
	struct record_key key;
	int rc = is_prefix(text)
			 ? key_published_find(store, text, &ret->key, err)
			 : step_own_key(text, o->scope, &ret->key, &document, err);

	if (!rc)
		rc = key_adopt(store, &ret->key, &key, err);
	if (!rc)
		rc = catalog_begin(store_catalog(store), false, &t, err);
	if (rc)
		return rc;
	ret->chainid = key.chainid;
	return image_id(t, &key.manifest, &ret->image, err);
}

/* ALTERNATES: whether the store has any. Who may not write to it cannot adopt. */
static int adopt_first(const struct command_call *call, bool alternates, struct hit *ret,
		       struct err *err)
{
	auto_store struct store *store = NULL;
	struct err why = {0};
	int rc = -ERR_NOTFOUND;

	if (!alternates ||
	    command_open_store(call, STORE_CREATE | STORE_WRITE, &store, &why))
		return -ERR_NOTFOUND;
	for (unsigned i = 0; i < call->count && rc == -ERR_NOTFOUND; i++)
		rc = adopt(store, call->args[i], call->values, ret, &why);
	return rc && rc != -ERR_NOTFOUND ? err_copy(err, &why) : rc;
}

/* What came is KEY's result here, too. */
static int record(struct store *store, const struct digest *key, const char *scope,
		  const struct buf *document, const struct record_image *image,
		  struct err *err)
{
	auto_session struct session *session = NULL;
	struct record_item item = {.type = RECORD_KEY};
	struct digest stored;
	int rc = session_begin(store, NULL, &session, err);

	item.key.key = *key;
	item.key.chainid = image->chainid;
	item.key.manifest = image->manifest;
	snprintf(item.key.scope, sizeof(item.key.scope), "%s", scope ? scope : "");
	if (!rc && document->len)
		rc = session_put_document(session, document->data, document->len, &stored,
					  err);
	if (!rc)
		rc = session_add(session, &item, err);
	return rc ? rc : session_commit(steal_ptr(&session), err);
}

static int fetch(const struct key_remote *r, const char *text,
		 const struct lookup_options *o, struct hit *ret, struct err *err)
{
	auto_buf struct buf document = {0};
	struct record_image image;
	const char *from;
	int rc;

	if (is_prefix(text))
		return err_set(err, ERR_NOTFOUND, "only whole keys are asked for");
	rc = step_own_key(text, o->scope, &ret->key, &document, err);
	if (!rc)
		rc = key_remote_get(r, &o->cache_from, &ret->key, &image, &from, err);
	if (!rc)
		rc = record(r->store, &ret->key, o->scope, &document, &image, err);
	if (rc)
		return rc;
	ret->chainid = image.chainid;
	ret->image = image.config;
	return 0;
}

static int fetch_first(const struct command_call *call, struct hit *ret, struct err *err)
{
	const struct lookup_options *o = call->values;
	auto_store struct store *store = NULL;
	struct remote_options registry;
	struct key_remote remote = {.registry = &registry, .quiet = call->quiet};
	struct err why = {0};
	int rc = command_open_store(call, STORE_CREATE | STORE_WRITE, &store, &why);

	if (rc)
		return err_copy(err, &why);
	registry_options_take(&o->registry, &registry);
	remote.store = store;
	rc = -ERR_NOTFOUND;
	for (unsigned i = 0; i < call->count && rc == -ERR_NOTFOUND; i++)
		rc = fetch(&remote, call->args[i], o, ret, &why);
	/* The error of the look here says it better. */
	return rc && rc != -ERR_NOTFOUND ? err_copy(err, &why) : rc;
}

static int check_remotes(const struct lookup_options *o, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < o->cache_from.count && !rc; i++)
		rc = key_remote_check(o->cache_from.items[i], err);
	return rc;
}

static int find_mountpoint(const struct command_call *call, char **ret, struct err *err)
{
	int rc = open_mount(call, ret, err);

	return rc == -ERR_NOTFOUND ? paths_mountpoint(ret, err) : rc;
}

/* Here, in the store or, without the right to read that, in its mount. */
static int find_here(const struct command_call *call, const char *mountpoint,
		     bool *ret_alternates, struct hit *ret, struct err *err)
{
	auto_command_reader struct command_reader r = {0};
	auto_free char *live = NULL;
	struct err why = {0};
	int rc = command_reader_open(call, &r, &why);

	if (rc && !(is_denied(rc, &why) && open_mount(call, &live, NULL) == 0))
		return err_copy(err, &why);
	*ret_alternates = r.store && alternates_any(store_alternates(r.store));
	rc = find_first(call, r.txn, mountpoint, ret, err);
	if (!rc && r.store)
		key_use_note(r.store, &ret->key);
	return rc;
}

static int run(struct command_call *call, struct err *err)
{
	const struct lookup_options *o = call->values;
	auto_free char *mountpoint = NULL;
	bool alternates = call->alternate;
	struct hit hit;
	int rc = check_remotes(o, err);

	if (!rc)
		rc = find_mountpoint(call, &mountpoint, err);
	if (rc)
		return rc;
	rc = find_here(call, mountpoint, &alternates, &hit, err);
	if (rc == -ERR_NOTFOUND)
		rc = adopt_first(call, alternates, &hit, err);
	if (rc == -ERR_NOTFOUND && o->cache_from.count)
		rc = fetch_first(call, &hit, err);
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
		"keys, too. With --cache-from a result that others sent there by 'run\n"
		"--cache-to' comes into the store, and so does one that an alternate has.",
	.options = options,
	.values_size = sizeof(struct lookup_options),
	.min_args = 1,
	.max_args = COMMAND_ANY_ARGS,
	.flags = COMMAND_JSON,
	.run = run,
};

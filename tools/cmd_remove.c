/* SPDX-License-Identifier: Apache-2.0
 * `layercache remove X...`: drops names and keys.
 */
#include <string.h>

#include "tools/commands.h"
#include "tools/oci/reference.h"
#include "tools/step.h"
#include "tools/subject.h"

struct remove_options {
	const char *scope;
	bool keys;
};

static const struct option_spec options[] = {
	OPTION_FLAG('k', "keys", struct remove_options, keys,
		    "all arguments are keys, as 'lookup' takes them"),
	OPTION_TEXT(0, "scope", "TEXT", struct remove_options, scope,
		    "with --keys: the scope of keys that are texts of your own"),
	OPTION_END,
};

struct removal {
	const struct remove_options *options;
	char *const *args;
	unsigned count;
};

static int remove_key(struct commit *c, const struct digest *key, struct err *err)
{
	const struct record_item item = {.type = RECORD_UNKEY, .unkey.key = *key};

	return store_commit_add(c, &item, err);
}

static int remove_own_key(struct commit *c, const char *text, const char *scope,
			  struct err *err)
{
	auto_buf struct buf document = {0};
	struct record_key there;
	struct digest key;
	int rc = step_own_key(text, scope, &key, &document, err);

	if (!rc)
		rc = catalog_key_get(store_commit_txn(c), &key, &there, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "no key '%s' in this store", text);
	return rc ? rc : remove_key(c, &key, err);
}

static int remove_digest(struct commit *c, const char *text, struct err *err)
{
	struct subject x;
	int rc = subject_find(store_commit_txn(c), text, NULL, 0, &x, err);

	if (rc)
		return rc;
	if (x.kind == SUBJECT_KEY)
		return remove_key(c, &x.key.key, err);
	return err_set(err, ERR_INVALID,
		       "cannot remove '%s': only names and keys can be removed "
		       "('layercache show' tells the names of an image)",
		       text);
}

static int remove_one(struct commit *c, const char *text, struct err *err)
{
	struct record_item item = {.type = RECORD_UNREF};
	auto_free void *memory = NULL;
	auto_buf struct buf name;
	struct subject_text x;
	struct record_ref ref;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	rc = subject_parse(text, &x, err);
	if (rc)
		return rc;
	if (x.certain)
		return remove_digest(c, text, err);
	rc = reference_normalize(text, &name, err);
	if (rc)
		return rc;
	rc = catalog_ref_get(store_commit_txn(c), (char *)name.data, &ref, &memory, err);
	if (rc == -ERR_NOTFOUND && x.digest)
		return remove_digest(c, text, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_NOTFOUND, "no image '%s' in this store",
			       (char *)name.data);
	if (rc)
		return rc;
	item.unref.name = (char *)name.data;
	return store_commit_add(c, &item, err);
}

static int fill(struct commit *c, void *arg, struct err *err)
{
	const struct removal *r = arg;
	int rc = 0;

	for (unsigned i = 0; i < r->count && !rc; i++)
		rc = r->options->keys
			     ? remove_own_key(c, r->args[i], r->options->scope, err)
			     : remove_one(c, r->args[i], err);
	return rc;
}

static int run(struct command_call *call, struct err *err)
{
	struct removal r = {call->values, call->args, call->count};
	auto_store struct store *store = NULL;
	int rc;

	rc = command_open_store(call, STORE_WRITE, &store, err);
	return rc ? rc : store_commit(store, fill, &r, NULL, 0, err);
}

const struct command cmd_remove = {
	.name = "remove",
	.summary = "drop names of images and keys of build steps",
	.arguments = "NAME|KEY...",
	.details =
		"Drops the names and keys, all or (if one is not there) none. A key is a\n"
		"digest, with --keys also a text of your own. What no name, key or mount\n"
		"needs any more is left to 'gc'.",
	.options = options,
	.values_size = sizeof(struct remove_options),
	.min_args = 1,
	.max_args = COMMAND_ANY_ARGS,
	.complete = COMPLETE_NAME,
	.run = run,
};

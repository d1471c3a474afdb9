/* SPDX-License-Identifier: Apache-2.0
 * `layercache remove NAME...`: drops names.
 */
#include <string.h>

#include "tools/commands.h"
#include "tools/oci/reference.h"
#include "tools/output.h"
#include "tools/subject.h"

struct removal {
	char *const *args;
	unsigned count;
};

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
		return err_set(
			err, ERR_INVALID,
			"cannot remove '%s': only names can be removed ('layercache "
			"show' tells the names of an image)",
			text);
	rc = reference_normalize(text, &name, err);
	if (rc)
		return rc;
	rc = catalog_ref_get(store_commit_txn(c), (char *)name.data, &ref, &memory, err);
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
		rc = remove_one(c, r->args[i], err);
	return rc;
}

static int run(struct command_call *call, struct err *err)
{
	struct removal r = {.args = call->args, .count = call->count};
	auto_store struct store *store = NULL;
	int rc;

	rc = command_open_store(call, STORE_WRITE, &store, err);
	return rc ? rc : store_commit(store, fill, &r, NULL, 0, err);
}

const struct command cmd_remove = {
	.name = "remove",
	.summary = "drop names of images",
	.arguments = "NAME...",
	.details =
		"Drops the names, all or (if one is not there) none. What no name, key or\n"
		"mount needs any more is left to 'gc'.",
	.min_args = 1,
	.max_args = COMMAND_ANY_ARGS,
	.complete = COMPLETE_NAME,
	.run = run,
};

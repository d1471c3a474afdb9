/* SPDX-License-Identifier: Apache-2.0
 * `layercache tag X NAME`: gives an image, or that of a key, another name.
 */
#include <string.h>
#include <time.h>

#include "tools/commands.h"
#include "tools/oci/reference.h"
#include "tools/output.h"
#include "tools/subject.h"

struct tag {
	const char *source; /* X as written */
	const char *name;   /* normalised */
	bool moved;         /* the name was another image's */
};

/* A name takes all platforms of the name it is made from. */
static int targets_of(struct catalog_txn *t, const struct subject *x,
		      const struct record_image *image, struct record_ref *ret,
		      void **ret_memory, struct err *err)
{
	struct record_ref_target *target;

	if (x->kind == SUBJECT_IMAGE && *x->name)
		return catalog_ref_get(t, x->name, ret, ret_memory, err);
	target = calloc(1, sizeof(*target));
	if (!target)
		return err_nomem(err);
	target->manifest = image->manifest;
	memcpy(target->platform, image->platform, sizeof(target->platform));
	*ret = (struct record_ref){.count = 1, .targets = target};
	*ret_memory = target;
	return 0;
}

static bool same_targets(const struct record_ref *a, const struct record_ref *b)
{
	if (a->count != b->count || !digest_equal(&a->index, &b->index))
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!digest_equal(&a->targets[i].manifest, &b->targets[i].manifest) ||
		    strcmp(a->targets[i].platform, b->targets[i].platform) != 0)
			return false;
	return true;
}

/* Adds the name unless it says the same already. */
static int set_name(struct commit *c, struct tag *tag, struct record_ref *ref,
		    struct err *err)
{
	auto_free void *memory = NULL;
	struct record_item item = {.type = RECORD_REF};
	struct record_ref old;
	int rc;

	rc = catalog_ref_get(store_commit_txn(c), tag->name, &old, &memory, err);
	if (rc && rc != -ERR_NOTFOUND)
		return rc;
	if (!rc && same_targets(&old, ref))
		return 0;
	tag->moved = !rc;
	ref->name = tag->name;
	ref->created = time(NULL);
	item.ref = *ref;
	return store_commit_add(c, &item, err);
}

static int fill(struct commit *c, void *arg, struct err *err)
{
	struct catalog_txn *t = store_commit_txn(c);
	auto_free void *memory = NULL;
	struct tag *tag = arg;
	struct record_ref ref;
	struct subject x;
	struct record_image image;
	int rc;

	rc = subject_find(t, tag->source, NULL, 0, &x, err);
	if (rc)
		return rc;
	rc = subject_image(t, &x, &image, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_INVALID,
			       "cannot tag '%s': only images have names", tag->source);
	if (!rc)
		rc = targets_of(t, &x, &image, &ref, &memory, err);
	return rc ? rc : set_name(c, tag, &ref, err);
}

static int run(struct command_call *call, struct err *err)
{
	auto_store struct store *store = NULL;
	struct tag tag = {.source = call->args[0]};
	auto_buf struct buf name;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	rc = reference_normalize(call->args[1], &name, err);
	if (!rc)
		rc = command_open_store(call, STORE_WRITE, &store, err);
	if (rc)
		return rc;
	tag.name = (const char *)name.data;
	rc = store_commit(store, fill, &tag, NULL, 0, err);
	if (!rc && tag.moved)
		output_notice(call->quiet, "'%s' now names another image", tag.name);
	return rc;
}

const struct command cmd_tag = {
	.name = "tag",
	.summary = "give an image another name",
	.arguments = "X NAME",
	.details =
		"NAME is normalised as Docker does ('app' is docker.io/library/app:latest).\n"
		"A name that exists moves to the image X. From a name for several\n"
		"platforms all are taken.",
	.min_args = 2,
	.max_args = 2,
	.complete = COMPLETE_NAME,
	.run = run,
};

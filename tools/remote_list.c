/* SPDX-License-Identifier: Apache-2.0
 * The tags of a repository in a registry. */
#include "tools/remote_list.h"

#include <string.h>

#include "tools/oci/reference.h"
#include "tools/output.h"

#define NAME_BYTES_MAX 1024
#define TAGS_MAX       1000000

struct tags {
	char **items;
	size_t count, cap;
};

static void tags_release(struct tags *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
}

static int add_tag(void *arg, const char *tag, struct err *err)
{
	struct tags *t = arg;

	if (!reference_is_tag(tag))
		return err_set(err, ERR_INVALID, "the registry lists a bad tag '%.100s'",
			       tag);
	if (t->count == TAGS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d tags", TAGS_MAX);
	if (t->count == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		char **items = reallocarray(t->items, cap, sizeof(*items));

		if (!items)
			return err_nomem(err);
		t->items = items;
		t->cap = cap;
	}
	t->items[t->count] = strdup(tag);
	return t->items[t->count++] ? 0 : err_nomem(err);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* NAME without the tag that normalising gave it. */
static int print(const struct command_call *call, const char *name, const struct tags *t,
		 struct err *err)
{
	int len = (int)(strcspn(name, "@") < strlen(name)
				? strcspn(name, "@")
				: (size_t)(strrchr(name, ':') - name));
	auto_json json_t *list = call->json ? json_array() : NULL;

	for (size_t i = 0; i < t->count; i++) {
		auto_free char *full = NULL;

		if (asprintf(&full, "%.*s:%s", len, name, t->items[i]) < 0) {
			full = NULL;
			return err_nomem(err);
		}
		if (!call->json)
			output_line("%s", full);
		else if (json_array_append_new(list, json_pack("{s:s, s:s}", "name", full,
							       "tag", t->items[i])) < 0)
			return err_nomem(err);
	}
	return call->json ? output_json(steal_ptr(&list), err) : 0;
}

int remote_list(const struct command_call *call, const char *ref,
		const struct remote_options *options, struct err *err)
{
	auto_remote struct remote *r = NULL;
	struct tags tags = {0};
	auto_buf struct buf name;
	int rc;

	buf_init(&name, NAME_BYTES_MAX);
	rc = reference_normalize(ref, &name, err);
	if (!rc)
		rc = remote_open((const char *)name.data, options, false, &r, err);
	if (!rc)
		rc = remote_tags(r, add_tag, &tags, err);
	if (!rc && tags.count)
		qsort(tags.items, tags.count, sizeof(*tags.items), compare);
	rc = rc ? err_wrap(err, "list '%s'", ref)
		: print(call, (const char *)name.data, &tags, err);
	tags_release(&tags);
	return rc;
}

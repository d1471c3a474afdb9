/* SPDX-License-Identifier: Apache-2.0
 * What a registry's DELETE of a manifest means for the store. */
#include "tools/serve/removal.h"

#include <string.h>

#include "tools/serve/names.h"

#define NAMES_MAX (16u << 20)

struct removing {
	const struct removal *what;
	struct buf names; /* that go, each with its NUL */
	bool other;       /* a name or key of something else needs it */
};

static bool leads_to(const struct record_ref *ref, const struct digest *d)
{
	if (digest_equal(&ref->index, d))
		return true;
	for (uint32_t i = 0; i < ref->count; i++)
		if (digest_equal(&ref->targets[i].manifest, d))
			return true;
	return false;
}

/* A name for several platforms is not taken away for one of them. */
static bool stands_for(const struct record_ref *ref, const struct digest *d)
{
	return digest_equal(&ref->index, d) ||
	       (ref->count == 1 && digest_equal(&ref->targets[0].manifest, d));
}

static int on_name(void *arg, const struct record_ref *ref, struct err *err)
{
	struct removing *r = arg;

	if (!stands_for(ref, &r->what->digest))
		return 0;
	return buf_append(&r->names, ref->name, strlen(ref->name) + 1, err);
}

static bool is_going(const struct removing *r, const char *name)
{
	const char *at = (const char *)r->names.data, *end = at + r->names.len;

	for (; at < end; at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

static int on_other_name(void *arg, const struct record_ref *ref, struct err *err)
{
	struct removing *r = arg;

	(void)err;
	r->other = leads_to(ref, &r->what->digest) && !is_going(r, ref->name);
	return r->other;
}

static int on_key(void *arg, const struct record_key *key, struct err *err)
{
	struct removing *r = arg;

	(void)err;
	r->other = digest_equal(&key->manifest, &r->what->digest);
	return r->other;
}

static int unname(struct commit *c, const char *name, struct err *err)
{
	const struct record_item item = {.type = RECORD_UNREF, .unref.name = name};

	return store_commit_add(c, &item, err);
}

static int remove_tag(struct commit *c, const struct removal *what, struct err *err)
{
	auto_free void *memory = NULL;
	struct record_ref ref;
	int rc = names_find(store_commit_txn(c), what->repository, what->tag, &ref,
			    &memory, err);

	return rc ? rc : unname(c, ref.name, err);
}

static int forget(struct commit *c, enum gone_kind kind, const struct digest *d,
		  struct err *err)
{
	const struct record_item item = {
		.type = RECORD_GONE,
		.gone = {.kind = (uint32_t)kind, .id = *d},
	};

	return store_commit_add(c, &item, err);
}

static int remove_digest(struct commit *c, struct removing *r, struct err *err)
{
	struct catalog_txn *t = store_commit_txn(c);
	const struct digest *d = &r->what->digest;
	struct record_artifact artifact;
	struct record_image image;
	const char *name, *end;
	bool there = false;
	int rc = names_each(t, r->what->repository, on_name, r, err);

	if (!rc)
		rc = catalog_ref_each(t, NULL, on_other_name, r, err);
	if (!rc)
		rc = catalog_key_each(t, NULL, on_key, r, err);
	if (rc < 0)
		return rc;
	rc = 0;
	name = (const char *)r->names.data;
	end = name + r->names.len;
	for (; !rc && name < end; name += strlen(name) + 1)
		rc = unname(c, name, err);
	if (!rc && !r->other && catalog_image_get(t, d, &image, NULL) == 0) {
		there = true;
		rc = forget(c, GONE_IMAGE, d, err);
	}
	if (!rc && !r->other && catalog_artifact_get(t, d, &artifact, NULL) == 0) {
		there = true;
		rc = forget(c, GONE_ARTIFACT, d, err);
	}
	if (!rc && !there && r->names.len == 0)
		rc = err_set(err, ERR_NOTFOUND, "no name of this repository has it");
	return rc;
}

static int fill(struct commit *c, void *arg, struct err *err)
{
	struct removing *r = arg;

	return *r->what->tag ? remove_tag(c, r->what, err) : remove_digest(c, r, err);
}

int removal_run(struct store *s, const struct removal *removal, struct err *err)
{
	struct removing r = {.what = removal};
	int rc;

	buf_init(&r.names, NAMES_MAX);
	rc = store_commit(s, fill, &r, NULL, 0, err);
	buf_release(&r.names);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0
 * Why gc keeps X: what gc itself says of it, with the names that users know.
 */
#include <string.h>

#include "store/gc_why.h"
#include "store/key_use.h"
#include "tools/buildkit/cache_roots.h"
#include "tools/in_use.h"
#include "tools/output.h"
#include "tools/show.h"

#define ROOTS_MAX (96u << 20)

/* What gc is told to keep, and who says so. */
struct kept {
	struct command_reader *reader;
	struct buf roots; /* struct digest */
	json_t *users;    /* of each root: an item of the result */
	json_t *list;     /* the result */
};

static int add_root(struct kept *k, const char *by, const char *what,
		    const struct digest *id, struct err *err)
{
	auto_json json_t *user = json_pack("{s:s}", "by", by);
	int rc = user ? buf_append(&k->roots, id, sizeof(*id), err) : err_nomem(err);

	if (!rc)
		rc = output_json_set_text(user, "what", what, err);
	if (!rc && json_array_append(k->users, user) != 0)
		rc = err_nomem(err);
	return rc;
}

static int on_use(void *arg, const struct in_use *use, struct err *err)
{
	return add_root(arg, use->by, use->where, &use->id, err);
}

static int add_caches(struct kept *k, const struct cache_roots *caches, struct err *err)
{
	const char *name = (const char *)caches->names.data;
	int rc = 0;

	for (size_t at = 0; at < caches->chains.len && !rc; at += sizeof(struct digest)) {
		struct digest id;

		memcpy(&id, caches->chains.data + at, sizeof(id));
		rc = add_root(k, "cache", name, &id, err);
		name += strlen(name) + 1;
	}
	return rc;
}

/* ---- reasons ---- */

static bool is_told(const json_t *list, const json_t *item)
{
	json_t *other;
	size_t i;

	json_array_foreach(list, i, other) if (json_equal(other, item)) return true;
	return false;
}

static json_t *make_item(const struct kept *k, const struct gc_reason *r)
{
	static const char *const by[] = {
		[GC_BY_KEY] = "key",
		[GC_BY_OPEN] = "open",
		[GC_BY_CHAIN] = "chain",
		[GC_BY_ARTIFACT] = "artifact",
	};
	char used[OUTPUT_TIME_TEXT];

	switch (r->kind) {
	case GC_BY_NAME:
		return json_pack("{s:s, s:s}", "by", "name", "what", r->name);
	case GC_BY_ROOT:
		return json_incref(json_array_get(k->users, r->root));
	case GC_BY_GRACE:
		return json_pack("{s:s, s:o, s:s}", "by", "grace", "what",
				 output_json_digest(&r->id), "used",
				 output_time(r->used, used));
	default:
		return json_pack("{s:s, s:o}", "by", by[r->kind], "what",
				 output_json_digest(&r->id));
	}
}

static int on_reason(void *arg, const struct gc_reason *reason, struct err *err)
{
	auto_json json_t *item = make_item(arg, reason);
	struct kept *k = arg;

	if (!item)
		return err_nomem(err);
	if (is_told(k->list, item))
		return 1;
	return json_array_append(k->list, item) ? err_nomem(err) : 0;
}

/* A key is a root itself, unless it is one of a build cache that has no name any more. */
static int ask_key(struct kept *k, const struct record_key *key,
		   const struct cache_roots *caches, struct err *err)
{
	int64_t used = key_use_last(k->reader->store, &key->key);
	char text[OUTPUT_TIME_TEXT];

	for (size_t at = 0; at < caches->stale.len; at += sizeof(struct digest))
		if (memcmp(caches->stale.data + at, &key->key, sizeof(key->key)) == 0)
			return 0;
	used = used > key->created ? used : key->created;
	return json_array_append_new(k->list,
				     json_pack("{s:s, s:o, s:s}", "by", "key", "what",
					       output_json_digest(&key->key), "used",
					       output_time(used, text)))
		       ? err_nomem(err)
		       : 0;
}

static int ask(struct kept *k, const struct subject *x, int64_t grace,
	       const struct cache_roots *caches, struct err *err)
{
	const struct gc_options o = {
		.grace = grace,
		.roots = (const struct digest *)(const void *)k->roots.data,
		.root_count = k->roots.len / sizeof(struct digest),
	};
	enum gc_why_kind kind = GC_WHY_IMAGE;
	const struct digest *id = &x->image.manifest;

	if (x->kind == SUBJECT_KEY)
		return ask_key(k, &x->key, caches, err);
	if (x->kind == SUBJECT_CHAIN) {
		kind = GC_WHY_CHAIN;
		id = &x->chain.chainid;
	} else if (x->kind == SUBJECT_LAYER) {
		kind = GC_WHY_LAYER;
		id = &x->layer.diffid;
	}
	return gc_why(k->reader->store, k->reader->txn, &o, kind, id, on_reason, k, err);
}

int show_kept(struct command_reader *r, const struct subject *x, int64_t grace,
	      json_t *document, struct err *err)
{
	auto_json json_t *users = json_array(), *list = json_array();
	auto_cache_roots struct cache_roots caches = {0};
	struct kept k = {.reader = r, .users = users, .list = list};
	int rc = users && list ? 0 : err_nomem(err);

	buf_init(&k.roots, ROOTS_MAX);
	if (!rc)
		rc = in_use_each(store_path(r->store), on_use, &k, err);
	if (!rc)
		rc = cache_roots_list(r->store, grace, &caches, err);
	if (!rc)
		rc = add_caches(&k, &caches, err);
	if (!rc)
		rc = ask(&k, x, grace, &caches, err);
	buf_release(&k.roots);
	return rc ? rc : output_json_set(document, "kept", json_incref(list), err);
}

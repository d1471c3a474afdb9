/* SPDX-License-Identifier: Apache-2.0
 * `layercache snapshot DIR`: a directory becomes a layer and an image of it.
 */
#include <inttypes.h>
#include <string.h>

#include "store/snapshot.h"
#include "tools/commands.h"
#include "tools/image_record.h"
#include "tools/oci/reference.h"
#include "tools/key_published.h"
#include "tools/output.h"
#include "tools/snapshot_parent.h"
#include "tools/step.h"

struct take_options {
	const char *name;
	struct option_number epoch;
	struct option_list excludes;
	const char *created_by;
	const char *parent, *platform;
	const char *key, *scope;
	bool upper, replace;
};

static const struct option_spec options[] = {
	OPTION_TEXT_OF(COMPLETE_NAME, 'n', "name", "NAME", struct take_options, name,
		       "give the image a name"),
	OPTION_NUMBER(0, "epoch", "SECONDS", 0, 253402300799, struct take_options, epoch,
		      "no time is later than this (seconds since 1970)"),
	OPTION_LIST(0, "exclude", "PATTERN", struct take_options, excludes,
		    "leave out what matches, with all below it"),
	OPTION_TEXT_OF(COMPLETE_NAME, 'p', "parent", "X", struct take_options, parent,
		       "only what differs from X is in the layer, which lies on X"),
	OPTION_TEXT(0, "platform", "OS/ARCH", struct take_options, platform,
		    "which platform of X"),
	OPTION_FLAG('u', "upper", struct take_options, upper,
		    "DIR is the upper directory of an overlay over X"),
	OPTION_TEXT(0, "created-by", "TEXT", struct take_options, created_by,
		    "what the image's history says"),
	OPTION_TEXT('k', "key", "KEY", struct take_options, key,
		    "record the result under KEY, for 'lookup' and cache/"),
	OPTION_TEXT(0, "scope", "TEXT", struct take_options, scope,
		    "a KEY of your own is another one in every scope"),
	OPTION_FLAG(0, "replace", struct take_options, replace,
		    "also when KEY has another result so far"),
	OPTION_END,
};

/* The key that the result is recorded under; zero: none. */
struct take_key {
	struct digest digest;
	struct buf document;
};

static void take_key_release(struct take_key *k)
{
	buf_release(&k->document);
}
#define auto_take_key __attribute__((cleanup(take_key_release)))

static int print(const struct command_call *call, const struct digest *diffid,
		 const struct record_image *image, const struct digest *key,
		 struct err *err)
{
	char layer[DIGEST_TEXT_SIZE], chain[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE];
	const struct digest *shown = digest_is_zero(key) ? NULL : key;

	if (call->json)
		return output_json(json_pack("{s:o, s:o, s:o, s:o, s:o}", "layer",
					     output_json_digest(diffid), "chain",
					     output_json_digest(&image->chainid), "image",
					     output_json_digest(&image->config),
					     "manifest",
					     output_json_digest(&image->manifest), "key",
					     output_json_digest(shown)),
				   err);
	output_digest(diffid, layer);
	output_digest(&image->chainid, chain);
	output_line("%s %s %s", layer, chain, output_digest(shown, text));
	return 0;
}

static int find_key(const struct take_options *o, struct take_key *ret, struct err *err)
{
	if (!o->key)
		return o->scope || o->replace
			       ? err_set(err, ERR_USAGE,
					 "--scope and --replace need --key")
			       : 0;
	return step_own_key(o->key, o->scope, &ret->digest, &ret->document, err);
}

static int add_key(struct session *s, const struct take_options *o,
		   const struct take_key *key, const struct record_image *image,
		   struct err *err)
{
	struct record_item item = {.type = RECORD_KEY};
	struct digest document;
	int rc = 0;

	if (!o->key)
		return 0;
	item.key.key = key->digest;
	item.key.chainid = image->chainid;
	item.key.manifest = image->manifest;
	snprintf(item.key.scope, sizeof(item.key.scope), "%s", o->scope ? o->scope : "");
	if (o->replace)
		session_replace_keys(s);
	else
		rc = key_published_check(session_store(s), &key->digest, &image->chainid,
					 err);
	if (!rc && key->document.len)
		rc = session_put_document(s, key->document.data, key->document.len,
					  &document, err);
	return rc ? rc : session_add(s, &item, err);
}

/* All that a whole snapshot depends on beside the directory. */
static int options_digest(const struct snapshot_options *how, struct digest *ret,
			  struct err *err)
{
	auto_hasher struct hasher *h = NULL;
	int rc = hasher_new(&h, err);

	if (rc)
		return rc;
	hasher_update(h, &how->epoch, sizeof(how->epoch));
	for (const char *const *x = how->excludes; *x; x++)
		hasher_update(h, *x, strlen(*x) + 1);
	hasher_final(h, ret);
	return 0;
}

/* The layer of the last snapshot with just these options, if it is still there. */
static bool last_layer(struct store *store, const struct stat_cache *cache,
		       const struct digest *what, struct record_layer *ret)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct digest diffid;

	return stat_cache_last(cache, what, &diffid) &&
	       catalog_begin(store_catalog(store), false, &t, NULL) == 0 &&
	       catalog_layer_get(t, &diffid, ret, NULL) == 0 &&
	       !(ret->flags & LAYER_DAMAGED);
}

/* *ret_same: the directory is what it was at its last snapshot; then that layer is RET. */
static int take_last(struct store *store, const char *dir, struct snapshot_options how,
		     const struct digest *what, struct record_layer *ret,
		     struct snapshot_stats *stats, bool *ret_same, struct err *err)
{
	auto_forest struct forest *forest = NULL;
	struct forest_tree *tree = NULL;
	int rc;

	*ret_same = false;
	if (!last_layer(store, how.cache, what, ret) ||
	    forest_new(store, 0, &forest, NULL) < 0 ||
	    forest_get_layer(forest, &ret->diffid, &tree, NULL) < 0)
		return 0;
	how.parent = &tree->tree;
	rc = snapshot_compare(dir, &how, ret_same, stats, err);
	forest_put(forest, tree);
	return rc;
}

static int take_whole(struct session *s, const char *dir, struct snapshot_options *how,
		      struct record_layer *ret, struct snapshot_stats *stats,
		      struct err *err)
{
	struct digest what;
	struct layer layer;
	bool same = false;
	int rc = options_digest(how, &what, err);

	if (!rc && how->cache)
		rc = take_last(session_store(s), dir, *how, &what, ret, stats, &same,
			       err);
	if (rc || same)
		return rc;
	rc = snapshot_take(s, dir, how, &layer, stats, err);
	if (rc)
		return rc;
	*ret = layer.record;
	layer_release(&layer);
	if (how->cache)
		stat_cache_set_last(how->cache, &what, &ret->diffid);
	return 0;
}

static int take(struct session *s, const char *dir, const struct take_options *o,
		const struct snapshot_parent *parent, struct stat_cache *cache,
		struct image_bare *ret, struct snapshot_stats *stats, struct err *err)
{
	auto_free const char **excludes =
		calloc(o->excludes.count + 1, sizeof(const char *));
	struct snapshot_options how = {
		.epoch = o->epoch.given ? o->epoch.value : INT64_MAX,
		.parent = parent->tree ? &parent->tree->tree : NULL,
		.upper = o->upper,
		.objects = parent->objects,
		.cache = cache,
	};
	struct record_layer record;
	struct layer layer;
	int rc;

	if (!excludes)
		return err_nomem(err);
	for (size_t i = 0; i < o->excludes.count; i++)
		excludes[i] = o->excludes.items[i];
	how.excludes = excludes;
	if (how.parent) {
		rc = snapshot_take(s, dir, &how, &layer, stats, err);
		if (rc)
			return rc;
		record = layer.record;
		layer_release(&layer);
	} else {
		rc = take_whole(s, dir, &how, &record, stats, err);
		if (rc)
			return rc;
	}
	ret->diffid = record.diffid;
	ret->tar_size = record.tar_size;
	return 0;
}

/* Everything into one session, which is committed. */
static int snapshot(struct store *store, const char *dir, const struct take_options *o,
		    const struct take_key *key, struct image_bare *bare,
		    struct record_image *ret, struct snapshot_stats *stats,
		    bool *ret_moved, struct err *err)
{
	auto_snapshot_parent struct snapshot_parent parent = {0};
	auto_stat_cache struct stat_cache *cache = NULL;
	auto_session struct session *session = NULL;
	int rc = session_begin(store, NULL, &session, err);

	if (!rc && o->parent)
		rc = snapshot_parent_open(store, o->parent, o->platform, &parent, err);
	/* A snapshot can do without what was read before. */
	if (!rc && !o->upper && stat_cache_open(store, dir, &cache, NULL) < 0)
		cache = NULL;
	if (!rc)
		rc = take(session, dir, o, &parent, cache, bare, stats, err);
	if (rc)
		return rc;
	bare->below = parent.diffids;
	bare->below_count = parent.count;
	bare->parent = parent.is_image ? &parent.image : NULL;
	bare->objects = parent.objects;
	rc = image_record_bare(session, bare, ret, ret_moved, err);
	if (!rc)
		rc = add_key(session, o, key, ret, err);
	if (!rc)
		rc = session_commit(steal_ptr(&session), err);
	if (!rc && cache && stat_cache_save(cache, NULL) < 0)
		return 0;
	return rc;
}

static int run(struct command_call *call, struct err *err)
{
	const struct take_options *o = call->values;
	struct image_bare bare = {
		.created = o->epoch.value,
		.created_by = o->created_by ? o->created_by : "snapshot",
	};
	auto_store struct store *store = NULL;
	struct snapshot_stats stats = {0};
	struct record_image image;
	auto_take_key struct take_key key = {0};
	auto_buf struct buf name;
	bool moved = false;
	int rc;

	buf_init(&name, RECORD_REF_NAME_MAX + 1);
	if (o->upper && !o->parent)
		return err_set(err, ERR_USAGE, "--upper needs --parent");
	rc = find_key(o, &key, err);
	if (!rc && o->name) {
		rc = reference_normalize(o->name, &name, err);
		bare.name = (const char *)name.data;
	}
	if (!rc)
		rc = command_open_store(call, STORE_CREATE | STORE_WRITE, &store, err);
	if (rc)
		return rc;
	rc = snapshot(store, call->args[0], o, &key, &bare, &image, &stats, &moved, err);
	if (rc)
		return err_wrap(err, "snapshot '%s'", call->args[0]);
	if (stats.sockets_skipped)
		output_notice(call->quiet, "left out %" PRIu64 " sockets",
			      stats.sockets_skipped);
	if (moved)
		output_notice(call->quiet, "'%s' now names another image", bare.name);
	return print(call, &bare.diffid, &image, &key.digest, err);
}

const struct command cmd_snapshot = {
	.name = "snapshot",
	.summary = "make a layer of a directory",
	.arguments = "DIR",
	.details =
		"Prints 'DIFF-ID CHAIN-ID KEY', '-' for no key. The same tree gives the\n"
		"same layer on every machine; --epoch makes it independent of when files\n"
		"were written. Patterns match paths below DIR, '*' also matches '/'.\n"
		"With --parent only what was added, changed or removed is in the layer, and\n"
		"the image has X's layers and configuration below it. With --upper the cost\n"
		"is that of the changes, not of the tree.\n"
		"KEY is a digest as 'key' prints it, or any text of your own. A KEY that has\n"
		"another result is refused without --replace.\n"
		"Other filesystems mounted below DIR are not entered; sockets are left out.",
	.options = options,
	.values_size = sizeof(struct take_options),
	.min_args = 1,
	.max_args = 1,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_DIRECTORY,
	.run = run,
};

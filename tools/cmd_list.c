/* SPDX-License-Identifier: Apache-2.0
 * `layercache list`: what is in the store.
 */
#include <inttypes.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/output.h"
#include "tools/registry_options.h"
#include "tools/remote_list.h"

struct list {
	struct catalog_txn *txn;
	json_t *json; /* array; NULL: print lines */
};

/* Takes the reference to ITEM. */
static int add_json(struct list *l, json_t *item, struct err *err)
{
	if (!item || json_array_append_new(l->json, item) != 0)
		return err_nomem(err);
	return 0;
}

static int get_image(struct list *l, const struct record_ref *ref, uint32_t i,
		     struct record_image *ret, struct err *err)
{
	int rc = catalog_image_get(l->txn, &ref->targets[i].manifest, ret, err);

	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "name '%s' leads to no image",
			       ref->name);
	return rc;
}

static json_t *json_image(const struct record_image *image, const char *platform)
{
	return json_pack("{s:s, s:o, s:o, s:o}", "platform", platform, "image",
			 output_json_digest(&image->config), "manifest",
			 output_json_digest(&image->manifest), "chain",
			 output_json_digest(&image->chainid));
}

static int list_ref_json(struct list *l, const struct record_ref *ref, struct err *err)
{
	auto_json json_t *item = NULL, *platforms = json_array();
	char created[OUTPUT_TIME_TEXT];

	for (uint32_t i = 0; i < ref->count; i++) {
		const char *platform = ref->targets[i].platform;
		struct record_image image;
		int rc = get_image(l, ref, i, &image, err);

		if (rc)
			return rc;
		if (i == 0) {
			item = json_image(&image, platform);
			json_object_set_new(
				item, "created",
				json_string(output_time(ref->created, created)));
		}
		if (json_array_append_new(platforms, json_image(&image, platform)) != 0)
			return err_nomem(err);
	}
	if (!item || json_object_set(item, "platforms", platforms) != 0)
		return err_nomem(err);
	if (output_json_set_text(item, "name", ref->name, err))
		return err_nomem(err);
	return add_json(l, steal_ptr(&item), err);
}

static int list_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	char id[DIGEST_TEXT_SIZE], chain[DIGEST_TEXT_SIZE];
	struct record_image image;
	struct list *l = arg;
	int rc;

	if (ref->count == 0)
		return 0; /* an artifact */
	if (l->json)
		return list_ref_json(l, ref, err);
	rc = get_image(l, ref, 0, &image, err);
	if (!rc)
		output_line("%s %s %s", ref->name, output_digest(&image.config, id),
			    output_digest(&image.chainid, chain));
	return rc;
}

static int list_images(struct list *l, struct err *err)
{
	return catalog_ref_each(l->txn, NULL, list_ref, l, err);
}

static int list_layer(void *arg, const struct record_layer *layer, struct err *err)
{
	char id[DIGEST_TEXT_SIZE], created[OUTPUT_TIME_TEXT];
	struct list *l = arg;

	if (l->json)
		return add_json(
			l,
			json_pack("{s:o, s:o, s:o, s:o, s:o, s:s}", "layer",
				  output_json_digest(&layer->diffid), "tar_size",
				  output_json_u64(layer->tar_size), "content_size",
				  output_json_u64(layer->content_size), "new_size",
				  output_json_u64(layer->new_size), "entries",
				  output_json_u64(layer->entries), "created",
				  output_time(layer->created, created)),
			err);
	output_line("%s %" PRIu64 " %" PRIu64 " %" PRIu64,
		    output_digest(&layer->diffid, id), layer->tar_size,
		    layer->content_size, layer->entries);
	return 0;
}

static int list_layers(struct list *l, struct err *err)
{
	return catalog_layer_each(l->txn, NULL, list_layer, l, err);
}

static int list_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	char id[DIGEST_TEXT_SIZE], parent[DIGEST_TEXT_SIZE], top[DIGEST_TEXT_SIZE];
	struct list *l = arg;

	if (l->json)
		return add_json(l,
				json_pack("{s:o, s:o, s:o}", "chain",
					  output_json_digest(&chain->chainid), "parent",
					  output_json_digest(&chain->parent), "layer",
					  output_json_digest(&chain->diffid)),
				err);
	output_line("%s %s %s", output_digest(&chain->chainid, id),
		    output_digest(&chain->parent, parent),
		    output_digest(&chain->diffid, top));
	return 0;
}

static int list_chains(struct list *l, struct err *err)
{
	return catalog_chain_each(l->txn, NULL, list_chain, l, err);
}

static int list_key(void *arg, const struct record_key *key, struct err *err)
{
	char id[DIGEST_TEXT_SIZE], chain[DIGEST_TEXT_SIZE], created[OUTPUT_TIME_TEXT];
	struct list *l = arg;
	json_t *item;

	if (!l->json) {
		output_line("%s %s", output_digest(&key->key, id),
			    output_digest(&key->chainid, chain));
		return 0;
	}
	item = json_pack("{s:o, s:o, s:o, s:o, s:s}", "key",
			 output_json_digest(&key->key), "chain",
			 output_json_digest(&key->chainid), "manifest",
			 output_json_digest(&key->manifest), "parent",
			 output_json_digest(&key->parent), "created",
			 output_time(key->created, created));
	if (!item || output_json_set_text(item, "scope", key->scope, err)) {
		json_decref(item);
		return err_nomem(err);
	}
	return add_json(l, item, err);
}

static int list_cache(struct list *l, struct err *err)
{
	return catalog_key_each(l->txn, NULL, list_key, l, err);
}

static const struct {
	const char *what;
	int (*list)(struct list *l, struct err *err);
} lists[] = {
	{"images", list_images},
	{"layers", list_layers},
	{"chains", list_chains},
	{"cache", list_cache},
};

struct list_options {
	const char *remote;
	struct registry_options registry;
};

static const struct option_spec options[] = {
	OPTION_TEXT(0, "remote", "REF", struct list_options, remote,
		    "the tags of a repository in a registry"),
	REGISTRY_OPTIONS(struct list_options, registry),
	OPTION_END,
};

static int list_remote(const struct command_call *call, struct err *err)
{
	const struct list_options *v = call->values;
	struct remote_options remote;

	if (call->count)
		return err_set(err, ERR_USAGE, "--remote lists nothing but tags");
	registry_options_take(&v->registry, &remote);
	return remote_list(call, v->remote, &remote, err);
}

static int run(struct command_call *call, struct err *err)
{
	const struct list_options *v = call->values;
	auto_command_reader struct command_reader r = {0};
	const char *what = call->count ? call->args[0] : "images";
	auto_json json_t *json = NULL;
	struct list l = {0};
	size_t i = 0;
	int rc;

	if (v->remote)
		return list_remote(call, err);
	while (i < ARRAY_LEN(lists) && strcmp(lists[i].what, what) != 0)
		i++;
	if (i == ARRAY_LEN(lists))
		return err_set(err, ERR_USAGE,
			       "cannot list '%s', only images, layers, chains, cache",
			       what);
	rc = command_reader_open(call, &r, err);
	if (rc)
		return rc;
	if (call->json) {
		json = json_array();
		if (!json)
			return err_nomem(err);
	}
	l.txn = r.txn;
	l.json = json;
	rc = lists[i].list(&l, err);
	if (!rc && json)
		rc = output_json(steal_ptr(&json), err);
	return rc;
}

const struct command cmd_list = {
	.name = "list",
	.summary = "list images, layers, chains or cached steps",
	.arguments = "[images|layers|chains|cache]",
	.details =
		"One line per item, without header; images by default:\n"
		"  images  NAME IMAGE-ID CHAIN-ID, sorted by name; of a name for several\n"
		"          platforms the one it stands for (--json has all)\n"
		"  layers  DIFF-ID TAR-SIZE CONTENT-SIZE ENTRIES, sizes in bytes\n"
		"  chains  CHAIN-ID PARENT-CHAIN-ID DIFF-ID\n"
		"  cache   KEY CHAIN-ID\n"
		"'-' stands for none. With --remote: NAME:TAG for each tag that a registry has\n"
		"of the repository REF, sorted.",
	.options = options,
	.values_size = sizeof(struct list_options),
	.max_args = 1,
	.flags = COMMAND_JSON,
	.complete = COMPLETE_WORDS,
	.words = "images layers chains cache",
	.run = run,
};

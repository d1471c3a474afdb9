/* SPDX-License-Identifier: Apache-2.0
 * A chain: its layers and who is built on it.
 */
#include "tools/image_users.h"
#include "tools/output.h"
#include "tools/show.h"
#include "tools/subject.h"
#include "tools/whereabouts.h"

struct search {
	const struct digest *chainid;
	json_t *names;
};

static int see_user(void *arg, const struct image_user *user, struct err *err)
{
	struct search *s = arg;

	if (!image_users_has_chain(user, s->chainid))
		return 0;
	return json_array_append_new(s->names, json_string(user->name)) ? err_nomem(err)
									: 0;
}

static int add_layers(struct command_reader *r, const struct digest *chainid,
		      json_t *layers, uint64_t *ret_size, struct err *err)
{
	auto_free struct record_chain *links = NULL;
	size_t count = 0;
	int rc;

	rc = subject_chain_layers(r->txn, chainid, &links, &count, err);
	for (size_t i = 0; i < count && !rc; i++) {
		struct record_layer layer;

		rc = catalog_layer_get(r->txn, &links[i].diffid, &layer, err);
		if (rc)
			break;
		*ret_size += layer.content_size;
		if (json_array_append_new(
			    layers,
			    json_pack("{s:o, s:o, s:o, s:o}", "layer",
				      output_json_digest(&layer.diffid), "tar_size",
				      output_json_u64(layer.tar_size), "content_size",
				      output_json_u64(layer.content_size), "entries",
				      output_json_u64(layer.entries))) != 0)
			rc = err_nomem(err);
	}
	return rc;
}

int show_chain(struct command_reader *r, const struct record_chain *chain, json_t **ret,
	       struct err *err)
{
	auto_json json_t *out = json_object(), *names = json_array(),
			 *layers = json_array();
	struct search s = {&chain->chainid, names};
	uint64_t size = 0;
	int rc;

	rc = image_users_each(r->txn, see_user, &s, err);
	if (!rc)
		rc = add_layers(r, &chain->chainid, layers, &size, err);
	if (!rc)
		rc = output_json_set(out, "chain", output_json_digest(&chain->chainid),
				     err);
	if (!rc)
		rc = output_json_set(out, "parent", output_json_digest(&chain->parent),
				     err);
	if (!rc)
		rc = output_json_set(out, "content_size", output_json_u64(size), err);
	if (!rc)
		rc = output_json_set(out, "names", json_incref(names), err);
	if (!rc)
		rc = whereabouts_set(out, r->store, "chains", &chain->chainid, err);
	if (!rc)
		rc = output_json_set(out, "layers", json_incref(layers), err);
	if (!rc)
		*ret = steal_ptr(&out);
	return rc;
}

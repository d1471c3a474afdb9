/* SPDX-License-Identifier: Apache-2.0
 * A layer: its sizes, its compressed forms, its chains, and whether it can be stacked.
 */
#include "store/inflate.h"
#include "tools/image_users.h"
#include "tools/output.h"
#include "tools/show.h"
#include "tools/whereabouts.h"

struct search {
	const struct digest *diffid;
	json_t *names, *chains, *blobs;
};

static int see_user(void *arg, const struct image_user *user, struct err *err)
{
	struct search *s = arg;

	if (!image_users_has_layer(user, s->diffid))
		return 0;
	return json_array_append_new(s->names, json_string(user->name)) ? err_nomem(err)
									: 0;
}

static int see_chain(void *arg, const struct record_chain *chain, struct err *err)
{
	struct search *s = arg;

	if (!digest_equal(&chain->diffid, s->diffid))
		return 0;
	return json_array_append_new(s->chains, output_json_digest(&chain->chainid))
		       ? err_nomem(err)
		       : 0;
}

static const char *compression_name(uint32_t kind)
{
	switch (kind) {
	case INFLATE_NONE:
		return "none";
	case INFLATE_GZIP:
		return "gzip";
	case INFLATE_ZSTD:
		return "zstd";
	default:
		return "other";
	}
}

static int see_blob(void *arg, const struct record_blob *blob, struct err *err)
{
	struct search *s = arg;

	if (!digest_equal(&blob->diffid, s->diffid))
		return 0;
	return json_array_append_new(s->blobs,
				     json_pack("{s:o, s:o, s:s}", "blob",
					       output_json_digest(&blob->blob), "size",
					       output_json_u64(blob->size), "compression",
					       compression_name(blob->compression)))
		       ? err_nomem(err)
		       : 0;
}

/* Why layers/ stacked by an overlay may differ from the chain. */
static int set_stacking(json_t *out, uint32_t flags, struct err *err)
{
	static const struct {
		uint32_t flag;
		const char *text;
	} reasons[] = {
		{LAYER_UNRESOLVED_LINKS, "has hardlinks to files of lower layers"},
		{LAYER_IMPLIED_DIRS, "has parents without an entry of their own"},
	};
	json_t *list = json_array();
	int rc;

	rc = output_json_set(
		out, "stacks_exactly",
		json_boolean(!(flags & (LAYER_UNRESOLVED_LINKS | LAYER_IMPLIED_DIRS))),
		err);
	if (!rc)
		rc = output_json_set(out, "stacking_notes", list, err);
	for (size_t i = 0; i < ARRAY_LEN(reasons) && !rc; i++)
		if ((flags & reasons[i].flag) &&
		    json_array_append_new(list, json_string(reasons[i].text)) != 0)
			rc = err_nomem(err);
	if (!rc)
		rc = output_json_set(out, "overlay_lookalikes",
				     json_boolean(flags & LAYER_OVERLAY_LOOKALIKE), err);
	return rc;
}

static int set_facts(json_t *out, const struct record_layer *layer, struct err *err)
{
	char created[OUTPUT_TIME_TEXT];
	int rc;

	rc = output_json_set(out, "layer", output_json_digest(&layer->diffid), err);
	if (!rc)
		rc = output_json_set(out, "tar_size", output_json_u64(layer->tar_size),
				     err);
	if (!rc)
		rc = output_json_set(out, "content_size",
				     output_json_u64(layer->content_size), err);
	if (!rc)
		rc = output_json_set(out, "new_size", output_json_u64(layer->new_size),
				     err);
	if (!rc)
		rc = output_json_set(out, "entries", output_json_u64(layer->entries),
				     err);
	if (!rc)
		rc = output_json_set(out, "added",
				     json_string(output_time(layer->created, created)),
				     err);
	return rc ? rc : set_stacking(out, layer->flags, err);
}

static int collect(struct command_reader *r, struct search *s, struct err *err)
{
	int rc;

	rc = catalog_blob_each(r->txn, NULL, see_blob, s, err);
	if (!rc)
		rc = catalog_chain_each(r->txn, NULL, see_chain, s, err);
	return rc ? rc : image_users_each(r->txn, see_user, s, err);
}

/* Sets an empty list, which OUT owns. */
static int set_list(json_t *out, const char *key, json_t **ret, struct err *err)
{
	*ret = json_array();
	return output_json_set(out, key, *ret, err);
}

int show_layer(struct command_reader *r, const struct record_layer *layer, json_t **ret,
	       struct err *err)
{
	auto_json json_t *out = json_object();
	struct search s = {.diffid = &layer->diffid};
	int rc;

	rc = set_facts(out, layer, err);
	if (!rc)
		rc = set_list(out, "blobs", &s.blobs, err);
	if (!rc)
		rc = set_list(out, "chains", &s.chains, err);
	if (!rc)
		rc = set_list(out, "names", &s.names, err);
	if (!rc)
		rc = collect(r, &s, err);
	if (!rc)
		rc = whereabouts_set(out, r->store, "layers", &layer->diffid, err);
	if (!rc)
		*ret = steal_ptr(&out);
	return rc;
}

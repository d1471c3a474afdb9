/* SPDX-License-Identifier: Apache-2.0
 * An image: what it is called, what it is made of, what it shares.
 */
#include <string.h>

#include "tools/image_config.h"
#include "tools/image_users.h"
#include "tools/output.h"
#include "tools/referrers.h"
#include "tools/show.h"
#include "tools/subject.h"
#include "tools/whereabouts.h"

#define CACHE_BYTES (4u << 20)

struct show_image {
	struct command_reader *r;
	const struct record_image *image;
	struct objects *objects;
	struct image_config config;
	struct record_chain *links;
	size_t count;
	bool *shared; /* per link: another image has the layer too */
	json_t *out, *names, *steps;
	uint64_t tar_size, content_size, own_size;
};

/* A name of this image, or of another one that may share layers with it. */
static int see_user(void *arg, const struct image_user *user, struct err *err)
{
	struct show_image *s = arg;

	if (!digest_equal(&user->image.config, &s->image->config)) {
		for (size_t i = 0; i < s->count; i++)
			s->shared[i] = s->shared[i] ||
				       image_users_has_layer(user, &s->links[i].diffid);
		return 0;
	}
	return json_array_append_new(s->names, json_string(user->name)) ? err_nomem(err)
									: 0;
}

/* Adds a line to the steps; LINK NULL: the step made no layer. */
static int add_step(struct show_image *s, size_t i, const struct record_layer *layer,
		    const char *created_by, struct err *err)
{
	auto_json json_t *step = json_object();
	uint64_t size;
	bool known = layer && image_config_layer_size(&s->config, i, s->count, &size);
	int rc;

	rc = output_json_set(step, "layer",
			     output_json_digest(layer ? &layer->diffid : NULL), err);
	if (!rc)
		rc = output_json_set(step, "compressed_size",
				     known ? output_json_u64(size) : json_null(), err);
	if (!rc)
		rc = output_json_set(
			step, "tar_size",
			layer ? output_json_u64(layer->tar_size) : json_null(), err);
	if (!rc)
		rc = output_json_set(
			step, "content_size",
			layer ? output_json_u64(layer->content_size) : json_null(), err);
	if (!rc)
		rc = output_json_set(
			step, "entries",
			layer ? output_json_u64(layer->entries) : json_null(), err);
	if (!rc)
		rc = output_json_set(step, "use",
				     layer ? json_string(s->shared[i] ? "shared" : "own")
					   : json_null(),
				     err);
	if (!rc)
		rc = output_json_set(step, "created_by", json_string(created_by), err);
	if (!rc && json_array_append(s->steps, step) != 0)
		return err_nomem(err);
	return rc;
}

static int add_layer(struct show_image *s, size_t i, const char *created_by,
		     struct err *err)
{
	struct record_layer layer;
	char id[DIGEST_TEXT_SIZE];
	int rc;

	rc = catalog_layer_get(s->r->txn, &s->links[i].diffid, &layer, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "layer '%s' is missing",
			       digest_format(&s->links[i].diffid, id));
	if (rc)
		return rc;
	s->tar_size += layer.tar_size;
	s->content_size += layer.content_size;
	if (!s->shared[i])
		s->own_size += layer.content_size;
	return add_step(s, i, &layer, created_by, err);
}

/* The history beside the layers, as far as both tell the same. */
static int add_steps(struct show_image *s, struct err *err)
{
	size_t steps = image_config_steps(&s->config), next = 0;
	int rc = 0;

	for (size_t i = 0; i < steps && !rc; i++) {
		struct image_config_step step;

		image_config_step(&s->config, i, &step);
		if (step.empty)
			rc = add_step(s, 0, NULL, step.created_by, err);
		else if (next < s->count)
			rc = add_layer(s, next++, step.created_by, err);
	}
	while (next < s->count && !rc)
		rc = add_layer(s, next++, "", err);
	return rc;
}

static int set_text_from(struct show_image *s, const char *key, struct err *err)
{
	const char *text = image_config_text(&s->config, key);

	return output_json_set(s->out, key, text ? json_string(text) : json_null(), err);
}

static int set_facts(struct show_image *s, struct err *err)
{
	const struct record_image *image = s->image;
	int rc;

	rc = output_json_set(s->out, "image", output_json_digest(&image->config), err);
	if (!rc)
		rc = output_json_set(s->out, "names", json_incref(s->names), err);
	if (!rc)
		rc = output_json_set(s->out, "manifest",
				     output_json_digest(&image->manifest), err);
	if (!rc)
		rc = output_json_set(s->out, "platform", json_string(image->platform),
				     err);
	if (!rc)
		rc = set_text_from(s, "created", err);
	if (!rc)
		rc = set_text_from(s, "author", err);
	if (!rc)
		rc = output_json_set(s->out, "chain", output_json_digest(&image->chainid),
				     err);
	return rc;
}

static int set_sizes(struct show_image *s, struct err *err)
{
	int rc;

	rc = output_json_set(s->out, "layer_count", output_json_u64(s->count), err);
	if (!rc)
		rc = output_json_set(s->out, "tar_size", output_json_u64(s->tar_size),
				     err);
	if (!rc)
		rc = output_json_set(s->out, "content_size",
				     output_json_u64(s->content_size), err);
	if (!rc)
		rc = output_json_set(s->out, "own_size", output_json_u64(s->own_size),
				     err);
	if (!rc)
		rc = output_json_set(s->out, "shared_size",
				     output_json_u64(s->content_size - s->own_size), err);
	return rc;
}

/* ---- what is about it ---- */

static int add_about(struct show_image *s, const struct digest *subject, json_t *to,
		     struct err *err)
{
	auto_json json_t *index = NULL;
	json_t *one;
	size_t i;
	int rc = referrers_index(s->r->store, s->objects, subject, NULL, &index, err);

	json_array_foreach(json_object_get(index, "manifests"), i, one)
	{
		json_t *type = json_object_get(one, "artifactType");
		json_t *line = json_pack("{s:O, s:O, s:O}", "manifest",
					 json_object_get(one, "digest"), "type",
					 type ? type : json_null(), "manifest_size",
					 json_object_get(one, "size"));

		if (json_array_append_new(to, line) < 0)
			return err_nomem(err);
	}
	return rc;
}

/* Of the image, and of the indexes that its names came with. */
static int set_referrers(struct show_image *s, struct err *err)
{
	auto_json json_t *list = json_array();
	struct digest last = {0};
	json_t *name;
	size_t i;
	int rc = list ? add_about(s, &s->image->manifest, list, err) : err_nomem(err);

	json_array_foreach(s->names, i, name)
	{
		auto_free void *memory = NULL;
		struct record_ref ref;

		if (!rc &&
		    catalog_ref_get(s->r->txn, json_string_value(name), &ref, &memory,
				    NULL) == 0 &&
		    !digest_is_zero(&ref.index) && !digest_equal(&ref.index, &last)) {
			last = ref.index;
			rc = add_about(s, &last, list, err);
		}
	}
	return rc ? rc : output_json_set(s->out, "referrers", steal_ptr(&list), err);
}

static int build(struct show_image *s, struct err *err)
{
	int rc;

	rc = subject_chain_layers(s->r->txn, &s->image->chainid, &s->links, &s->count,
				  err);
	if (rc)
		return rc;
	s->shared = calloc(s->count + 1, sizeof(*s->shared));
	if (!s->shared || !s->out || !s->names || !s->steps)
		return err_nomem(err);
	rc = image_users_each(s->r->txn, see_user, s, err);
	if (!rc)
		rc = add_steps(s, err);
	if (!rc)
		rc = set_facts(s, err);
	if (!rc)
		rc = set_sizes(s, err);
	if (!rc && s->count)
		rc = whereabouts_set(s->out, s->r->store, "chains", &s->image->chainid,
				     err);
	if (!rc)
		rc = set_referrers(s, err);
	if (!rc)
		rc = output_json_set(s->out, "steps", json_incref(s->steps), err);
	return rc;
}

int show_image(struct command_reader *r, const struct record_image *image, json_t **ret,
	       struct err *err)
{
	auto_image_config struct image_config config = {0};
	auto_json json_t *out = json_object(), *names = json_array(),
			 *steps = json_array();
	struct show_image s = {
		.r = r, .image = image, .out = out, .names = names, .steps = steps};
	struct objects *objects;
	int rc;

	rc = objects_new(r->store, CACHE_BYTES, &objects, err);
	if (rc)
		return rc;
	rc = image_config_read(objects, image, &config, err);
	s.config = config;
	s.objects = objects;
	if (!rc)
		rc = build(&s, err);
	objects_free(objects);
	free(s.links);
	free(s.shared);
	if (!rc)
		*ret = steal_ptr(&out);
	return rc;
}

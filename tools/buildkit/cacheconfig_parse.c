/* SPDX-License-Identifier: Apache-2.0
 * BuildKit's cache document from its bytes. */
#include <inttypes.h>
#include <string.h>

#include "tools/buildkit/cacheconfig.h"
#include "tools/oci/document.h"

/* All that a document of CACHECONFIG_MAX bytes can honestly need. */
static const struct document_budget budget = {CACHECONFIG_MAX, 262144, 524288};

static const char *const keys[] = {"layers", "records",  "chains",    "digest",
				   "inputs", "link",     "blob",      "parent",
				   "layer",  "selector", "createdAt", NULL};

/* ---- values ---- */

static int check_object(json_t *object, const char *what, struct err *err)
{
	if (!json_is_object(object))
		return err_set(err, ERR_INVALID, "a %s is not an object", what);
	return document_check_case(object, keys, err);
}

/* An index below COUNT. */
static int get_index(const json_t *value, const char *what, uint32_t count, uint32_t *ret,
		     struct err *err)
{
	json_int_t v = json_integer_value(value);

	if (!json_is_integer(value))
		return err_set(err, ERR_INVALID, "a %s is not an integer", what);
	if (v < 0 || v >= count)
		return err_set(err, ERR_INVALID,
			       "%s %" JSON_INTEGER_FORMAT " is out of range", what, v);
	*ret = (uint32_t)v;
	return 0;
}

/* ---- layers ---- */

/* Left out is 0, the first layer; none is -1. */
static int get_parent(const json_t *object, uint32_t count, uint32_t *ret,
		      struct err *err)
{
	const json_t *parent = json_object_get(object, "parent");

	*ret = 0;
	if (!parent)
		return 0;
	if (json_is_integer(parent) && json_integer_value(parent) == -1) {
		*ret = CACHECONFIG_NONE;
		return 0;
	}
	return get_index(parent, "parent", count, ret, err);
}

static int parse_layer(struct cacheconfig *c, json_t *object, uint32_t count,
		       struct err *err)
{
	struct digest blob;
	uint32_t parent = 0;
	int rc = check_object(object, "layer", err);

	if (!rc)
		rc = document_digest(object, "blob", &blob, err);
	if (!rc)
		rc = get_parent(object, count, &parent, err);
	return rc ? rc : cacheconfig_add_layer(c, &blob, parent, err);
}

static int too_deep(uint32_t steps, uint32_t count, struct err *err)
{
	if (steps > count)
		return err_set(err, ERR_INVALID, "layers are their own parents");
	return err_set(err, ERR_LIMIT, "a chain of more than %d layers",
		       CACHECONFIG_CHAIN_MAX);
}

/* Every chain must end, and soon enough. DEPTH of a layer is known once one above it was
 * followed, so all of it is one pass. */
static int check_parents(const struct cacheconfig *c, struct err *err)
{
	auto_free uint32_t *depth = calloc((size_t)c->layer_count + 1, sizeof(*depth));

	if (!depth)
		return err_nomem(err);
	for (uint32_t i = 0; i < c->layer_count; i++) {
		uint32_t steps = 0, at = i;

		for (; at != CACHECONFIG_NONE && !depth[at]; at = c->layers[at].parent)
			if (++steps > CACHECONFIG_CHAIN_MAX || steps > c->layer_count)
				return too_deep(steps, c->layer_count, err);
		if (at != CACHECONFIG_NONE)
			steps += depth[at];
		if (steps > CACHECONFIG_CHAIN_MAX)
			return too_deep(steps, UINT32_MAX, err);
		for (at = i; at != CACHECONFIG_NONE && !depth[at];
		     at = c->layers[at].parent)
			depth[at] = steps--;
	}
	return 0;
}

static int parse_layers(struct cacheconfig *c, const json_t *array, struct err *err)
{
	size_t count = json_array_size(array);
	int rc = 0;

	if (count > CACHECONFIG_LAYERS_MAX)
		return err_set(err, ERR_LIMIT, "a build cache of more than %d layers",
			       CACHECONFIG_LAYERS_MAX);
	for (size_t i = 0; i < count && !rc; i++) {
		rc = parse_layer(c, json_array_get(array, i), (uint32_t)count, err);
		if (rc)
			return err_wrap(err, "layer %zu", i);
	}
	return rc ? rc : check_parents(c, err);
}

/* ---- records ---- */

static int parse_link(struct cacheconfig *c, uint32_t input, json_t *object,
		      uint32_t records, struct err *err)
{
	struct digest selector = {0};
	const char *text = NULL;
	uint32_t record = 0;
	int rc = check_object(object, "link", err);

	if (!rc)
		rc = document_text(object, "selector", &text, err);
	if (!rc && text && *text)
		rc = digest_parse(text, strlen(text), &selector, err);
	if (!rc)
		rc = get_index(json_object_get(object, "link"), "link", records, &record,
			       err);
	return rc ? rc : cacheconfig_add_link(c, input, record, &selector, err);
}

static int parse_inputs(struct cacheconfig *c, const json_t *inputs, uint32_t records,
			struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < json_array_size(inputs) && !rc; i++) {
		const json_t *links = json_array_get(inputs, i);

		if (json_array_size(links) == 0)
			return err_set(err, ERR_INVALID, "input %zu names no record", i);
		for (size_t k = 0; k < json_array_size(links) && !rc; k++)
			rc = parse_link(c, (uint32_t)i, json_array_get(links, k), records,
					err);
		if (rc)
			return err_wrap(err, "input %zu", i);
	}
	return rc;
}

static int get_time(const json_t *object, struct cacheconfig_result *ret, struct err *err)
{
	const char *text = NULL;
	int rc = document_text(object, "createdAt", &text, err);

	if (rc)
		return rc;
	return cacheconfig_time(text ? text : "0001-01-01T00:00:00Z", ret, err);
}

static int parse_result(struct cacheconfig *c, json_t *object, struct err *err)
{
	struct cacheconfig_result r = {0};
	int rc = check_object(object, "result", err);

	if (!rc)
		rc = get_index(json_object_get(object, "layer"), "layer", c->layer_count,
			       &r.layer, err);
	if (!rc)
		rc = get_time(object, &r, err);
	return rc ? rc : cacheconfig_add_result(c, &r, NULL, 0, err);
}

static int parse_chain(struct cacheconfig *c, json_t *object, struct err *err)
{
	uint32_t layers[CACHECONFIG_CHAIN_MAX];
	struct cacheconfig_result r = {.layer = CACHECONFIG_NONE};
	json_t *array = NULL;
	size_t count;
	int rc = check_object(object, "chain", err);

	if (!rc)
		rc = document_array(object, "layers", &array, err);
	if (!rc)
		rc = get_time(object, &r, err);
	if (rc)
		return rc;
	count = json_array_size(array);
	if (count == 0 || count > CACHECONFIG_CHAIN_MAX)
		return err_set(err, count ? ERR_LIMIT : ERR_INVALID,
			       "a chain of %zu layers", count);
	for (size_t i = 0; i < count && !rc; i++)
		rc = get_index(json_array_get(array, i), "layer", c->layer_count,
			       &layers[i], err);
	return rc ? rc : cacheconfig_add_result(c, &r, layers, (uint32_t)count, err);
}

static int parse_record(struct cacheconfig *c, json_t *object, uint32_t records,
			struct err *err)
{
	json_t *inputs = NULL, *layers = NULL, *chains = NULL;
	struct digest digest;
	int rc = check_object(object, "record", err);

	if (!rc)
		rc = document_digest(object, "digest", &digest, err);
	if (!rc)
		rc = document_array(object, "inputs", &inputs, err);
	if (!rc)
		rc = document_array(object, "layers", &layers, err);
	if (!rc)
		rc = document_array(object, "chains", &chains, err);
	if (!rc)
		rc = cacheconfig_add_record(c, &digest, err);
	if (!rc)
		rc = parse_inputs(c, inputs, records, err);
	for (size_t i = 0; i < json_array_size(layers) && !rc; i++)
		rc = parse_result(c, json_array_get(layers, i), err);
	for (size_t i = 0; i < json_array_size(chains) && !rc; i++)
		rc = parse_chain(c, json_array_get(chains, i), err);
	return rc;
}

static int parse_records(struct cacheconfig *c, const json_t *array, struct err *err)
{
	size_t count = json_array_size(array);
	auto_free uint32_t *order = NULL;

	if (count > CACHECONFIG_RECORDS_MAX)
		return err_set(err, ERR_LIMIT, "a build cache of more than %d records",
			       CACHECONFIG_RECORDS_MAX);
	for (size_t i = 0; i < count; i++) {
		int rc = parse_record(c, json_array_get(array, i), (uint32_t)count, err);

		if (rc)
			return err_wrap(err, "record %zu", i);
	}
	return cacheconfig_order(c, &order, err);
}

/* ---- documents ---- */

static int parse(struct cacheconfig *c, json_t *json, struct err *err)
{
	json_t *layers = NULL, *records = NULL;
	int rc = check_object(json, "build cache", err);

	if (!rc)
		rc = document_array(json, "layers", &layers, err);
	if (!rc)
		rc = document_array(json, "records", &records, err);
	if (!rc)
		rc = parse_layers(c, layers, err);
	return rc ? rc : parse_records(c, records, err);
}

int cacheconfig_parse(const void *bytes, size_t len, struct cacheconfig *ret,
		      struct err *err)
{
	auto_document json_t *json = NULL;
	struct cacheconfig c = {0};
	int rc = document_parse_within(bytes, len, &budget, &json, err);

	if (!rc)
		rc = parse(&c, json, err);
	if (rc)
		cacheconfig_release(&c);
	else
		*ret = c;
	return rc;
}

int cacheconfig_parse_records(const void *bytes, size_t len, uint32_t layers,
			      struct cacheconfig *ret, struct err *err)
{
	static const struct digest unnamed;
	auto_document json_t *json = NULL;
	struct cacheconfig c = {0};
	int rc = document_parse_within(bytes, len, &budget, &json, err);

	if (!rc && !json_is_array(json))
		rc = err_set(err, ERR_INVALID, "the records are not an array");
	if (!rc && layers > CACHECONFIG_CHAIN_MAX)
		rc = err_set(err, ERR_LIMIT, "an image of more than %d layers",
			     CACHECONFIG_CHAIN_MAX);
	for (uint32_t i = 0; i < layers && !rc; i++)
		rc = cacheconfig_add_layer(&c, &unnamed, i ? i - 1 : CACHECONFIG_NONE,
					   err);
	if (!rc)
		rc = parse_records(&c, json, err);
	if (rc)
		cacheconfig_release(&c);
	else
		*ret = c;
	return rc;
}

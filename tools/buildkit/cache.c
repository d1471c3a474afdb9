/* SPDX-License-Identifier: Apache-2.0
 * A build cache with its layers. */
#include "tools/buildkit/cache.h"

#include <string.h>

#include "store/digest_map.h"
#include "tools/buildkit/cache_inline.h"

#define NOTE_DIFFID  "containerd.io/uncompressed"
#define NOTE_CREATED "buildkit/createdat"

void cache_release(struct cache *c)
{
	buf_release(&c->manifest);
	buf_release(&c->config);
	cacheconfig_release(&c->doc);
	free(c->layers);
	*c = (struct cache){0};
}

/* ---- the layers of a manifest ---- */

static bool ends_in(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && strcmp(text + a - b, end) == 0;
}

const char *cache_media_type(const char *media_type)
{
	if (media_type && ends_in(media_type, "zstd"))
		return DESCRIPTOR_OCI_LAYER "+zstd";
	if (media_type && ends_in(media_type, ".tar"))
		return DESCRIPTOR_OCI_LAYER;
	return DESCRIPTOR_OCI_LAYER "+gzip";
}

/* A descriptor by its digest. */
struct blob {
	struct digest digest;
	struct cache_layer layer;
};

static int read_notes(const json_t *object, struct cache_layer *layer, struct err *err)
{
	struct cacheconfig_result time;
	const char *diffid = NULL, *created = NULL;
	json_t *notes = NULL;
	int rc = document_object(object, "annotations", &notes, err);

	if (rc || !notes)
		return rc;
	rc = document_text(notes, NOTE_DIFFID, &diffid, err);
	if (!rc)
		rc = document_text(notes, NOTE_CREATED, &created, err);
	if (!rc && diffid)
		rc = digest_parse(diffid, strlen(diffid), &layer->diffid, err);
	if (!rc && created && cacheconfig_time(created, &time, NULL) == 0)
		memcpy(layer->created, time.created, sizeof(layer->created));
	return rc;
}

static int add_blob(struct digest_map *blobs, const struct descriptor *d,
		    const json_t *object, struct err *err)
{
	struct cache_layer layer = {.desc = *d,
				    .media_type = cache_media_type(d->media_type)};
	struct blob *blob;
	uint32_t at;
	int rc = read_notes(object, &layer, err);

	/* The same layer may be listed for every chain that has it. */
	if (rc || digest_map_find(blobs, &d->digest) >= 0)
		return rc;
	rc = digest_map_add(blobs, &d->digest, &at, err);
	if (rc)
		return rc;
	blob = digest_map_entry(blobs, at);
	layer.desc.media_type = layer.desc.tag = layer.desc.image_name = NULL;
	blob->layer = layer;
	return 0;
}

static int list_blobs(const struct manifest *m, struct digest_map *blobs, struct err *err)
{
	const json_t *array = json_object_get(m->json, "layers");
	int rc = 0;

	if (!array)
		array = json_object_get(m->json, "manifests");
	for (size_t i = 0; i < m->count && !rc; i++) {
		const struct descriptor *d = &m->items[i];

		if (d->kind == DESCRIPTOR_LAYER)
			rc = add_blob(blobs, d, json_array_get(array, i), err);
		else if (d->kind != DESCRIPTOR_CACHE_CONFIG)
			rc = err_set(err, ERR_INVALID, "unknown media type '%.100s'",
				     d->media_type ? d->media_type : "");
		if (rc)
			return err_wrap(err, "layer %zu", i + 1);
	}
	return rc;
}

static int join_layers(struct cache *c, const struct manifest *m, struct err *err)
{
	struct digest_map blobs;
	int rc;

	c->layers = calloc((size_t)c->doc.layer_count + 1, sizeof(*c->layers));
	if (!c->layers)
		return err_nomem(err);
	digest_map_init(&blobs, sizeof(struct blob));
	rc = list_blobs(m, &blobs, err);
	for (uint32_t i = 0; i < c->doc.layer_count && !rc; i++) {
		int64_t at = digest_map_find(&blobs, &c->doc.layers[i].blob);
		const struct blob *blob;

		if (at < 0)
			continue;
		blob = digest_map_entry(&blobs, (uint32_t)at);
		c->layers[i] = blob->layer;
	}
	digest_map_release(&blobs);
	return rc;
}

/* ---- documents ---- */

/* The descriptor of the cache document: the config, or in the older form one of the list. */
static int find_config(const struct manifest *m, struct descriptor *ret, struct err *err)
{
	if (m->kind != MANIFEST_CACHE)
		return err_set(err, ERR_INVALID, "this is no build cache");
	if (m->config.kind == DESCRIPTOR_CACHE_CONFIG) {
		*ret = m->config;
		return 0;
	}
	*ret = (struct descriptor){0};
	for (size_t i = 0; i < m->count; i++) {
		if (m->items[i].kind != DESCRIPTOR_CACHE_CONFIG)
			continue;
		if (ret->kind)
			return err_set(err, ERR_INVALID,
				       "ambiguous document: two cache configs");
		*ret = m->items[i];
	}
	return 0;
}

static int parse_manifest(struct cache *c, const char *media_type, struct manifest *m,
			  struct descriptor *ret_config, struct err *err)
{
	int rc = manifest_parse(c->manifest.data, c->manifest.len, media_type, m, err);

	return rc ? rc : find_config(m, ret_config, err);
}

static int parse_config(struct cache *c, const struct manifest *m, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = cacheconfig_parse(c->config.data, c->config.len, &c->doc, err);

	if (rc)
		return err_wrap(err, "cache config %s",
				digest_format(&c->record.config, text));
	rc = join_layers(c, m, err);
	return rc ? rc : cache_resolve(c, err);
}

static void start(struct cache *c)
{
	*c = (struct cache){0};
	buf_init(&c->manifest, DOCUMENT_MAX + 1);
	buf_init(&c->config, CACHECONFIG_MAX + 1);
}

static int finish(struct cache *c, int rc, struct cache *ret)
{
	if (rc)
		cache_release(c);
	else
		*ret = *c;
	return rc;
}

int cache_from_source(struct source *s, const struct descriptor *desc, struct cache *ret,
		      struct err *err)
{
	auto_manifest struct manifest m = {0};
	struct descriptor config = {0};
	struct cache c;
	int rc;

	start(&c);
	rc = source_read_document(s, desc, &c.manifest, err);
	if (!rc)
		rc = parse_manifest(&c, desc->media_type, &m, &config, err);
	if (!rc)
		rc = source_read_document(s, &config, &c.config, err);
	c.record.manifest = desc->digest;
	c.record.config = config.digest;
	if (!rc)
		rc = parse_config(&c, &m, err);
	return finish(&c, rc, ret);
}

static int read_stored(struct objects *objects, const struct digest *d, struct buf *ret,
		       struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = objects_read_all(objects, d, ret, err);

	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "the document '%s' is missing",
			       digest_format(d, text));
	return rc;
}

static int load_inline(struct cache *c, const struct manifest *m, struct cache *ret,
		       struct err *err)
{
	auto_config struct config config = {0};
	int rc = config_parse(c->config.data, c->config.len, m->count, &config, err);

	return rc ? rc
		  : cache_from_config(c->config.data, c->config.len, m->items,
				      config.diffids, config.count, ret, err);
}

int cache_from_store(struct objects *objects, const struct record_image *image,
		     struct cache *ret, struct err *err)
{
	auto_manifest struct manifest m = {0};
	struct descriptor config;
	struct cache c;
	int rc;

	start(&c);
	c.record = *image;
	rc = read_stored(objects, &image->manifest, &c.manifest, err);
	if (!rc)
		rc = manifest_parse(c.manifest.data, c.manifest.len, NULL, &m, err);
	if (!rc)
		rc = read_stored(objects, &image->config, &c.config, err);
	if (!rc && m.kind == MANIFEST_IMAGE) {
		rc = load_inline(&c, &m, ret, err);
		cache_release(&c);
		return rc;
	}
	if (!rc)
		rc = find_config(&m, &config, err);
	if (!rc)
		rc = parse_config(&c, &m, err);
	return finish(&c, rc, ret);
}

int cache_from_config(const void *config, size_t len, const struct descriptor *layers,
		      const struct digest *diffids, size_t count, struct cache *ret,
		      struct err *err)
{
	auto_buf struct buf records;
	struct cache c = {0};
	int rc;

	buf_init(&records, CACHECONFIG_MAX);
	rc = cache_inline_get(config, len, &records, err);
	if (!rc)
		rc = cacheconfig_parse_records(records.data, records.len, (uint32_t)count,
					       &c.doc, err);
	if (!rc) {
		c.layers = calloc(count + 1, sizeof(*c.layers));
		rc = c.layers ? 0 : err_nomem(err);
	}
	for (size_t i = 0; i < count && !rc; i++) {
		c.doc.layers[i].blob = layers[i].digest;
		c.layers[i].desc = layers[i];
		c.layers[i].media_type = cache_media_type(layers[i].media_type);
		c.layers[i].desc.media_type = NULL;
		c.layers[i].desc.tag = c.layers[i].desc.image_name = NULL;
		c.layers[i].diffid = diffids[i];
	}
	if (!rc)
		rc = cache_resolve(&c, err);
	return finish(&c, rc, ret);
}

int cache_is(struct objects *objects, const struct record_image *image, bool *ret,
	     struct err *err)
{
	auto_manifest struct manifest m = {0};
	auto_buf struct buf bytes;
	int rc;

	*ret = false;
	buf_init(&bytes, DOCUMENT_MAX + 1);
	if (!digest_is_zero(&image->chainid))
		return 0;
	rc = read_stored(objects, &image->manifest, &bytes, err);
	if (!rc)
		rc = manifest_parse(bytes.data, bytes.len, NULL, &m, err);
	if (!rc)
		*ret = m.kind == MANIFEST_CACHE;
	return rc;
}

/* ---- chains ---- */

/* The ChainID of layer I, those below it first. DONE: which are known already. */
static void resolve_layer(struct cache *c, uint32_t i, bool *done)
{
	uint32_t path[CACHECONFIG_CHAIN_MAX], n = 0;

	for (uint32_t at = i; at != CACHECONFIG_NONE && !done[at];
	     at = c->doc.layers[at].parent)
		path[n++] = at;
	while (n > 0) {
		struct cache_layer *layer = &c->layers[path[--n]];
		uint32_t parent = c->doc.layers[path[n]].parent;
		const struct digest *below =
			parent == CACHECONFIG_NONE ? NULL : &c->layers[parent].chainid;

		done[path[n]] = true;
		layer->chainid = (struct digest){0};
		if (!digest_is_zero(&layer->diffid) && (!below || !digest_is_zero(below)))
			digest_chain(below, &layer->diffid, &layer->chainid);
	}
}

int cache_resolve(struct cache *c, struct err *err)
{
	auto_free bool *done = calloc((size_t)c->doc.layer_count + 1, sizeof(*done));

	if (!done)
		return err_nomem(err);
	for (uint32_t i = 0; i < c->doc.layer_count; i++)
		resolve_layer(c, i, done);
	return 0;
}

static bool chain_of(const struct cache *c, const struct cacheconfig_result *r,
		     struct digest *ret)
{
	struct digest chain = {0};

	if (r->layer != CACHECONFIG_NONE) {
		*ret = c->layers[r->layer].chainid;
		return !digest_is_zero(ret);
	}
	for (uint32_t i = 0; i < r->count; i++) {
		const struct digest *diffid =
			&c->layers[c->doc.chains[r->first + i]].diffid;
		struct digest below = chain;

		if (digest_is_zero(diffid))
			return false;
		digest_chain(i ? &below : NULL, diffid, &chain);
	}
	*ret = chain;
	return true;
}

const struct cacheconfig_result *cache_result(const struct cache *c, uint32_t record,
					      struct digest *ret_chainid)
{
	const struct cacheconfig_record *r = &c->doc.records[record];
	const struct cacheconfig_result *best = NULL;

	for (uint32_t i = 0; i < r->result_count; i++) {
		const struct cacheconfig_result *result =
			&c->doc.results[r->result_first + i];
		struct digest chain;

		if ((best && result->created_ns <= best->created_ns) ||
		    !chain_of(c, result, &chain))
			continue;
		best = result;
		*ret_chainid = chain;
	}
	return best;
}

uint32_t cache_count_results(const struct cache *c)
{
	struct digest chain;
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->doc.record_count; i++)
		n += cache_result(c, i, &chain) != NULL;
	return n;
}

uint32_t cache_diffids(const struct cache *c, const struct cacheconfig_result *r,
		       struct digest ret[CACHECONFIG_CHAIN_MAX])
{
	uint32_t layers[CACHECONFIG_CHAIN_MAX];
	uint32_t count = cacheconfig_chain(&c->doc, r, layers);

	for (uint32_t i = 0; i < count; i++)
		ret[i] = c->layers[layers[i]].diffid;
	return count;
}

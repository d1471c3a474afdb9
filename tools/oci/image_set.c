/* SPDX-License-Identifier: Apache-2.0
 * From a root of a source to the images behind it. */
#include "tools/oci/image_set.h"

#include <string.h>

/* Something an index names: another index, or an image to choose from. */
struct node {
	struct descriptor desc;
	unsigned depth;
};

struct nodes {
	struct node *items;
	size_t count;
};

struct resolver {
	struct source *source;
	struct image_set *set;
	struct nodes open;   /* to look at, in order */
	struct nodes images; /* candidates; the platform is in desc.platform */
};

static void image_release(struct image *image)
{
	buf_release(&image->manifest_bytes);
	buf_release(&image->config_bytes);
	manifest_release(&image->manifest);
	config_release(&image->config);
}

void image_set_release(struct image_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		image_release(&set->images[i]);
	for (size_t i = 0; i < set->index_count; i++) {
		buf_release(&set->indexes[i].bytes);
		manifest_release(&set->indexes[i].parsed);
	}
	free(set->images);
	free(set->indexes);
	*set = (struct image_set){0};
}

static int add_node(struct nodes *to, const struct descriptor *desc, unsigned depth,
		    struct err *err)
{
	struct node *items = reallocarray(to->items, to->count + 1, sizeof(*items));

	if (!items)
		return err_nomem(err);
	to->items = items;
	items[to->count++] = (struct node){*desc, depth};
	return 0;
}

static int read_parsed(struct source *s, const struct descriptor *desc, struct buf *bytes,
		       struct manifest *ret, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc;

	buf_init(bytes, DOCUMENT_MAX + 1);
	rc = source_read_document(s, desc, bytes, err);
	if (rc)
		return rc;
	rc = manifest_parse(bytes->data, bytes->len, desc->media_type, ret, err);
	return rc ? err_wrap(err, "document %s", digest_format(&desc->digest, text)) : 0;
}

/* ---- images ---- */

static int read_config(struct source *s, struct image *image, struct err *err)
{
	char text[DIGEST_TEXT_SIZE];
	int rc;

	buf_init(&image->config_bytes, DOCUMENT_MAX + 1);
	rc = source_read_document(s, &image->manifest.config, &image->config_bytes, err);
	if (rc)
		return err_wrap(err, "config");
	rc = config_parse(image->config_bytes.data, image->config_bytes.len,
			  image->manifest.count, &image->config, err);
	return rc ? err_wrap(err, "config %s",
			     digest_format(&image->manifest.config.digest, text))
		  : 0;
}

static int check_layers(const struct manifest *m, struct err *err)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct descriptor *d = &m->items[i];

		if (d->kind != DESCRIPTOR_LAYER && d->kind != DESCRIPTOR_FOREIGN_LAYER)
			return err_set(err, ERR_INVALID,
				       "layer %zu of %zu has the unknown media type "
				       "'%.100s'",
				       i + 1, m->count,
				       d->media_type ? d->media_type : "");
	}
	return 0;
}

static void chain_of(const struct config *c, struct digest *ret)
{
	*ret = (struct digest){0};
	for (size_t i = 0; i < c->count; i++) {
		struct digest parent = *ret;

		digest_chain(i ? &parent : NULL, &c->diffids[i], ret);
	}
}

/* What an index says of the platform counts more than the config: configs often lack the
 * variant. */
static void make_record(const struct descriptor *desc, struct image *image)
{
	const struct platform *p = platform_known(&desc->platform)
					   ? &desc->platform
					   : &image->config.platform;

	image->record.manifest = desc->digest;
	image->record.config = image->manifest.config.digest;
	chain_of(&image->config, &image->record.chainid);
	platform_format(p, image->record.platform);
}

static int load_image(struct resolver *r, const struct descriptor *desc, struct err *err)
{
	struct image_set *set = r->set;
	struct image *image = &set->images[set->count];
	int rc;

	*image = (struct image){0};
	set->count++; /* image_set_release frees what there is of it */
	rc = read_parsed(r->source, desc, &image->manifest_bytes, &image->manifest, err);
	if (!rc && image->manifest.kind != MANIFEST_IMAGE)
		rc = err_set(err, ERR_INVALID, "an index names as an image what is none");
	if (!rc)
		rc = check_layers(&image->manifest, err);
	if (rc)
		return rc;
	manifest_forget_texts(&image->manifest);
	rc = read_config(r->source, image, err);
	if (!rc)
		make_record(desc, image);
	return rc;
}

/* ---- indexes ---- */

static int add_index(struct resolver *r, struct buf *bytes, struct manifest *m,
		     unsigned depth, struct err *err)
{
	struct image_set *set = r->set;
	struct image_set_index *indexes;
	int rc = 0;

	if (depth >= IMAGE_SET_DEPTH_MAX)
		return err_set(err, ERR_LIMIT, "indexes nested deeper than %d",
			       IMAGE_SET_DEPTH_MAX);
	if (set->index_count == IMAGE_SET_INDEX_MAX)
		return err_set(err, ERR_LIMIT, "more than %d nested indexes",
			       IMAGE_SET_INDEX_MAX);
	indexes = reallocarray(set->indexes, set->index_count + 1, sizeof(*indexes));
	if (!indexes)
		return err_nomem(err);
	set->indexes = indexes;
	for (size_t i = 0; i < m->count && !rc; i++)
		if (!m->items[i].attestation)
			rc = add_node(&r->open, &m->items[i], depth + 1, err);
	indexes[set->index_count++] = (struct image_set_index){*bytes, *m};
	buf_init(bytes, bytes->max);
	*m = (struct manifest){0};
	return rc;
}

/* A manifest that had to be read to know what it is. */
static int add_read(struct resolver *r, const struct node *n, struct manifest *m,
		    struct err *err)
{
	struct descriptor desc = n->desc;
	auto_buf struct buf bytes;
	auto_config struct config config = {0};
	int rc;

	buf_init(&bytes, DOCUMENT_MAX + 1);
	if (n->depth == 0 && m->kind == MANIFEST_ARTIFACT)
		r->set->not_image = "an artifact";
	if (n->depth == 0 && m->kind == MANIFEST_CACHE) {
		r->set->not_image = "a BuildKit build cache";
		r->set->is_cache = true;
	}
	if (m->kind != MANIFEST_IMAGE)
		return 0;
	if (!platform_known(&desc.platform)) {
		rc = source_read_document(r->source, &m->config, &bytes, err);
		if (!rc)
			rc = config_parse(bytes.data, bytes.len, m->count, &config, err);
		if (rc)
			return err_wrap(err, "config");
		desc.platform = config.platform;
	}
	return add_node(&r->images, &desc, n->depth, err);
}

static int visit(struct resolver *r, const struct node *n, struct err *err)
{
	struct manifest m = {0};
	struct buf bytes;
	int rc;

	if (n->desc.kind == DESCRIPTOR_MANIFEST && platform_known(&n->desc.platform) &&
	    n->depth > 0)
		return add_node(&r->images, &n->desc, n->depth, err);
	rc = read_parsed(r->source, &n->desc, &bytes, &m, err);
	if (!rc && m.kind == MANIFEST_INDEX)
		rc = add_index(r, &bytes, &m, n->depth, err);
	else if (!rc)
		rc = add_read(r, n, &m, err);
	manifest_release(&m);
	buf_release(&bytes);
	return rc;
}

/* ---- choice ---- */

static int no_match(const struct nodes *images, const struct platform *want,
		    struct err *err)
{
	char text[PLATFORM_TEXT_SIZE];
	auto_buf struct buf have;
	int rc = 0;

	buf_init(&have, 256);
	for (size_t i = 0; i < images->count && !rc; i++)
		rc = buf_printf(&have, NULL, "%s%s", i ? ", " : "",
				platform_format(&images->items[i].desc.platform, text));
	return err_set(err, ERR_NOTFOUND, "no image for %s, only for %.*s",
		       platform_format(want, text), (int)have.len,
		       (const char *)have.data);
}

/* Brings the best match to the front: it is what the name stands for. */
static int put_best_first(struct nodes *images, const struct platform *want, bool must,
			  struct err *err)
{
	unsigned best_match = 0;
	size_t best = 0;

	for (size_t i = 0; i < images->count; i++) {
		unsigned match = platform_match(want, &images->items[i].desc.platform);

		if (match > best_match) {
			best_match = match;
			best = i;
		}
	}
	if (!best_match && must)
		return no_match(images, want, err);
	for (; best > 0; best--) {
		struct node swap = images->items[best];

		images->items[best] = images->items[best - 1];
		images->items[best - 1] = swap;
	}
	return 0;
}

/* Whether an earlier image is for the same platform: the first counts, as everywhere. */
static bool is_repeated(const struct nodes *images, size_t n)
{
	char a[PLATFORM_TEXT_SIZE], b[PLATFORM_TEXT_SIZE];

	platform_format(&images->items[n].desc.platform, a);
	for (size_t i = 0; i < n; i++)
		if (strcmp(a, platform_format(&images->items[i].desc.platform, b)) == 0)
			return true;
	return false;
}

static int load_chosen(struct resolver *r, const struct platform *platform, bool all,
		       struct err *err)
{
	size_t count = all ? r->images.count : 1;
	struct platform want;
	int rc;

	if (platform)
		want = *platform;
	else
		platform_host(&want);
	rc = put_best_first(&r->images, &want, platform || (!all && r->images.count > 1),
			    err);
	if (rc)
		return rc;
	if (count > RECORD_REF_TARGETS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d platforms",
			       RECORD_REF_TARGETS_MAX);
	r->set->images = calloc(count, sizeof(*r->set->images));
	if (!r->set->images)
		return err_nomem(err);
	for (size_t i = 0; i < count && !rc; i++)
		if (!is_repeated(&r->images, i))
			rc = load_image(r, &r->images.items[i].desc, err);
	return rc;
}

static int resolve(struct resolver *r, const struct descriptor *root,
		   const struct platform *platform, bool all, struct err *err)
{
	int rc = add_node(&r->open, root, 0, err);

	for (size_t i = 0; i < r->open.count && !rc; i++) {
		const struct node n = r->open.items[i]; /* visit may move the array */

		rc = visit(r, &n, err);
	}
	if (rc)
		return rc;
	if (r->set->index_count)
		r->set->index = root->digest;
	if (r->images.count)
		return load_chosen(r, platform, all, err);
	if (!r->set->not_image)
		r->set->not_image = "an index without images";
	return 0;
}

int image_set_resolve(struct source *s, const struct descriptor *root,
		      const struct platform *platform, bool all, struct image_set *ret,
		      struct err *err)
{
	struct image_set set = {0};
	struct resolver r = {.source = s, .set = &set};
	int rc = resolve(&r, root, platform, all, err);

	free(r.open.items);
	free(r.images.items);
	if (rc)
		image_set_release(&set);
	else
		*ret = set;
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0
 * The build cache that a user means. */
#include "tools/buildkit/cache_find.h"

#include "tools/oci/image_set.h"
#include "tools/subject.h"

void cache_found_release(struct cache_found *f)
{
	cache_release(&f->cache);
}

int cache_find(struct catalog_txn *t, struct objects *objects, const char *text,
	       const char *platform, struct cache_found *ret, struct err *err)
{
	struct subject s;
	int rc = subject_find(t, text, platform, 0, &s, err);

	if (!rc && s.kind != SUBJECT_IMAGE)
		rc = err_set(err, ERR_INVALID,
			     "'%s' is neither a build cache nor an image", text);
	if (!rc)
		rc = cache_from_store(objects, &s.image, &ret->cache, err);
	if (rc)
		return rc;
	ret->image = s.image;
	snprintf(ret->name, sizeof(ret->name), "%s", s.name);
	return 0;
}

static int from_image(const struct image *image, struct cache_found *ret,
		      struct cache_steps *steps, struct err *err)
{
	int rc = cache_from_config(image->config_bytes.data, image->config_bytes.len,
				   image->manifest.items, image->config.diffids,
				   image->config.count, &ret->cache, err);

	ret->image = image->record;
	return rc ? rc
		  : cache_steps_learn_config(steps, NULL, image->config_bytes.data,
					     image->config_bytes.len,
					     image->config.diffids, image->config.count,
					     err);
}

int cache_find_source(struct source *s, const struct platform *platform,
		      struct cache_found *ret, struct cache_steps *steps, struct err *err)
{
	struct image_set set = {0};
	int rc;

	if (s->root_count != 1)
		return err_set(err, ERR_INVALID,
			       "there are %zu images and caches: choose", s->root_count);
	ret->name[0] = '\0';
	rc = image_set_resolve(s, &s->roots[0].desc, platform, false, &set, err);
	if (!rc && set.is_cache)
		rc = cache_from_source(s, &s->roots[0].desc, &ret->cache, err);
	else if (!rc && set.count)
		rc = from_image(&set.images[0], ret, steps, err);
	else if (!rc)
		rc = err_set(err, ERR_INVALID, "this is %s, not a build cache",
			     set.not_image);
	if (!rc && set.is_cache)
		ret->image = ret->cache.record;
	image_set_release(&set);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0
 * What another build cache knows of the layers of an image. */
#include "tools/buildkit/cache_take.h"

#include "tools/buildkit/cache_find.h"
#include "tools/buildkit/cache_union.h"
#include "tools/buildkit/inline_image.h"
#include "tools/subject.h"

static int unite(const struct cache *a, const struct cache *b, struct cache *ret,
		 struct err *err)
{
	auto_cache_union struct cache_union u;
	int rc;

	cache_union_init(&u);
	rc = cache_union_add(&u, a, NULL, err);
	if (!rc)
		rc = cache_union_add(&u, b, NULL, err);
	return rc ? rc : cache_union_finish(&u, ret, err);
}

/* FROM as it can be inline in an image with these layers. */
static int fit(const struct cache *from, const struct record_chain *links, size_t count,
	       struct cache *ret, struct err *err)
{
	auto_free struct digest *diffids = calloc(count + 1, sizeof(*diffids));
	auto_cache struct cache fitted = {0};
	int rc;

	fitted.layers = calloc(count + 1, sizeof(*fitted.layers));
	if (!diffids || !fitted.layers)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++)
		fitted.layers[i].diffid = diffids[i] = links[i].diffid;
	rc = inline_image_fit(from, diffids, count, &fitted.doc, err);
	if (!rc)
		rc = cache_resolve(&fitted, err);
	if (rc)
		return rc;
	*ret = fitted;
	fitted = (struct cache){0};
	return 0;
}

int cache_take(struct catalog_txn *t, struct objects *objects,
	       const struct record_image *image, bool exactly, const char *from,
	       struct cache *cache, uint32_t *ret, struct err *err)
{
	auto_cache_found struct cache_found found = {0};
	auto_cache struct cache both = {0}, fitted = {0};
	auto_free struct record_chain *links = NULL;
	uint32_t before = cache_count_results(cache), after;
	struct cache swap;
	size_t count;
	int rc = cache_find(t, objects, from, exactly ? image->platform : NULL, &found,
			    err);

	if (rc == -ERR_NOTFOUND) {
		*ret = 0;
		return 0;
	}
	if (rc)
		return err_wrap(err, "take over '%s'", from);
	rc = unite(cache, &found.cache, &both, err);
	if (!rc)
		rc = subject_chain_layers(t, &image->chainid, &links, &count, err);
	if (!rc)
		rc = fit(&both, links, count, &fitted, err);
	if (rc)
		return rc;
	after = cache_count_results(&fitted);
	*ret = after > before ? after - before : 0;
	if (after > before) {
		swap = *cache;
		*cache = fitted;
		fitted = swap;
	}
	return 0;
}

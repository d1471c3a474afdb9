/* SPDX-License-Identifier: Apache-2.0
 * The names of the store's current generation, made when somebody asks.
 */
#include "fs/names_cache.h"

#include <pthread.h>

#include "store/base/buf.h"
#include "store/catalog.h"

#define PATH_SIZE \
	(RECORD_REF_NAME_MAX + 1 + sizeof(((struct record_image *)0)->platform) + 1)

struct names_cache {
	struct catalog *catalog;
	pthread_mutex_t lock;
	struct names *names; /* NULL: none made yet */
	uint64_t generation;
};

int names_cache_new(struct catalog *catalog, struct names_cache **ret, struct err *err)
{
	struct names_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return err_nomem(err);
	c->catalog = catalog;
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

void names_cache_free(struct names_cache *c)
{
	if (!c)
		return;
	names_unref(c->names);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct making {
	struct catalog_txn *txn;
	struct names_maker *maker;
};

/* Images without layers have no chain to point to, and a manifest that is gone has none. */
static int add_target(struct making *m, const char *path, const struct digest *manifest,
		      struct err *err)
{
	struct record_image image;
	int rc = catalog_image_get(m->txn, manifest, &image, err);

	if (rc == -ERR_NOTFOUND)
		return 0;
	if (rc)
		return rc;
	if (digest_is_zero(&image.chainid))
		return 0;
	return names_add(m->maker, path, &image.chainid, err);
}

static int add_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	struct making *m = arg;

	for (uint32_t i = 0; i < ref->count; i++) {
		const struct record_ref_target *t = &ref->targets[i];
		char path[PATH_SIZE];
		int rc = i ? 0 : add_target(m, ref->name, &t->manifest, err);

		if (!rc && ref->count > 1 && t->platform[0]) {
			size_t at = strlen(ref->name) + 1;

			snprintf(path, sizeof(path), "%s@%s", ref->name, t->platform);
			for (char *p = path + at; *p; p++)
				if (*p == '/')
					*p = '-';
			rc = add_target(m, path, &t->manifest, err);
		}
		if (rc)
			return rc;
	}
	return 0;
}

/* Under the lock. The mark and the names come from one transaction, so a name is never
 * missing from the generation that has it. */
static int refresh(struct names_cache *c, struct err *err)
{
	auto_catalog_txn struct catalog_txn *txn = NULL;
	auto_names_maker struct names_maker *maker = NULL;
	struct catalog_mark mark;
	struct names *names;
	int rc = catalog_begin(c->catalog, false, &txn, err);

	if (!rc)
		rc = catalog_mark_get(txn, &mark, err);
	if (rc || (c->names && c->generation == mark.seq))
		return rc;
	rc = names_maker_new(&maker, err);
	if (!rc) {
		struct making m = {.txn = txn, .maker = maker};

		rc = catalog_ref_each(txn, NULL, add_ref, &m, err);
	}
	if (!rc)
		rc = names_finish(maker, &names, err);
	if (rc)
		return rc;
	names_unref(c->names);
	c->names = names;
	c->generation = mark.seq;
	return 0;
}

int names_cache_get(struct names_cache *c, struct names **ret, struct err *err)
{
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = refresh(c, err);
	if (!rc)
		*ret = names_ref(c->names);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

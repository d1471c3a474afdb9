/* SPDX-License-Identifier: Apache-2.0
 * Goes from names down to layers.
 */
#include "tools/image_users.h"

#include "tools/subject.h"

struct each {
	struct catalog_txn *txn;
	image_users_fn *each;
	void *arg;
};

static int give_target(struct each *e, const struct record_ref *ref,
		       const struct digest *manifest, struct err *err)
{
	auto_free struct record_chain *links = NULL;
	struct image_user user = {.name = ref->name};
	int rc;

	rc = catalog_image_get(e->txn, manifest, &user.image, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "name '%s' leads to no image",
			       ref->name);
	if (!rc)
		rc = subject_chain_layers(e->txn, &user.image.chainid, &links,
					  &user.count, err);
	if (rc)
		return rc;
	user.links = links;
	return e->each(e->arg, &user, err);
}

static int give_ref(void *arg, const struct record_ref *ref, struct err *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < ref->count && !rc; i++)
		rc = give_target(arg, ref, &ref->targets[i].manifest, err);
	return rc;
}

int image_users_each(struct catalog_txn *t, image_users_fn *each, void *arg,
		     struct err *err)
{
	struct each e = {t, each, arg};
	int rc = catalog_ref_each(t, NULL, give_ref, &e, err);

	return rc < 0 ? rc : 0;
}

bool image_users_has_layer(const struct image_user *user, const struct digest *diffid)
{
	for (size_t i = 0; i < user->count; i++)
		if (digest_equal(&user->links[i].diffid, diffid))
			return true;
	return false;
}

bool image_users_has_chain(const struct image_user *user, const struct digest *chainid)
{
	for (size_t i = 0; i < user->count; i++)
		if (digest_equal(&user->links[i].chainid, chainid))
			return true;
	return false;
}

/* SPDX-License-Identifier: Apache-2.0
 * What a step begins with: the key, chain and image that X stands for.
 */
#include "tools/step_private.h"
#include "tools/subject.h"

#define OBJECTS_CACHE (4u << 20)

struct search {
	const struct digest *manifest;
	struct record_key first;
	bool found;
};

/* Whether A was there before B; of one result the key by the parent's key. */
static bool is_before(const struct record_key *a, const struct record_key *b)
{
	if (a->created != b->created)
		return a->created < b->created;
	return !digest_is_zero(&a->parent) && digest_is_zero(&b->parent);
}

/* The oldest one, so that later results change nothing. */
static int match_key(void *arg, const struct record_key *key, struct err *err)
{
	struct search *s = arg;

	(void)err;
	if (digest_equal(&key->manifest, s->manifest) &&
	    (!s->found || is_before(key, &s->first))) {
		s->first = *key;
		s->found = true;
	}
	return 0;
}

/* The key that an image was recorded under. */
static int find_key(struct catalog_txn *t, struct step *s, struct err *err)
{
	struct search search = {.manifest = &s->image.manifest};
	int rc = catalog_key_each(t, NULL, match_key, &search, err);

	if (!rc && search.found) {
		s->has_key = true;
		s->parent_key = search.first.key;
	}
	return rc;
}

static int take_subject(struct catalog_txn *t, const struct subject *x, struct step *s,
			struct err *err)
{
	int rc = subject_image(t, x, &s->image, err);

	if (rc && rc != -ERR_NOTFOUND)
		return rc;
	s->has_image = !rc;
	if (x->kind == SUBJECT_KEY) {
		s->has_key = true;
		s->parent_key = x->key.key;
	} else if (s->has_image) {
		rc = find_key(t, s, err);
		if (rc)
			return rc;
	}
	if (s->has_image && digest_is_zero(&s->image.chainid))
		return 0;
	rc = subject_chain(t, x, &s->chainid, err);
	s->has_chain = !rc;
	return rc;
}

/* A key that nothing is recorded under. */
static bool is_coming_key(const char *text, struct digest *ret)
{
	struct subject_text x;

	if (subject_parse(text, &x, NULL) || !x.digest || x.digits != 64 ||
	    (x.kind && x.kind != SUBJECT_KEY))
		return false;
	*ret = x.prefix;
	return true;
}

static int find(struct store *store, struct step *s, struct err *err)
{
	auto_catalog_txn struct catalog_txn *t = NULL;
	struct subject x;
	int rc = catalog_begin(store_catalog(store), false, &t, err);

	if (rc)
		return rc;
	rc = subject_find(t, s->options->parent, s->options->platform, 0, &x, err);
	if (rc == -ERR_NOTFOUND && is_coming_key(s->options->parent, &s->parent_key)) {
		s->has_key = true;
		return 0;
	}
	return rc ? rc : take_subject(t, &x, s, err);
}

int step_parent_find(struct store *store, struct step *s, struct err *err)
{
	auto_objects struct objects *objects = NULL;
	int rc;

	if (!s->options->parent)
		return 0;
	rc = find(store, s, err);
	if (rc || !s->has_image)
		return rc;
	rc = objects_new(store, OBJECTS_CACHE, &objects, err);
	return rc ? rc : image_config_read(objects, &s->image, &s->config, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * What the steps of a build cache were. */
#include "tools/buildkit/cache_steps.h"

#include <string.h>

#include "tools/buildkit/step_digest.h"
#include "tools/image_users.h"
#include "tools/oci/document.h"

struct known {
	struct digest id;
	const char *text;
};

void cache_steps_release(struct cache_steps *s)
{
	digest_map_release(&s->chains);
	digest_map_release(&s->bases);
	json_decref(s->texts);
	*s = (struct cache_steps){0};
}

static void start(struct cache_steps *s)
{
	if (s->texts)
		return;
	digest_map_init(&s->chains, sizeof(struct known));
	digest_map_init(&s->bases, sizeof(struct known));
	s->texts = json_array();
}

/* The first to tell something wins; TEXT is copied. */
static int tell(struct cache_steps *s, struct digest_map *m, const struct digest *id,
		const char *text, struct err *err)
{
	int64_t there = digest_map_find(m, id);
	uint32_t at = (uint32_t)there;
	json_t *copy;
	int rc = 0;

	if (there >= 0 && *((struct known *)digest_map_entry(m, at))->text)
		return 0;
	copy = json_string(text);
	if (!copy)
		return 0; /* not UTF-8: nothing to show */
	if (json_array_append_new(s->texts, copy))
		return err_nomem(err);
	if (there < 0)
		rc = digest_map_add(m, id, &at, err);
	if (!rc)
		((struct known *)digest_map_entry(m, at))->text = json_string_value(copy);
	return rc;
}

/* The next step of the history that made a layer; "" if the history has no more. */
static const char *next_step(const json_t *history, size_t *at)
{
	while (*at < json_array_size(history)) {
		const json_t *step = json_array_get(history, (*at)++);
		const char *by = json_string_value(json_object_get(step, "created_by"));

		if (!json_is_true(json_object_get(step, "empty_layer")))
			return by ? by : "";
	}
	return "";
}

int cache_steps_learn_config(struct cache_steps *s, const char *name, const void *config,
			     size_t len, const struct digest *diffids, size_t count,
			     struct err *err)
{
	auto_document json_t *json = NULL;
	struct digest chain = {0}, base;
	const json_t *history;
	size_t at = 0;
	int rc = 0;

	start(s);
	if (!s->texts)
		return err_nomem(err);
	if (document_parse(config, len, &json, NULL) < 0)
		return 0; /* nothing to learn from */
	history = json_object_get(json, "history");
	for (size_t i = 0; i < count && !rc; i++) {
		const char *by = next_step(history, &at);
		struct digest below = chain;

		digest_chain(i ? &below : NULL, &diffids[i], &chain);
		if (*by)
			rc = tell(s, &s->chains, &chain, by, err);
		step_digest_base(&chain, &base);
		if (!rc && i + 1 < count)
			rc = tell(s, &s->bases, &base, "", err);
		else if (!rc)
			rc = tell(s, &s->bases, &base, name ? name : "", err);
	}
	return rc;
}

struct learning {
	struct cache_steps *steps;
	struct objects *objects;
};

static int learn_user(void *arg, const struct image_user *user, struct err *err)
{
	struct learning *l = arg;
	auto_free struct digest *diffids = calloc(user->count + 1, sizeof(*diffids));
	struct platform platform;
	auto_buf struct buf config;
	struct digest base;
	int rc = 0;

	if (!diffids)
		return err_nomem(err);
	buf_init(&config, DOCUMENT_MAX);
	for (size_t i = 0; i < user->count; i++)
		diffids[i] = user->links[i].diffid;
	if (!user->count ||
	    objects_read_all(l->objects, &user->image.config, &config, NULL) < 0)
		return 0;
	if (platform_parse(user->image.platform, &platform, NULL) == 0) {
		step_digest_manifest(&user->image.manifest, &platform, &base);
		rc = tell(l->steps, &l->steps->bases, &base, user->name, err);
	}
	return rc ? rc
		  : cache_steps_learn_config(l->steps, user->name, config.data,
					     config.len, diffids, user->count, err);
}

int cache_steps_learn(struct cache_steps *s, struct catalog_txn *t,
		      struct objects *objects, struct err *err)
{
	struct learning l = {s, objects};

	start(s);
	return s->texts ? image_users_each(t, learn_user, &l, err) : err_nomem(err);
}

int cache_steps_learn_chain(struct cache_steps *s, const struct digest *chainid,
			    struct err *err)
{
	struct digest base;

	start(s);
	if (!s->texts)
		return err_nomem(err);
	step_digest_base(chainid, &base);
	return tell(s, &s->bases, &base, "", err);
}

static const char *find(const struct digest_map *m, const struct digest *id)
{
	int64_t at = m->count ? digest_map_find(m, id) : -1;

	return at < 0 ? NULL
		      : ((const struct known *)digest_map_entry(m, (uint32_t)at))->text;
}

const char *cache_steps_of(const struct cache_steps *s, const struct digest *chainid)
{
	return find(&s->chains, chainid);
}

const char *cache_steps_base(const struct cache_steps *s, const struct digest *record)
{
	return find(&s->bases, record);
}

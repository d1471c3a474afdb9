/* SPDX-License-Identifier: Apache-2.0
 * What the base images of a Dockerfile say. */
#include "tools/buildkit/explain_base.h"

#include <string.h>

#include "tools/buildkit/step_digest.h"
#include "tools/oci/document.h"
#include "tools/subject.h"

static int read_config(const struct explain_base *b, const struct record_image *image,
		       json_t **ret, struct err *err)
{
	auto_buf struct buf text;
	int rc;

	buf_init(&text, DOCUMENT_MAX);
	rc = objects_read_all(b->objects, &image->config, &text, err);
	if (rc == -ERR_NOTFOUND)
		return err_set(err, ERR_CORRUPT, "an image's config is missing");
	return rc ? rc : document_parse(text.data, text.len, ret, err);
}

/* Whether the words of an ENV set the variable: "NAME=VALUE ..." or "NAME VALUE". */
static bool sets(const char *words, const char *name, size_t len)
{
	for (const char *at = words; *at; at += strspn(at, " \t")) {
		if (strncmp(at, name, len) == 0 &&
		    (at[len] == '=' || at[len] == ' ' || at[len] == '\t'))
			return true;
		at += strcspn(at, " \t");
	}
	return false;
}

static bool is_own(const struct explain_base *b, const char *item)
{
	for (size_t i = 0; i < b->dockerfile->count; i++) {
		const struct dockerfile_instruction *in = &b->dockerfile->items[i];

		if (strcmp(in->word, "ENV") == 0 &&
		    sets(in->rest, item, strcspn(item, "=")))
			return true;
	}
	return false;
}

static int add_env(const struct explain_base *b, const json_t *config, bool guess,
		   struct buf *env, struct err *err)
{
	const json_t *item;
	size_t i;
	int rc = 0;

	json_array_foreach(json_object_get(config, "Env"), i, item)
	{
		const char *text = json_string_value(item);

		if (!text || !strchr(text, '=') || (guess && is_own(b, text)))
			continue;
		rc = buf_append(env, text, strlen(text) + 1, err);
		if (rc)
			return rc;
	}
	return rc;
}

static int copy_text(const json_t *config, const char *key, char **ret, struct err *err)
{
	const char *text = json_string_value(json_object_get(config, key));

	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? err_nomem(err) : 0;
}

/* The environment of the image that was built has the base's in it. A guess does no harm: a
 * wrong one gives a digest that no record has. */
static int guess_env(const struct explain_base *b, struct buf *env, struct err *err)
{
	auto_document json_t *json = NULL;
	int rc;

	if (digest_is_zero(&b->image->chainid))
		return 0;
	rc = read_config(b, b->image, &json, err);
	return rc ? rc : add_env(b, json_object_get(json, "config"), true, env, err);
}

/* All that BuildKit may have called it by. */
static int add_records(const struct explain_base *b, const struct subject *s,
		       struct build_plan_base *base, struct err *err)
{
	auto_free void *memory = NULL;
	struct platform platform;
	struct record_ref ref;
	int rc = 0;

	step_digest_base(&s->image.chainid, &base->records[base->record_count++]);
	if (platform_parse(s->image.platform, &platform, NULL) < 0)
		return 0;
	step_digest_manifest(&s->image.manifest, &platform,
			     &base->records[base->record_count++]);
	if (*s->name)
		rc = catalog_ref_get(b->txn, s->name, &ref, &memory, err);
	if (!rc && *s->name && !digest_is_zero(&ref.index))
		step_digest_manifest(&ref.index, &platform,
				     &base->records[base->record_count++]);
	return rc;
}

int explain_base(void *arg, struct build_plan_base *base, struct buf *env, char **ret_cwd,
		 char **ret_user, struct err *err)
{
	const struct explain_base *b = arg;
	auto_document json_t *json = NULL;
	const json_t *config;
	struct subject s;
	int rc = subject_find(b->txn, base->name, b->platform, 0, &s, err);

	if (rc == -ERR_NOTFOUND ||
	    (!rc && (s.kind != SUBJECT_IMAGE || digest_is_zero(&s.image.chainid)))) {
		rc = guess_env(b, env, err);
		return rc ? rc
			  : err_set(err, ERR_NOTFOUND, "no image '%s' in this store",
				    base->name);
	}
	if (!rc)
		rc = read_config(b, &s.image, &json, err);
	if (rc)
		return rc;
	config = json_object_get(json, "config");
	rc = add_records(b, &s, base, err);
	if (!rc)
		rc = add_env(b, config, false, env, err);
	if (!rc)
		rc = copy_text(config, "WorkingDir", ret_cwd, err);
	return rc ? rc : copy_text(config, "User", ret_user, err);
}

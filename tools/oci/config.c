/* SPDX-License-Identifier: Apache-2.0
 * Image configs: the platform and the DiffIDs. */
#include "tools/oci/config.h"

#include <string.h>
#include <time.h>

void config_release(struct config *c)
{
	free(c->diffids);
	*c = (struct config){0};
}

static int parse_diffids(const json_t *array, struct config *c, struct err *err)
{
	size_t count = json_array_size(array);

	c->diffids = calloc(count + 1, sizeof(*c->diffids));
	if (!c->diffids)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(array, i));
		int rc;

		if (!text)
			return err_set(err, ERR_INVALID, "diff_ids has no digest as %zu",
				       i + 1);
		rc = digest_parse(text, strlen(text), &c->diffids[i], err);
		if (rc)
			return err_wrap(err, "diff_ids");
	}
	c->count = count;
	return 0;
}

static int parse_rootfs(json_t *json, size_t layers, struct config *c, struct err *err)
{
	static const char *const keys[] = {"type", "diff_ids", NULL};
	json_t *rootfs, *diffids = NULL;
	const char *type = NULL;
	int rc = document_object(json, "rootfs", &rootfs, err);

	if (!rc && !rootfs)
		return err_set(err, ERR_INVALID, "rootfs is missing");
	if (!rc)
		rc = document_check_case(rootfs, keys, err);
	if (!rc)
		rc = document_text(rootfs, "type", &type, err);
	if (!rc && (!type || strcmp(type, "layers") != 0))
		return err_set(err, ERR_INVALID, "rootfs type is not 'layers'");
	if (!rc)
		rc = document_array(rootfs, "diff_ids", &diffids, err);
	if (!rc && json_array_size(diffids) != layers)
		return err_set(err, ERR_INVALID, "%zu diff_ids for %zu layers",
			       json_array_size(diffids), layers);
	return rc ? rc : parse_diffids(diffids, c, err);
}

int config_parse(const void *bytes, size_t len, size_t layers, struct config *ret,
		 struct err *err)
{
	static const char *const keys[] = {"rootfs", "os", "architecture", "variant",
					   NULL};
	auto_document json_t *json = NULL;
	struct config c = {0};
	int rc = document_parse(bytes, len, &json, err);

	if (rc)
		return rc;
	if (!json_is_object(json))
		return err_set(err, ERR_INVALID, "the config is not an object");
	rc = document_check_case(json, keys, err);
	if (!rc)
		rc = platform_from_json(json, &c.platform, err);
	if (!rc)
		rc = parse_rootfs(json, layers, &c, err);
	if (rc)
		config_release(&c);
	else
		*ret = c;
	return rc;
}

static json_t *make_history(const char *created, const char *created_by)
{
	return json_pack("[{s:s, s:s}]", "created", created, "created_by", created_by);
}

static int format_time(int64_t seconds, char text[40], struct err *err)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(text, 40, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return err_set(err, ERR_INVALID, "time %jd is out of range",
			       (intmax_t)seconds);
	return 0;
}

static int dump(const json_t *json, struct buf *ret, struct err *err)
{
	size_t len = json ? json_dumpb(json, NULL, 0, JSON_COMPACT | JSON_SORT_KEYS) : 0;
	int rc;

	if (len == 0)
		return err_nomem(err);
	rc = buf_reserve(ret, len, err);
	if (rc)
		return rc;
	ret->len += json_dumpb(json, (char *)ret->data + ret->len, len,
			       JSON_COMPACT | JSON_SORT_KEYS);
	return 0;
}

int config_make(const struct platform *platform, const struct digest *diffid,
		int64_t created, const char *created_by, struct buf *ret, struct err *err)
{
	char text[DIGEST_TEXT_SIZE], when[40];
	auto_document json_t *json = NULL;
	int rc = format_time(created, when, err);

	if (rc)
		return rc;
	json = json_pack("{s:s, s:s, s:s, s:{}, s:{s:s, s:[s]}}", "created", when,
			 "architecture", platform->arch, "os", platform->os, "config",
			 "rootfs", "type", "layers", "diff_ids",
			 digest_format(diffid, text));
	if (json && *platform->variant)
		json_object_set_new(json, "variant", json_string(platform->variant));
	if (json && created_by &&
	    json_object_set_new(json, "history", make_history(when, created_by)) < 0)
		return err_set(err, ERR_INVALID, "text of the history is not UTF-8");
	return dump(json, ret, err);
}

/* ---- on top of another ---- */

static int set_diffids(json_t *json, const struct digest *diffids, size_t count,
		       struct err *err)
{
	json_t *list = json_array();
	char text[DIGEST_TEXT_SIZE];
	int failed = list == NULL;

	for (size_t i = 0; i < count && !failed; i++)
		failed = json_array_append_new(
			list, json_string(digest_format(&diffids[i], text)));
	failed = json_object_set_new(
			 json, "rootfs",
			 json_pack("{s:s, s:o}", "type", "layers", "diff_ids", list)) ||
		 failed;
	return failed ? err_nomem(err) : 0;
}

/* Every layer has a step, for those who count: LAYERS are below the new one. */
static int add_history(json_t *json, size_t layers, json_t *step, struct err *err)
{
	json_t *old = json_object_get(json, "history"), *list = json_array();
	size_t i, steps = 0;
	json_t *item;
	int failed = list == NULL || step == NULL;

	json_array_foreach(old, i, item) steps +=
		!json_is_true(json_object_get(item, "empty_layer"));
	for (; steps < layers && !failed; steps++)
		failed = json_array_append_new(
			list, json_pack("{s:s}", "comment", "not recorded"));
	if (!failed && json_is_array(old))
		failed = json_array_extend(list, old);
	failed = json_array_append_new(list, step) || failed;
	failed = json_object_set_new(json, "history", list) || failed;
	return failed ? err_nomem(err) : 0;
}

/* "NAME" of "NAME=VALUE" is that of TEXT, too. */
static bool same_variable(const char *assignment, const char *text)
{
	size_t len = strcspn(assignment, "=");

	return text && strncmp(assignment, text, len) == 0 && text[len] == '=';
}

static int set_variable(json_t *list, const char *assignment, struct err *err)
{
	json_t *text = json_string(assignment), *item;
	size_t i;
	int failed;

	if (!text)
		return err_set(err, ERR_INVALID, "the variable '%s' is not UTF-8",
			       assignment);
	json_array_foreach(list, i, item)
	{
		if (same_variable(assignment, json_string_value(item))) {
			failed = json_array_set_new(list, i, text);
			return failed ? err_nomem(err) : 0;
		}
	}
	failed = json_array_append_new(list, text);
	return failed ? err_nomem(err) : 0;
}

static int set_text(json_t *config, const char *key, const char *text, struct err *err)
{
	if (!text || json_object_set_new(config, key, json_string(text)) == 0)
		return 0;
	return err_set(err, ERR_INVALID, "'%s' is not UTF-8", text);
}

/* The member KEY, made as VALUE if it is not there as such; the reference to that is taken. */
static json_t *member(json_t *json, const char *key, json_t *value)
{
	json_t *there = json_object_get(json, key);

	if (there && json_typeof(there) == json_typeof(value)) {
		json_decref(value);
		return there;
	}
	return json_object_set_new(json, key, value) ? NULL : value;
}

static int apply_change(json_t *json, const struct config_change *change, struct err *err)
{
	json_t *config = member(json, "config", json_object()), *env;
	int rc = config ? 0 : err_nomem(err);

	if (!rc && change->env_count) {
		env = member(config, "Env", json_array());
		rc = env ? 0 : err_nomem(err);
		for (size_t i = 0; i < change->env_count && !rc; i++)
			rc = set_variable(env, change->env[i], err);
	}
	if (!rc)
		rc = set_text(config, "WorkingDir", change->workdir, err);
	return rc ? rc : set_text(config, "User", change->user, err);
}

int config_derive(const void *parent, size_t len, const struct digest *diffids,
		  size_t count, int64_t created, const char *created_by,
		  const struct config_change *change, struct buf *ret, struct err *err)
{
	static const char *const stale[] = {"id",
					    "parent",
					    "parent_id",
					    "container",
					    "container_config",
					    "moby.buildkit.cache.v0",
					    "moby.buildkit.buildinfo.v1"};
	bool no_layer = change && change->no_layer;
	auto_document json_t *json = NULL;
	char when[40];
	json_t *step;
	int rc = format_time(created, when, err);

	if (!rc)
		rc = document_parse(parent, len, &json, err);
	if (!rc && !json_is_object(json))
		rc = err_set(err, ERR_INVALID, "the config is not an object");
	if (rc)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(stale); i++)
		json_object_del(json, stale[i]);
	step = json_pack("{s:s, s:s}", "created", when, "created_by",
			 created_by ? created_by : "");
	if (!step)
		return err_set(err, ERR_INVALID, "text of the history is not UTF-8");
	if (no_layer && json_object_set_new(step, "empty_layer", json_true()))
		rc = err_nomem(err);
	if (!rc && change)
		rc = apply_change(json, change, err);
	if (rc) {
		json_decref(step);
		return rc;
	}
	rc = add_history(json, no_layer ? count : count - 1, step, err);
	if (!rc)
		rc = set_diffids(json, diffids, count, err);
	if (!rc && json_object_set_new(json, "created", json_string(when)))
		rc = err_nomem(err);
	return rc ? rc : dump(json, ret, err);
}

int config_edit_diffids(const void *bytes, size_t len, const struct digest *diffids,
			size_t count, struct buf *ret, struct err *err)
{
	auto_document json_t *json = NULL;
	int rc = document_parse(bytes, len, &json, err);

	if (!rc && !json_is_object(json))
		rc = err_set(err, ERR_INVALID, "the config is not an object");
	if (!rc)
		rc = set_diffids(json, diffids, count, err);
	return rc ? rc : dump(json, ret, err);
}
